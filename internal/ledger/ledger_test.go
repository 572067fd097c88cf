package ledger_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/ledger"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func after(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

func TestOrders(t *testing.T) {
	type order struct {
		at, size int
		unsure   bool
	}
	for _, tt := range []struct {
		name   string
		orders []order
		at     int
		seemed []int // the sizes of orders that seemed to fail
	}{
		{"none", nil, 0, nil},
		{"one that succeeded", []order{{0, 3, false}}, 1, nil},
		{"one that seemed to fail", []order{{0, 3, true}}, 1, []int{3}},
		{"one that seemed to fail long ago", []order{{0, 3, true}}, 1000, []int{3}},
		{"repeated", []order{{0, 3, true}, {1, 3, true}}, 1, []int{3}},
		{"repeated with success", []order{{0, 3, true}, {1, 3, false}}, 1, nil},
		{"then another", []order{{0, 3, true}, {1, 4, false}}, 2, []int{3}},
		{"then another that seemed to fail", []order{{0, 3, true}, {1, 4, true}}, 2, []int{3, 4}},
		{"then another, and it is too late", []order{{0, 3, true}, {1, 4, false}}, 11, nil},
		{"just in time", []order{{0, 3, true}, {1, 4, false}}, 10, []int{3}},
		{"two that succeeded", []order{{0, 3, false}, {1, 4, false}}, 2, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o ledger.Orders
			for _, g := range tt.orders {
				o.Give(after(g.at), g.size, g.unsure)
			}
			var seemed []int
			for size := range 6 {
				if o.Seemed(after(tt.at), size) {
					seemed = append(seemed, size)
				}
			}
			if !slices.Equal(seemed, tt.seemed) {
				t.Errorf("%v, want %v", seemed, tt.seemed)
			}
		})
	}
}

func TestOthers(t *testing.T) {
	// An order from 2 to 3, and somebody's change from 3, or nothing but a change.
	type event struct {
		ordered, changed int // minutes. Order is left out if it is negative
		to               int
	}
	for _, tt := range []struct {
		name   string
		events []event
		yields bool
	}{
		{"two changes", []event{{0, 1, 2}, {10, 11, 2}}, false},
		{"three changes", []event{{0, 1, 2}, {10, 11, 2}, {20, 21, 2}}, true},
		{"in the same direction", []event{{0, 1, 4}, {10, 11, 4}, {20, 21, 4}}, false},
		{"at the end of the reply", []event{{0, 15, 2}, {20, 35, 2}, {40, 55, 2}}, true},
		{"after the reply", []event{{0, 16, 2}, {20, 36, 2}, {40, 56, 2}}, false},
		{"one order is undone once", []event{{0, 1, 2}, {-1, 2, 1}, {-1, 3, 0}}, false},
		{"within an hour", []event{{0, 1, 2}, {30, 31, 2}, {59, 60, 2}}, true},
		{"beyond an hour", []event{{0, 1, 2}, {30, 31, 2}, {60, 61, 2}}, false},
		{"three of four within an hour", []event{{0, 1, 2}, {30, 31, 2}, {60, 61, 2}, {80, 81, 2}}, true},
		{"without an order", []event{{-1, 1, 2}, {-1, 2, 2}, {-1, 3, 2}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o ledger.Others
			last := start
			for _, e := range tt.events {
				if e.ordered >= 0 {
					o.Order(after(e.ordered), 2, 3)
				}
				last = after(e.changed)
				o.Change(last, 3, e.to)
			}
			until, yields := o.Yielding(last)
			if yields != tt.yields || yields && !until.Equal(last.Add(time.Hour)) {
				t.Errorf("yields %v until %v", yields, until)
			}
		})
	}
}

// TestYielding goes through one time of yielding.
func TestYielding(t *testing.T) {
	var o ledger.Others
	fight := func(from int) {
		for i := range 3 {
			o.Order(after(from+10*i), 3, 2)
			o.Change(after(from+10*i+1), 2, 3)
		}
	}
	fight(0)
	o.Change(after(50), 3, 9) // still at work
	if until, yields := o.Yielding(after(109)); !yields || !until.Equal(after(110)) {
		t.Errorf("yields %v until %v", yields, until)
	}
	if until, yields := o.Yielding(after(110)); yields || !until.IsZero() {
		t.Errorf("an hour later: yields %v until %v", yields, until)
	}
	// One change after the rest is not enough to yield again.
	o.Order(after(200), 3, 2)
	o.Change(after(201), 2, 3)
	if _, yields := o.Yielding(after(201)); yields {
		t.Error("yields after one change")
	}
	// The changes of the last time are forgotten.
	o.Reset()
	fight(300)
	o.Order(after(322), 3, 2)
	if len(o.Against) != 0 {
		t.Errorf("%v still counts", o.Against)
	}
	o.Reset()
	if _, yields := o.Yielding(after(322)); yields {
		t.Error("yields after Reset")
	}
}

func TestBoots(t *testing.T) {
	// What a platform says in a minute. The size was raised at added, and lowered at
	// removed, if they are not negative.
	type look struct{ at, added, removed, pending int }
	for _, tt := range []struct {
		name  string
		looks []look
		want  time.Duration // 0: nothing is learned
	}{
		{"nothing is pending", []look{{1, 0, -1, 0}, {2, 0, -1, 0}}, 0},
		{"two minutes", []look{{1, 0, -1, 2}, {2, 0, -1, 0}}, 2 * time.Minute},
		{"one after the other", []look{{1, 0, -1, 2}, {2, 0, -1, 1}, {4, 0, -1, 0}}, 4 * time.Minute},
		{"the last of two orders counts", []look{{1, 0, -1, 1}, {3, 2, -1, 2}, {5, 2, -1, 0}}, 3 * time.Minute},
		{"processes are removed meanwhile", []look{{1, 0, -1, 2}, {3, 0, 2, 0}}, 0},
		{"they were removed before", []look{{6, 5, 2, 2}, {8, 5, 2, 0}}, 3 * time.Minute},
		{"a restart", []look{{6, 2, 5, 2}, {8, 2, 5, 0}}, 0},
		{"a boot of fifteen minutes", []look{{1, 0, -1, 2}, {15, 0, -1, 0}}, 15 * time.Minute},
		{"it is stuck", []look{{1, 0, -1, 2}, {16, 0, -1, 0}}, 0},
		{"pending begins late", []look{{16, 0, -1, 2}, {17, 0, -1, 0}}, 0},
		{"the clock is put back", []look{{1, 0, -1, 2}, {-5, 0, -1, 0}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b ledger.Boots
			at := func(minute int) (when time.Time) {
				if minute >= 0 {
					when = after(minute)
				}
				return when
			}
			for _, l := range tt.looks {
				b.See(after(l.at), at(l.added), at(l.removed), l.pending)
			}
			if got := b.Typical(0); got != tt.want || !b.Ordered.IsZero() {
				t.Errorf("%v, want %v; ordered at %v", got, tt.want, b.Ordered)
			}
		})
	}
}

func TestTypical(t *testing.T) {
	var b ledger.Boots
	if got := b.Typical(time.Minute); got != time.Minute {
		t.Errorf("%v is assumed", got)
	}
	// The first four are forgotten.
	for i, minutes := range []int{14, 14, 14, 14, 5, 1, 4, 2, 8, 3, 7, 6} {
		began := after(100 * i)
		b.See(began.Add(time.Second), began, time.Time{}, 1)
		b.See(began.Add(time.Duration(minutes)*time.Minute), began, time.Time{}, 0)
	}
	if got := b.Typical(time.Minute); got != 5*time.Minute || len(b.Times) != 8 {
		t.Errorf("%v of %v", got, b.Times)
	}
}

// TestJSON sends a ledger through JSON.
func TestJSON(t *testing.T) {
	var o ledger.Orders
	o.Give(start, 3, true)
	o.Give(after(1), 4, true)
	var b ledger.Boots
	b.See(after(1), start, time.Time{}, 1)
	var others ledger.Others
	others.Order(start, 2, 3)
	others.Change(after(1), 3, 2)
	type all struct {
		Orders ledger.Orders
		Boots  ledger.Boots
		Others ledger.Others
	}
	data, err := json.Marshal(all{o, b, others})
	if err != nil {
		t.Fatal(err)
	}
	var read all
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	if !read.Orders.Seemed(after(2), 3) || !read.Orders.Seemed(after(2), 4) || !read.Boots.Ordered.Equal(start) ||
		!read.Others.Last.Equal(after(1)) || len(read.Others.Against) != 1 {
		t.Errorf("%s became %+v", data, read)
	}
}
