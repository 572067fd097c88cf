package count

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// MaxSize bounds the bytes of a report.
const MaxSize = 2 << 10

// The first byte of a report is its version. Version 1 had the totals of a window
// instead of seconds. It is still read, because processes of two releases run side by
// side during a deploy.
const (
	version      = 2
	versionTotal = 1
)

// Encode returns r in some 10 bytes, and about 6 more for each second and 2 to 6 for
// each slot in use. age is how long ago its last second ended.
func (r *Report) Encode(age time.Duration) []byte {
	b := []byte{version}
	put := func(v float64) { b = binary.AppendUvarint(b, uint64(max(v, 0)+.5)) }
	for _, n := range []uint64{uint64(max(age, 0) / time.Millisecond), uint64(r.Window), uint64(len(r.Seconds))} {
		b = binary.AppendUvarint(b, n)
	}
	for _, v := range r.Seconds {
		put(v.Begun)
		put(v.Ended)
		put(v.Busy * 1000)
		put(v.Peak)
	}
	b = binary.AppendUvarint(b, uint64(r.served))
	b = binary.AppendUvarint(b, r.long)
	b = appendSlots(b, r.waits[:])
	return appendSlots(b, r.slots[:])
}

// appendSlots appends how many slots are in use, and each with the gap before it.
func appendSlots(b []byte, counts []uint64) []byte {
	used, gap := uint64(0), uint64(0)
	for _, n := range counts {
		if n > 0 {
			used++
		}
	}
	b = binary.AppendUvarint(b, used)
	for _, n := range counts {
		if n == 0 {
			gap++
			continue
		}
		b = binary.AppendUvarint(b, gap)
		b = binary.AppendUvarint(b, n)
		gap = 0
	}
	return b
}

// No process counts more than this in a second. Below it no sum overflows.
const (
	mostRequests = 1 << 32
	mostBusy     = 1 << 24 // in progress at once
	mostAge      = 10 * time.Minute
)

var errStrange = errors.New("a report that makes no sense")

// Decode reads what Encode wrote. It trusts nothing, because others can write to a board too.
// age is how long before the encoding the last second had ended.
func Decode(b []byte) (r Report, age time.Duration, err error) {
	if len(b) == 0 || len(b) > MaxSize {
		return r, 0, fmt.Errorf("a report of %d bytes", len(b))
	}
	d := &decoder{b: b[1:]}
	switch b[0] {
	case version:
		age = time.Duration(d.next(uint64(mostAge/time.Millisecond))) * time.Millisecond
		d.report(&r)
	case versionTotal:
		d.totals(&r)
	default:
		return r, 0, fmt.Errorf("a report of version %d instead of %d", b[0], version)
	}
	timed := uint64(0)
	for _, n := range r.slots {
		timed += n
	}
	if d.bad || r.Window == 0 || r.Window > len(r.Seconds) || float64(r.served) > float64(timed)*float64(MaxLongest) {
		return Report{}, 0, errStrange
	}
	return r, age, nil
}

// A decoder reads numbers until one is bad.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) next(most uint64) uint64 {
	n, size := binary.Uvarint(d.b)
	if d.bad || size <= 0 || n > most {
		d.bad = true
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) report(r *Report) {
	r.Window = int(d.next(Seconds))
	r.Seconds = make([]Second, d.next(Seconds))
	for i := range r.Seconds {
		r.Seconds[i] = Second{
			Begun: float64(d.next(mostRequests)),
			Ended: float64(d.next(mostRequests)),
			Busy:  float64(d.next(mostBusy*1000)) / 1000,
			Peak:  float64(d.next(mostBusy)),
		}
	}
	r.served = int64(d.next(1 << 62))
	r.long = d.next(mostRequests)
	d.slots(r.waits[:], d.next(waitSlots))
	d.slots(r.slots[:], d.next(slots))
	d.bad = d.bad || len(d.b) > 0
}

// slots reads the given number of slots that are in use.
func (d *decoder) slots(to []uint64, used uint64) {
	at := uint64(0)
	for range used {
		at += d.next(uint64(len(to)))
		n := d.next(mostRequests)
		if at >= uint64(len(to)) || n == 0 {
			d.bad = true
		}
		if d.bad {
			return
		}
		to[at] = n
		at++
	}
}

// totals reads a report of version 1, and spreads it evenly over its window.
func (d *decoder) totals(r *Report) {
	r.Window = int(d.next(Seconds))
	window := float64(r.Window)
	begun := d.next(mostRequests)
	busy := float64(d.next(uint64(r.Window)*uint64(time.Second)*mostBusy)) / float64(time.Second)
	r.served = int64(d.next(1 << 62))
	queued := d.next(begun)
	waited := float64(d.next(1 << 62))
	r.long = d.next(mostRequests)
	ended := float64(r.long)
	for slot := uint64(0); !d.bad && len(d.b) > 0; slot++ {
		slot += d.next(slots)
		n := d.next(mostRequests)
		if d.bad || slot >= slots || n == 0 {
			d.bad = true
			return
		}
		r.slots[slot] = n
		ended += float64(n)
	}
	if d.bad || r.Window == 0 || waited > float64(queued)*float64(MaxWait) {
		d.bad = true
		return
	}
	if queued > 0 {
		r.waits[waitSlotOf(time.Duration(math.Min(waited/float64(queued), float64(MaxWait))))] = queued
	}
	for range r.Window {
		r.Seconds = append(r.Seconds, Second{Begun: float64(begun) / window, Ended: ended / window, Busy: busy / window})
	}
}
