package probe_test

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const ms = time.Millisecond

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type closer struct{ n *atomic.Int32 }

func (closer) Read([]byte) (int, error) { return 0, io.EOF }
func (c closer) Close() error           { c.n.Add(1); return nil }
