package leader

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"github.com/autoscalebot/autoscale"
)

// Static returns an elector for a service that knows by itself which of its processes
// acts. leads must be true in at most one of them. No other process takes over from that
// one.
func Static(leads bool) autoscale.Elector {
	host, _ := os.Hostname() // for people alone
	return &static{leads: leads, holder: host}
}

// Dyno returns an elector for Heroku that needs no store. The first dyno of a process
// type acts, such as web.1, by the variable $DYNO. Use it in only one process type. A
// name without a number, as on Heroku's Fir generation, and an empty $DYNO are
// configuration errors.
//
// It promises less than [SQL]. During a deploy, above all with preboot, the old web.1 and
// the new one overlap, and both act. The same may happen when Heroku replaces a dyno that
// it cannot reach. There is no term that distinguishes the two. While web.1 is down
// nobody acts. The state of the autoscaler is lost with its dyno.
func Dyno() autoscale.Elector {
	name := os.Getenv("DYNO")
	s := &static{holder: name}
	switch m := numbered.FindStringSubmatch(name); {
	case name == "":
		s.fault = fmt.Errorf("leader: $DYNO is empty: Dyno works only on Heroku's dynos. Use leader.SQL, or leader.Static elsewhere")
	case m == nil:
		s.fault = fmt.Errorf("leader: $DYNO is %.60q, which has no number like web.1: it does not say which dyno acts. Use leader.SQL", name)
	default:
		s.leads = m[1] == "1"
	}
	return s
}

// Index returns an elector for a platform that numbers its processes. It needs no store:
// the process whose number is first acts. variable is the name of the environment
// variable that holds the number, such as CF_INSTANCE_INDEX on Cloud Foundry or
// NOMAD_ALLOC_INDEX on Nomad, which count from 0. On Docker Swarm, set a variable to
// {{.Task.Slot}}, which counts from 1. Use Index in only one process type. A variable
// that is empty or not a number is a configuration error.
//
// It promises less than [SQL], as [Dyno] does.
func Index(variable string, first int) autoscale.Elector {
	value := os.Getenv(variable)
	host, _ := os.Hostname() // for people alone
	s := &static{holder: cmp.Or(host, "process") + "." + value}
	n, err := strconv.Atoi(value)
	switch {
	case value == "":
		s.fault = fmt.Errorf("leader: $%s is empty: Index works where the platform numbers its processes. Use leader.SQL, or leader.Static elsewhere", variable)
	case err != nil || n < 0:
		s.fault = fmt.Errorf("leader: $%s is %.60q, which is not a number: it does not say which process acts. Use leader.SQL", variable, value)
	default:
		s.leads = n == first
	}
	return s
}

var numbered = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*\.([1-9][0-9]*)$`)

// static is an elector that holds no election.
type static struct {
	leads  bool
	holder string
	fault  error
}

func (s *static) Validate() error { return s.fault }

func (s *static) Run(ctx context.Context) error {
	if s.fault == nil {
		<-ctx.Done()
	}
	return s.fault
}

func (s *static) Current() (autoscale.Term, bool) {
	if !s.leads {
		return autoscale.Term{}, false
	}
	return autoscale.Term{Holder: s.holder, Number: 1}, true
}
