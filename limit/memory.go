package limit

import (
	"math"
	"time"
)

// Memory is what the limits remember from one tick to the next. The zero value remembers
// nothing. It is bounded, and JSON keeps it for the next leader.
type Memory struct {
	Recommendations recommendations `json:"recommendations,omitempty"`
	Moves           Moves           `json:"moves,omitempty"`
	Past            past            `json:"past,omitzero"`
	Returns         returns         `json:"diminishing_returns,omitzero"`
	Spending        spending        `json:"spending,omitzero"`
	Ceiling         ceiling         `json:"ceiling,omitzero"`

	adjustments []Adjustment // of the last Apply
}

// Trim cuts the lists to their bounds, after they were read from saved state.
func (m *Memory) Trim() {
	m.Recommendations = m.Recommendations[max(0, len(m.Recommendations)-maxSlots):]
	m.Moves = m.Moves[max(0, len(m.Moves)-maxMoves):]
}

// Ordered records that the platform took an order of ours.
func (m *Memory) Ordered(at time.Time, from, to int) {
	m.Spending.Size = to
	m.Moved(at, from, to)
}

// Moved records a change of the size, whoever made it.
func (m *Memory) Moved(at time.Time, from, to int) { m.Moves.add(Move{at, from, to}) }

// Raised records an increase and the symptoms before it, for [DiminishingReturns].
func (m *Memory) Raised(at time.Time, symptoms []Symptom) { m.Returns.raised(at, symptoms) }

// Permits records the most processes that the platform permits, and reports whether that
// is news. The limit is believed for the given time. That is an hour at most, because such
// limits are raised on request. 0: an hour. The same limit is news once an hour.
func (m *Memory) Permits(at time.Time, size int, believed time.Duration) (news bool) {
	if believed <= 0 || believed > ceilingAge {
		believed = ceilingAge
	}
	c := &m.Ceiling
	size = max(size, 0)
	if news = size != c.Size || at.Sub(c.Told) >= ceilingAge || at.Before(c.Told); news {
		c.Told = at
	}
	c.Size, c.Until = size, at.Add(believed)
	return news
}

// Permitted returns the most processes that the platform permits, or the largest int
// if that is not known.
func (m *Memory) Permitted(at time.Time) int { return m.Ceiling.at(at) }

// PermittedUntil returns until when the limit that Permitted returns is believed. Zero: no
// limit is known.
func (m *Memory) PermittedUntil(at time.Time) time.Time {
	if m.Ceiling.at(at) == math.MaxInt {
		return time.Time{}
	}
	return m.Ceiling.Until
}

// ceilingAge is the longest time for which a limit of the platform is believed.
const ceilingAge = time.Hour

// A ceiling is the most processes that a platform said it permits.
type ceiling struct {
	Size  int       `json:"size"`
	Until time.Time `json:"until,omitzero"`
	Told  time.Time `json:"told,omitzero"` // when it was last news
}

func (c ceiling) at(now time.Time) int {
	if c.Until.IsZero() || !now.Before(c.Until) || c.Until.Sub(now) > ceilingAge { // the clock was put back
		return math.MaxInt
	}
	return c.Size
}

// maxMoves bounds the changes of size that are remembered.
const maxMoves = 64

// A Move is a change of the size.
type Move struct {
	At   time.Time `json:"at"`
	From int       `json:"from"`
	To   int       `json:"to"`
}

// Moves are the last changes of the size, oldest first.
type Moves []Move

func (m *Moves) add(v Move) {
	if len(*m) == maxMoves {
		*m = append((*m)[:0], (*m)[1:]...)
	}
	*m = append(*m, v)
}

// Furthest returns the size within the period that differs most from size.
func (m Moves) Furthest(now time.Time, period time.Duration, size int) int {
	furthest := size
	for _, v := range m {
		if now.Sub(v.At) > period {
			continue
		}
		for _, n := range [2]int{v.From, v.To} {
			if abs(n-size) > abs(furthest-size) {
				furthest = n
			}
		}
	}
	return furthest
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
