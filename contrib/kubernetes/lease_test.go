package kubernetes_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/leader"
)

// A holder is a process with a lease.
type holder struct {
	t testing.TB
	leader.Lease
	claim leader.Claim
	last  leader.Row
}

func newHolder(t testing.TB, s *kubetest.Server, name string) *holder {
	return &holder{t: t, Lease: kubernetes.NewLease(leastClient(t, s, name)), claim: leader.Claim{Name: "shop/web", Holder: name, TTL: time.Second}}
}

func (h *holder) read() leader.Row {
	h.t.Helper()
	row, err := h.Read(h.t.Context(), h.claim.Name, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	h.last = row
	return row
}

func (h *holder) acquire(stale, want bool) {
	h.t.Helper()
	row, won, err := h.Acquire(h.t.Context(), h.claim, h.last, stale)
	if err != nil || won != want {
		h.t.Fatalf("%s acquired: %t, %v; want %t", h.claim.Holder, won, err, want)
	}
	if won {
		if row.Term <= h.claim.Term || row.Holder != h.claim.Holder {
			h.t.Errorf("after term %d comes %d of %q", h.claim.Term, row.Term, row.Holder)
		}
		h.last, h.claim.Term = row, row.Term
	}
}

func (h *holder) save(state string, version int64, want bool) {
	h.t.Helper()
	if saved, err := h.Save(h.t.Context(), h.claim, []byte(state), version); err != nil || saved != want {
		h.t.Errorf("%s saved: %t, %v; want %t", h.claim.Holder, saved, err, want)
	}
}

func (h *holder) renew(want bool) {
	h.t.Helper()
	row, ok, err := h.Renew(h.t.Context(), h.claim, 0)
	if err != nil || ok != want {
		h.t.Errorf("%s renewed: %t, %v; want %t", h.claim.Holder, ok, err, want)
	}
	if ok {
		h.last = row
	}
}

func newServer(t testing.TB) *kubetest.Server {
	s := kubetest.NewServer()
	t.Cleanup(s.Close)
	return s
}

// A lease is taken only from who did not renew, and an earlier term can do nothing any more.
func TestLeaseIsFenced(t *testing.T) {
	t.Run("in real time", func(t *testing.T) { leaseIsFenced(t, newServer(t)) })
	t.Run("all at one time", func(t *testing.T) {
		bubble(t, leaseIsFenced)
	})
}

func leaseIsFenced(t *testing.T, s *kubetest.Server) {
	a, b := newHolder(t, s, "a"), newHolder(t, s, "b")
	if row := b.read(); row.Term != 0 || row.Left > 0 {
		t.Errorf("before anybody led the row is %+v", row)
	}
	a.acquire(false, true)
	a.save("one", 1, true)
	if row := b.read(); row.Holder != "a" || row.Left <= 0 || string(row.State) != "one" {
		t.Errorf("b reads %+v", row)
	}
	b.acquire(false, false)
	a.renew(true)
	b.acquire(true, false) // a renewed since b looked
	b.read()
	a.save("two", 2, true)
	b.acquire(true, true)
	if string(b.last.State) != "two" || b.last.Version != 2 {
		t.Errorf("b begins with %q", b.last.State)
	}
	a.save("late", 3, false)
	a.renew(false)
	if err := a.Release(t.Context(), a.claim); err != nil {
		t.Error(err)
	}
	b.renew(true)
	b.save("three", 4, true)
	b.save("older", 3, false)
	if err := b.Release(t.Context(), b.claim); err != nil {
		t.Error(err)
	}
	if row := a.read(); row.Left > 0 || row.Holder != "" || string(row.State) != "three" {
		t.Errorf("after the release a reads %+v", row)
	}
	a.acquire(false, true)
	b.save("after the release", 9, false)
}

// Between taking the Lease and sealing the ConfigMap nobody leads: an order of the last leader
// that was saved then is in the state from which the next one starts.
func TestSaveBeforeTheSealIsSeen(t *testing.T) {
	bubble(t, func(t *testing.T, s *kubetest.Server) {
		a, b := newHolder(t, s, "a"), newHolder(t, s, "b")
		a.acquire(false, true)
		a.save("one", 1, true)
		b.read()
		// The patch of the ConfigMap by b waits until a has saved.
		s.Inject(sealed("b", 3*time.Second))
		done := make(chan struct{})
		time.AfterFunc(time.Second, func() {
			defer close(done)
			a.save("two", 2, true)
		})
		b.acquire(true, true)
		<-done
		if string(b.last.State) != "two" {
			t.Errorf("b begins with %q, want two", b.last.State)
		}
		a.save("three", 3, false)
	})
}

// A process that took the Lease and was overtaken before it sealed the ConfigMap does not lead.
func TestSealOfAnEarlierTerm(t *testing.T) {
	bubble(t, func(t *testing.T, s *kubetest.Server) {
		a, b := newHolder(t, s, "a"), newHolder(t, s, "b")
		b.acquire(false, true)
		a.read()
		s.Inject(sealed("a", 3*time.Second))
		done := make(chan struct{})
		time.AfterFunc(time.Second, func() {
			defer close(done)
			b.read()
			b.acquire(true, true)
		})
		a.acquire(true, false)
		<-done
		if b.claim.Term != 3 {
			t.Errorf("b leads in term %d, want 3, as a took the Lease in 2", b.claim.Term)
		}
		b.renew(true)
		b.save("one", 1, true)
		a.claim.Term = 2
		a.save("late", 2, false)
	})
}

// sealed delays the next patch of a ConfigMap by an account.
func sealed(account string, by time.Duration) kubetest.Fault {
	return kubetest.Fault{Account: account, Method: "PATCH", Path: "/api/v1/namespaces/default/configmaps/*", Delay: by}
}

func bubble(t *testing.T, f func(t *testing.T, s *kubetest.Server)) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.NewPipeServer()
		defer s.Close()
		f(t, s)
	})
}

// Whatever of the objects somebody deletes, terms only grow for those who remember them, and no
// earlier term saves.
func TestDeletedObjects(t *testing.T) {
	const object = "autoscale-shop.web"
	for _, kinds := range [][]string{{"Lease"}, {"ConfigMap"}, {"Lease", "ConfigMap"}} {
		t.Run(strings.Join(kinds, " and "), func(t *testing.T) {
			s := newServer(t)
			a, b := newHolder(t, s, "a"), newHolder(t, s, "b")
			for range 3 {
				a.acquire(false, true)
			}
			a.save("one", 1, true)
			b.read()
			for _, kind := range kinds {
				s.Delete(kind, "", object)
			}
			if kinds[0] == "ConfigMap" {
				a.renew(true)
				a.save("two", 2, true)
			} else {
				a.renew(false)
			}
			b.claim.Term = 3 // it read it
			b.read()
			b.acquire(true, true)
			a.save("late", 3, false)
			a.renew(false)
			if kinds[0] == "Lease" && len(kinds) == 1 {
				s.Delete("Lease", "", object)
				newcomer := newHolder(t, s, "c") // it remembers nothing, but the ConfigMap does
				newcomer.acquire(false, true)
				if newcomer.claim.Term <= b.claim.Term {
					t.Errorf("after term %d comes %d", b.claim.Term, newcomer.claim.Term)
				}
			}
		})
	}
}

// Whichever answers are lost, no two terms are the same, and the last state that was
// confirmed is kept.
func TestLostAnswers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := newServer(t)
	a, b := newHolder(t, s, "a"), newHolder(t, s, "b")
	ctx := t.Context()
	terms := map[int64]string{}
	may := []string{""} // what the state may be: the last that was confirmed, and those of unknown outcome since
	for i := range 400 {
		if r.IntN(3) == 0 {
			s.Inject(kubetest.Fault{Verb: []string{"get", "patch", "create"}[r.IntN(3)], Apply: r.IntN(2) == 0, Reset: true, Skip: r.IntN(3)})
		}
		h := []*holder{a, b}[r.IntN(2)]
		switch r.IntN(4) {
		case 0:
			h.last, _ = h.Read(ctx, h.claim.Name, 0)
		case 1:
			h.last.Version = 0 // so that it gets the state
			row, won, err := h.Acquire(ctx, h.claim, h.last, true)
			if !won || err != nil {
				break
			}
			if by := terms[row.Term]; by != "" || row.Term <= h.claim.Term {
				t.Fatalf("step %d: the term %d of %s was one of %q", i, row.Term, h.claim.Holder, by)
			}
			terms[row.Term], h.claim.Term = h.claim.Holder, row.Term
			if got := string(row.State); !slices.Contains(may, got) {
				t.Fatalf("step %d: %s begins with %q, which is none of %q", i, h.claim.Holder, got, may)
			}
			may = []string{string(row.State)}
		case 2:
			state := fmt.Sprint(i)
			saved, err := h.Save(ctx, h.claim, []byte(state), int64(i)+1)
			for term := range terms {
				if saved && err == nil && term > h.claim.Term {
					t.Fatalf("step %d: saved in term %d after %d had begun", i, h.claim.Term, term)
				}
			}
			if err != nil {
				may = append(may, state)
			} else if saved {
				may = []string{state}
			}
		case 3:
			_, _, _ = h.Renew(ctx, h.claim, 0)
		}
		s.ClearFaults()
	}
	if len(terms) < 20 {
		t.Errorf("only %d terms", len(terms))
	}
}

// What is saved and commanded is kept to the byte, at its largest, and within the bounds of
// Kubernetes.
func TestLargestRecord(t *testing.T) {
	s := newServer(t)
	a, b := newHolder(t, s, "a"), newHolder(t, s, "b")
	ctx := t.Context()
	state, command := bytes.Repeat([]byte{0xfd, 0}, autoscale.MaxState/2), bytes.Repeat([]byte{0xfe}, autoscale.MaxCommand)
	history := bytes.Repeat([]byte{0xfc}, autoscale.MaxHistory)
	a.acquire(false, true)
	a.save(string(state), 1<<53-1, true)
	for name, data := range map[string][]byte{"shop/web": command, "shop/web\x1fhistory": history} {
		for range 2 {
			if err := b.Command(ctx, name, data); err != nil {
				t.Fatal(err)
			}
		}
		row, err := a.Read(ctx, name, 0)
		if err != nil || !bytes.Equal(row.Command, data) {
			t.Errorf("%q: %d bytes, %v; want %d", name, len(row.Command), err, len(data))
		}
	}
	a.renew(true)
	if row := b.read(); !bytes.Equal(row.State, state) || row.Version != 1<<53-1 || row.Age > 3*time.Second {
		t.Errorf("b reads %d bytes of version %d and age %v", len(row.State), row.Version, row.Age)
	}
}

// A Lease of another program, or one that a person spoilt, is left alone, and the error says so.
func TestForeignObjects(t *testing.T) {
	const object = "autoscale-shop.web"
	for name, o := range map[string]map[string]any{
		"a Lease of another program": {"kind": "Lease", "metadata": map[string]any{"name": object}, "spec": map[string]any{"holderIdentity": "someone"}},
		"a Lease of another name":    {"kind": "Lease", "metadata": map[string]any{"name": object, "annotations": map[string]any{"autoscalebot.github.io/name": "x"}}},
		"a ConfigMap of another":     {"kind": "ConfigMap", "metadata": map[string]any{"name": object}, "binaryData": map[string]any{"key": "AAAA"}},
		"a term that is no number":   {"kind": "ConfigMap", "metadata": map[string]any{"name": object, "annotations": map[string]any{"autoscalebot.github.io/name": "shop/web", "autoscalebot.github.io/term": "x"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.Put(o)
			e := leastClient(t, s, "a").Elector(&leader.Options{Name: "shop/web", Logger: quiet})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := e.Run(ctx); err == nil || !strings.Contains(err.Error(), "delete") {
				t.Errorf("Run: %v", err)
			}
		})
	}
	// One that was made beforehand, empty, is taken.
	s := newServer(t)
	for _, kind := range []string{"Lease", "ConfigMap"} {
		s.Put(map[string]any{"kind": kind, "metadata": map[string]any{"name": object}})
	}
	a := newHolder(t, s, "a")
	a.read()
	a.acquire(false, true)
	a.save("one", 1, true)
}
