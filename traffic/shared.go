package traffic

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/count"
	"github.com/autoscalebot/autoscale/internal/part"
)

// DefaultInterval is how often a [Shared] publishes if its Interval is 0.
const DefaultInterval = 10 * time.Second

// boardTimeout bounds each call to the board.
const boardTimeout = 3 * time.Second

// Shared is a Prober that measures the traffic of the whole service. Each process runs
// [Shared.Run], which publishes on a MetricsBoard what its own Traffic measured. The Probe
// of the process that leads adds up the reports.
//
//	shared := &traffic.Shared{Traffic: t, MetricsBoard: leader.MetricsBoard(db, nil)}
//	go shared.Run(ctx) // in every process
//	go autoscale.New(autoscale.Config{Prober: shared, Elector: leader.SQL(db, nil), …}).Run(ctx)
//
// A report has the counts of its process in each second of the last minute. Arrivals,
// Throughput and Busy are added up second by second. [autoscale.Sample.Breakdown] has how
// many processes reported each second, and the Autoscaler scales the sums up to all the
// processes that served then. So a process that started, was killed or published late
// counts in the seconds that it reported, and in no others.
//
// ServiceTime, QueueTime and Latency cover the requests of all processes. They come from
// reports that are at most two and a half Intervals old, by the clock of the board. A
// process that stops removes its report.
//
// Reports from the previous release are read too.
//
// If the board is empty or cannot be read, Probe returns what this process measured, as
// [Traffic.Probe] does. Detail says so.
//
// The fields must not change once the Shared is used. A Shared is safe for concurrent use,
// and must not be copied.
type Shared struct {
	Traffic      *Traffic     // of this process. Required
	MetricsBoard MetricsBoard // the same one in all processes of the service. Required

	// Member is the name that people see for this process, at most 200 bytes long. Shared
	// adds a unique suffix. Empty: $DYNO, or else the host's name.
	Member string

	// Interval is how often Run publishes, with one round trip each time: 1 s to 5 min,
	// and the same in all processes. 0: DefaultInterval.
	Interval time.Duration

	// Logger logs when the board begins to fail, and when it works again. It must not
	// block. Nil: slog.Default().
	Logger *slog.Logger

	once    sync.Once
	member  string
	running atomic.Bool
}

// Rule returns the rule of Traffic.
func (s *Shared) Rule() autoscale.Decider {
	if s.Traffic == nil {
		return nil
	}
	return s.Traffic.Rule()
}

// Validate reports everything that is wrong with the fields, the options of Traffic and
// the MetricsBoard.
func (s *Shared) Validate() error {
	var errs []error
	if s.Traffic == nil {
		errs = append(errs, errors.New("traffic: Shared.Traffic is nil: give the one whose Handler serves"))
	} else if err := s.Traffic.Validate(); err != nil {
		errs = append(errs, err)
	}
	if s.MetricsBoard == nil {
		errs = append(errs, errors.New("traffic: Shared.MetricsBoard is nil: give one, as leader.MetricsBoard(db, nil)"))
	} else if v, ok := part.As[autoscale.Validator](s.MetricsBoard); ok {
		errs = append(errs, v.Validate())
	}
	if len(s.Member) > 200 {
		errs = append(errs, fmt.Errorf("traffic: Shared.Member has %d bytes: give at most 200", len(s.Member)))
	}
	if i := s.interval(); i < time.Second || i > 5*time.Minute {
		errs = append(errs, fmt.Errorf("traffic: Shared.Interval is %v: it must be from 1s to 5m, or 0 for %v", i, DefaultInterval))
	}
	return errors.Join(errs...)
}

func (s *Shared) interval() time.Duration {
	if s.Interval == 0 {
		return DefaultInterval
	}
	return s.Interval
}

// name returns the member that this process is.
func (s *Shared) name() string {
	s.once.Do(func() {
		s.member = s.Member
		if s.member == "" {
			s.member = os.Getenv("DYNO")
		}
		if s.member == "" {
			s.member, _ = os.Hostname() // the suffix alone is unique
		}
		s.member = fmt.Sprintf("%.200s/%d/%s", s.member, os.Getpid(), rand.Text()[:12])
	})
	return s.member
}

// Run publishes what Traffic measures until ctx ends: as soon as there is something, and
// then every Interval. At the end it removes its report, which may take some seconds, and
// returns nil.
//
// If the board fails, Run retries for ever. It logs once that the board fails, and once
// that it works again. If a field is invalid, Run logs the error, publishes nothing, and
// returns the error when ctx ends, as [autoscale.Autoscaler.Run] does. If another Run is
// under way, it returns an error at once.
func (s *Shared) Run(ctx context.Context) error {
	if err := s.Validate(); err != nil {
		s.log(ctx, slog.LevelError, err.Error())
		<-ctx.Done()
		return err
	}
	if !s.running.CompareAndSwap(false, true) {
		return errors.New("traffic: another Run of this Shared is under way")
	}
	defer s.running.Store(false)
	timer := time.NewTimer(0)
	defer timer.Stop()
	up, failing := false, false
	for {
		select {
		case <-ctx.Done():
			if up {
				// If the report stayed, it would count in the sums until it is too old.
				_ = s.publish(context.WithoutCancel(ctx), nil)
			}
			return nil
		case <-timer.C:
		}
		r, ended, err := s.Traffic.report()
		if err != nil { // not yet
			timer.Reset(time.Second)
			continue
		}
		timer.Reset(s.interval())
		up = true // perhaps even if it fails
		err = s.publish(ctx, r.Encode(time.Since(ended)))
		switch {
		case err != nil && !failing && ctx.Err() == nil:
			failing = true
			s.log(ctx, slog.LevelWarn, "traffic: what this process measured could not be published, and is tried again every "+s.interval().String(), slog.String("error", err.Error()))
		case err == nil && failing:
			failing = false
			s.log(ctx, slog.LevelInfo, "traffic: what this process measures is published again")
		}
	}
}

// Probe returns what all processes measured. It returns an error if no process has measured
// anything.
func (s *Shared) Probe(ctx context.Context) (autoscale.Sample, error) {
	if err := s.Validate(); err != nil {
		return autoscale.Sample{}, err
	}
	window := s.Traffic.opts.Window
	fresh, oldest := count.Ages(s.interval(), window)
	reports, boardErr := s.read(ctx, oldest)
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return autoscale.Sample{}, context.Cause(ctx)
	}
	own, ended, ownErr := s.Traffic.report()
	now := time.Now()
	var all count.Sum
	if ownErr == nil {
		all.Add(&own, 0, true) // it is newer than what was published
	} else {
		ended = now
	}
	var posted []count.Posted
	young := 0
	for _, report := range reports[:min(len(reports), MaxReports)] {
		if report.Age < fresh {
			young++
		}
		if report.Member != s.name() || ownErr != nil {
			posted = append(posted, count.Posted{Data: report.Data, Age: report.Age})
		}
	}
	strange, strangeErr := all.Gather(posted, now.Sub(ended), fresh)
	detail := ""
	switch {
	case boardErr != nil:
		detail = "only this process was measured, because the metrics board could not be read: " + boardErr.Error()
	case young == 0:
		detail = fmt.Sprintf("only this process was measured, because the metrics board has no report of the last %v: does Shared.Run run in every process?", fresh)
	case strange > 0:
		detail = fmt.Sprintf("%d of %d reports on the metrics board were left out, for example %v: is another release still running?", strange, len(reports), strangeErr)
	}
	sample := all.Sample(window, s.Traffic.opts.Percentile, ended)
	if sample.Breakdown == nil {
		err := ownErr
		if detail != "" {
			err = fmt.Errorf("%w; %s", ownErr, detail)
		}
		return autoscale.Sample{}, err
	}
	sample.Detail = detail
	return sample, nil
}

func (s *Shared) publish(ctx context.Context, report []byte) error {
	return call(ctx, func(ctx context.Context) error { return s.MetricsBoard.Publish(ctx, s.name(), report) })
}

func (s *Shared) read(ctx context.Context, fresh time.Duration) (reports []Report, err error) {
	err = call(ctx, func(ctx context.Context) error {
		reports, err = s.MetricsBoard.Read(ctx, fresh)
		return err
	})
	if err != nil {
		return nil, err
	}
	return reports, nil
}

// call calls the board, in bounded time. A panic in the board must not end the
// host's process.
func call(ctx context.Context, f func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, boardTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the metrics board panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return f(ctx)
}

func (s *Shared) log(ctx context.Context, level slog.Level, message string, attrs ...slog.Attr) {
	defer func() { _ = recover() }() // a handler of the host's
	logger := s.Logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.LogAttrs(ctx, level, message, attrs...)
}
