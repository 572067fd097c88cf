package sim

// A heap keeps values with the least key on top. It works as container/heap does, without
// its interface, which would take half of the time of a simulation.
type heap[T interface{ key() float64 }] []T

func (h *heap[T]) push(v T) {
	*h = append(*h, v)
	a, i := *h, len(*h)-1
	for i > 0 && a[i].key() < a[(i-1)/2].key() {
		a[i], a[(i-1)/2] = a[(i-1)/2], a[i]
		i = (i - 1) / 2
	}
}

func (h *heap[T]) pop() T {
	a := *h
	top, last := a[0], len(a)-1
	a[0] = a[last]
	clear(a[last:])
	a = a[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			break
		}
		if c+1 < last && a[c+1].key() < a[c].key() {
			c++
		}
		if a[i].key() <= a[c].key() {
			break
		}
		a[i], a[c] = a[c], a[i]
		i = c
	}
	*h = a
	return top
}

// A queue is first in, first out. It never shrinks.
type queue[T any] struct {
	ring []T
	head int
	n    int
}

func (q *queue[T]) len() int { return q.n }

func (q *queue[T]) front() *T { return &q.ring[q.head] }

func (q *queue[T]) push(v T) {
	if q.n == len(q.ring) {
		ring := make([]T, max(8, 2*q.n))
		copied := copy(ring, q.ring[q.head:])
		copy(ring[copied:], q.ring[:q.head])
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = v
	q.n++
}

func (q *queue[T]) pop() T {
	var zero T
	v := q.ring[q.head]
	q.ring[q.head] = zero
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return v
}
