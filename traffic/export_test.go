package traffic

import "time"

// ParseStart is how the value of a header is read.
var ParseStart = parseStart

// Counted returns how many requests began and ended since New.
func (t *Traffic) Counted() (begun, ended int) { return t.count.Counted() }

// ProcessTime is what CPU reads, and NewCPU one that reads something else.
var ProcessTime = processTime

func NewCPU(cores float64, read func() (time.Duration, error)) *CPU {
	return &CPU{Cores: cores, read: read}
}
