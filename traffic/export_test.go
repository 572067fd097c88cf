package traffic

import (
	"time"

	"github.com/autoscalebot/autoscale"
)

// For the tests of what cannot be seen from outside.
var (
	ParseStart = parseStart
	QueueTime  = queueTime
)

// Counted returns how many requests began and ended since New.
func (t *Traffic) Counted() (begun, ended int) {
	for i := range t.shards {
		s := &t.shards[i]
		begun += int(uint32(s.begun.Load()))
		for j := range s.slots {
			ended += int(s.slots[j].Load())
		}
	}
	return begun, ended
}

// ProcessTime is what CPU reads, and NewCPU one that reads something else.
var ProcessTime = processTime

func NewCPU(cores float64, read func() (time.Duration, error)) *CPU {
	return &CPU{Cores: cores, read: read}
}

// Reencode decodes a share and encodes what it held, and SampleOf is what it says.
func Reencode(b []byte) ([]byte, error) {
	m, err := decode(b)
	if err != nil {
		return nil, err
	}
	return m.encode(), nil
}

func SampleOf(b []byte, p float64) (autoscale.Sample, error) {
	m, err := decode(b)
	var s sum
	if err == nil {
		s.add(m)
	}
	return s.sample(p, time.Time{}), err
}
