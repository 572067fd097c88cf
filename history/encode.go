package history

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// MaxBytes is the most that [Log.MarshalBinary] writes.
const MaxBytes = 48 << 10

// format is raised when an older release could not read what this one writes. A release
// also reads the format before its own. Format 1 has no slots and no pool.
const format = 2

// MarshalBinary writes l, compressed. If that would take more than [MaxBytes], the oldest
// points are left out.
func (l *Log) MarshalBinary() ([]byte, error) {
	points := l.points
	for {
		data, err := l.marshal(points)
		if err != nil || len(data) <= MaxBytes {
			return data, err
		}
		if len(points) == 0 {
			return nil, fmt.Errorf("history: %d half-hours take %d bytes, and there is room for %d", len(l.spans), len(data), MaxBytes)
		}
		points = points[(len(points)+1)/2:]
	}
}

func (l *Log) marshal(points []point) ([]byte, error) {
	var raw encoder
	raw.uint(uint64(len(l.names)))
	for _, name := range l.names {
		raw.uint(uint64(len(name)))
		raw.data = append(raw.data, name...)
	}
	raw.uint(uint64(len(points)))
	var last point
	for _, p := range points {
		raw.int(p.at - last.at)
		for _, f := range p.fields() {
			raw.uint(uint64(*f))
		}
		for _, f := range p.flagFields() {
			raw.uint(uint64(*f))
		}
		raw.float(p.load)
		raw.float(p.wait)
		last = p
	}
	raw.uint(uint64(len(l.spans)))
	for _, s := range l.spans {
		raw.int(int64(s.start))
		for _, f := range s.fields() {
			raw.uint(uint64(*f))
		}
		raw.uint(uint64(s.signal))
		raw.uint(uint64(s.delay))
		for _, f := range s.floats() {
			raw.float(*f)
		}
		raw.uint(uint64(s.slots))
		raw.uint(uint64(s.saturated))
		raw.uint(uint64(s.pooled))
	}
	var out bytes.Buffer
	out.WriteByte(format)
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(raw.data)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

// UnmarshalBinary reads what MarshalBinary wrote. It returns an error, and changes nothing,
// if data was not written by MarshalBinary of a release with the same format.
func (l *Log) UnmarshalBinary(data []byte) error {
	if len(data) == 0 {
		return errors.New("history: read a log: it has no bytes")
	}
	if data[0] != format && data[0] != format-1 {
		return fmt.Errorf("history: read a log: it has format %d, and this release reads formats %d and %d", data[0], format-1, format)
	}
	// A log that fits into memory is much smaller than this.
	const most = 1 << 20
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data[1:])), most))
	if err != nil {
		return fmt.Errorf("history: read a log: %w", err)
	}
	in := decoder{data: raw, format: data[0]}
	read := in.log()
	if in.err != nil {
		return fmt.Errorf("history: read a log: %w", in.err)
	}
	*l = *read
	return nil
}

func (in *decoder) log() *Log {
	l := new(Log)
	for range in.count(maxNames) {
		l.names = append(l.names, in.text(maxName))
	}
	var last point
	for range in.count(maxPoints) {
		p := point{at: last.at + in.int()}
		for _, f := range p.fields() {
			*f = uint16(in.max(math.MaxUint16))
		}
		for _, f := range p.flagFields() {
			*f = uint8(in.max(math.MaxUint8))
		}
		p.load, p.wait = in.float(), in.float()
		if in.err == nil && len(l.points) > 0 && p.at < last.at {
			in.err = errors.New("its points are not in order")
		}
		l.points, last = append(l.points, p), p
	}
	for range in.count(maxSpans) {
		s := span{start: in.start()}
		for _, f := range s.fields() {
			*f = uint16(in.max(math.MaxUint16))
		}
		s.signal, s.delay = uint8(in.max(math.MaxUint8)), uint8(in.max(math.MaxUint8))
		for _, f := range s.floats() {
			*f = in.float()
		}
		if in.format > 1 {
			s.slots = uint16(in.max(math.MaxUint16))
			s.saturated, s.pooled = uint8(in.max(math.MaxUint8)), uint8(in.max(math.MaxUint8))
		}
		if n := len(l.spans); in.err == nil && (s.ticks == 0 || n > 0 && s.start <= l.spans[n-1].start) {
			in.err = errors.New("its half-hours are not in order, or are empty")
		}
		l.spans = append(l.spans, s)
	}
	if in.err == nil && len(in.data) > 0 {
		in.err = fmt.Errorf("%d bytes are left over", len(in.data))
	}
	return l
}

func (p *point) fields() [5]*uint16 {
	return [...]*uint16{&p.size, &p.ready, &p.recommended, &p.lo, &p.hi}
}

func (p *point) flagFields() [4]*uint8 { return [...]*uint8{&p.limit, &p.flags, &p.signal, &p.delay} }

func (s *span) fields() [17]*uint16 {
	return [...]*uint16{
		&s.loaded, &s.waited, &s.ticks, &s.atMax, &s.atMin, &s.least, &s.most, &s.recommended, &s.lo, &s.hi,
		&s.orders, &s.changes, &s.probeFailures, &s.scaleErrors, &s.failed, &s.paused, &s.yielding,
	}
}

func (s *span) floats() [5]*float32 {
	return [...]*float32{&s.sizes, &s.loads, &s.waits, &s.maxLoad, &s.maxWait}
}

// encoder appends numbers.
type encoder struct{ data []byte }

func (e *encoder) uint(v uint64) { e.data = binary.AppendUvarint(e.data, v) }
func (e *encoder) int(v int64)   { e.data = binary.AppendVarint(e.data, v) }
func (e *encoder) float(v float32) {
	e.data = binary.LittleEndian.AppendUint32(e.data, math.Float32bits(v))
}

// decoder reads numbers. After an error it reads zeros.
type decoder struct {
	data   []byte
	format byte
	err    error
}

var errShort = errors.New("it ends too early, or has a number that is too long")

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.data)
	return skip(d, v, n)
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.data)
	return skip(d, v, n)
}

func skip[N int64 | uint64](d *decoder, v N, n int) N {
	if d.err == nil && n <= 0 {
		d.err = errShort
	}
	if d.err != nil {
		return 0
	}
	d.data = d.data[n:]
	return v
}

func (d *decoder) max(most uint64) uint64 {
	v := d.uint()
	if d.err == nil && v > most {
		d.err = fmt.Errorf("it has the number %d where at most %d can be", v, most)
	}
	return min(v, most)
}

// count reads how many elements follow. After an error there are none.
func (d *decoder) count(most int) int {
	n := d.max(uint64(most))
	if d.err != nil {
		return 0
	}
	return int(n)
}

// start reads when a half-hour began.
func (d *decoder) start() int32 {
	v := d.int()
	if d.err == nil && int64(int32(v)) != v {
		d.err = fmt.Errorf("it has the half-hour %d", v)
	}
	return int32(v)
}

func (d *decoder) float() float32 {
	if d.err == nil && len(d.data) < 4 {
		d.err = errShort
	}
	if d.err != nil {
		return 0
	}
	v := math.Float32frombits(binary.LittleEndian.Uint32(d.data))
	d.data = d.data[4:]
	if v-v != 0 {
		d.err = errors.New("it has a number that is not finite")
	}
	return v
}

func (d *decoder) text(most int) string {
	n := d.count(most)
	if d.err == nil && len(d.data) < n {
		d.err = errShort
	}
	if d.err != nil {
		return ""
	}
	text := string(d.data[:n])
	d.data = d.data[n:]
	return text
}
