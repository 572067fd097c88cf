package kubernetes_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/leader"
)

// pairs are applications and process types whose names look alike, in one way or another.
var pairs = [][2]string{
	{"a/b", "c"},
	{"a", "b/c"},
	{"a%2Fb", "c"},
	{"a", "b%2Fc"},
	{"a.b", "c"},
	{"a", "b.c"},
	{"a", "b"},
	{"A", "b"},
	{"a", "B"},
	{"a ", "b"},
	{"a", " b"},
	{"a", "b "},
	{"\u00e9", "b"},
	{"e\u0301", "b"},
	{"\uff41", "b"},
	{"\u0430", "b"},
	{"%", "b"},
	{"_", "b"},
	{"*", "b"},
	{"[a]", "b"},
	{"a\\", "b"},
	{"a'", "b"},
	{"a\"", "b"},
	{"a:b", "c"},
	{"a-", "b"},
	{"a", "-b"},
	{"a--2d", "b"},
	{"a--2fb", "c"},
	{"-", "-"},
	{"--", "-"},
	{"-", "--"},
	{"a-b", "c"},
	{"a", "b-c"},
	{"0", "b"},
	{"00", "b"},
	{"h", "b"},
	{"--h", "b"},
	{"web--1fhistory", "b"},
	{strings.Repeat("a", 100), strings.Repeat("b", 99)},
	{strings.Repeat("a", 99), strings.Repeat("b", 99)},
	{strings.Repeat("\u00e9", 50), strings.Repeat("b", 50)},
	{strings.Repeat("\u00e9", 50), strings.Repeat("b", 49)},
}

// One name has one lease, one state, one command and one history, and no two share an object.
func TestOneNameOneLease(t *testing.T) {
	bubble(t, func(t *testing.T, s *kubetest.Server) {
		client := tokenClient(t, s, kubetest.Token)
		all := make([]*kubernetes.Elector, len(pairs))
		for i, p := range pairs {
			all[i] = client.Elector(&leader.Options{App: p[0], Logger: quiet})
			if err := all[i].SetDefaultName(p[1]); err != nil {
				t.Fatalf("%q: %v", p, err)
			}
			stop := run(t, all[i])
			defer func() {
				if err := stop(); err != nil {
					t.Errorf("%q: %v", p, err)
				}
			}()
		}
		time.Sleep(time.Second)
		for i, e := range all {
			text := fmt.Appendf(nil, "%q", pairs[i])
			term, ok := e.Current()
			if !ok {
				t.Errorf("%s does not lead", text)
				continue
			}
			if err := errors.Join(e.Save(t.Context(), term.Number, text), e.SaveHistory(t.Context(), term.Number, text), e.Command(t.Context(), text)); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
		time.Sleep(time.Minute)
		for i, e := range all {
			text := fmt.Sprintf("%q", pairs[i])
			err := e.Refresh(t.Context())
			history, err2 := e.History(t.Context())
			r, _ := e.Record()
			if err := errors.Join(err, err2); err != nil || string(r.State) != text || string(r.Command) != text || string(history) != text || r.Holder != e.Holder() {
				t.Errorf("%s has the state %s, the command %s, the history %s and the holder %s: %v", text, r.State, r.Command, history, r.Holder, err)
			}
		}
	})
}
