package traffic

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// In Go, the methods of a type are fixed when the program is built. So there is one
// type for each set of the optional interfaces, named after that set:
//
//	F  http.Flusher     H  http.Hijacker   R  io.ReaderFrom     C  http.CloseNotifier
//	E  FlushError       P  http.Pusher     S  io.StringWriter
//
// Each type adds one method to the type whose name lacks the last letter. So all of
// them have the same fields, and each is one small allocation.

// wrap returns a ResponseWriter that passes everything on to inner and has the
// same optional interfaces. The answer in it is for the caller to fill in.
func wrap(inner http.ResponseWriter) (http.ResponseWriter, *answer) {
	w := wrappers[abilities(inner)]()
	a := w.self()
	a.inner = inner
	return w, a
}

// abilities returns the optional interfaces of w, one bit each.
func abilities(w http.ResponseWriter) (set int) {
	if _, ok := w.(http.Flusher); ok {
		set |= 1
	}
	if _, ok := w.(errorFlusher); ok {
		set |= 2
	}
	if _, ok := w.(http.Hijacker); ok {
		set |= 4
	}
	if _, ok := w.(http.Pusher); ok {
		set |= 8
	}
	if _, ok := w.(io.ReaderFrom); ok {
		set |= 16
	}
	if _, ok := w.(io.StringWriter); ok {
		set |= 32
	}
	if _, ok := w.(closeNotifier); ok {
		set |= 64
	}
	return set
}

type wrapper interface {
	http.ResponseWriter
	self() *answer
}

func made[T any, P interface {
	*T
	wrapper
}]() wrapper {
	return P(new(T))
}

// wrappers are the types, by the bits of abilities.
var wrappers = [...]func() wrapper{
	made[w], made[wF], made[wE], made[wFE], made[wH], made[wFH], made[wEH], made[wFEH],
	made[wP], made[wFP], made[wEP], made[wFEP], made[wHP], made[wFHP], made[wEHP], made[wFEHP],
	made[wR], made[wFR], made[wER], made[wFER], made[wHR], made[wFHR], made[wEHR], made[wFEHR],
	made[wPR], made[wFPR], made[wEPR], made[wFEPR], made[wHPR], made[wFHPR], made[wEHPR], made[wFEHPR],
	made[wS], made[wFS], made[wES], made[wFES], made[wHS], made[wFHS], made[wEHS], made[wFEHS],
	made[wPS], made[wFPS], made[wEPS], made[wFEPS], made[wHPS], made[wFHPS], made[wEHPS], made[wFEHPS],
	made[wRS], made[wFRS], made[wERS], made[wFERS], made[wHRS], made[wFHRS], made[wEHRS], made[wFEHRS],
	made[wPRS], made[wFPRS], made[wEPRS], made[wFEPRS], made[wHPRS], made[wFHPRS], made[wEHPRS], made[wFEHPRS],
	made[wC], made[wFC], made[wEC], made[wFEC], made[wHC], made[wFHC], made[wEHC], made[wFEHC],
	made[wPC], made[wFPC], made[wEPC], made[wFEPC], made[wHPC], made[wFHPC], made[wEHPC], made[wFEHPC],
	made[wRC], made[wFRC], made[wERC], made[wFERC], made[wHRC], made[wFHRC], made[wEHRC], made[wFEHRC],
	made[wPRC], made[wFPRC], made[wEPRC], made[wFEPRC], made[wHPRC], made[wFHPRC], made[wEHPRC], made[wFEHPRC],
	made[wSC], made[wFSC], made[wESC], made[wFESC], made[wHSC], made[wFHSC], made[wEHSC], made[wFEHSC],
	made[wPSC], made[wFPSC], made[wEPSC], made[wFEPSC], made[wHPSC], made[wFHPSC], made[wEHPSC], made[wFEHPSC],
	made[wRSC], made[wFRSC], made[wERSC], made[wFERSC], made[wHRSC], made[wFHRSC], made[wEHRSC], made[wFEHRSC],
	made[wPRSC], made[wFPRSC], made[wEPRSC], made[wFEPRSC], made[wHPRSC], made[wFHPRSC], made[wEHPRSC], made[wFEHPRSC],
}

type w struct{ answer }

type (
	wC       struct{ w }
	wE       struct{ w }
	wEC      struct{ wE }
	wEH      struct{ wE }
	wEHC     struct{ wEH }
	wEHP     struct{ wEH }
	wEHPC    struct{ wEHP }
	wEHPR    struct{ wEHP }
	wEHPRC   struct{ wEHPR }
	wEHPRS   struct{ wEHPR }
	wEHPRSC  struct{ wEHPRS }
	wEHPS    struct{ wEHP }
	wEHPSC   struct{ wEHPS }
	wEHR     struct{ wEH }
	wEHRC    struct{ wEHR }
	wEHRS    struct{ wEHR }
	wEHRSC   struct{ wEHRS }
	wEHS     struct{ wEH }
	wEHSC    struct{ wEHS }
	wEP      struct{ wE }
	wEPC     struct{ wEP }
	wEPR     struct{ wEP }
	wEPRC    struct{ wEPR }
	wEPRS    struct{ wEPR }
	wEPRSC   struct{ wEPRS }
	wEPS     struct{ wEP }
	wEPSC    struct{ wEPS }
	wER      struct{ wE }
	wERC     struct{ wER }
	wERS     struct{ wER }
	wERSC    struct{ wERS }
	wES      struct{ wE }
	wESC     struct{ wES }
	wF       struct{ w }
	wFC      struct{ wF }
	wFE      struct{ wF }
	wFEC     struct{ wFE }
	wFEH     struct{ wFE }
	wFEHC    struct{ wFEH }
	wFEHP    struct{ wFEH }
	wFEHPC   struct{ wFEHP }
	wFEHPR   struct{ wFEHP }
	wFEHPRC  struct{ wFEHPR }
	wFEHPRS  struct{ wFEHPR }
	wFEHPRSC struct{ wFEHPRS }
	wFEHPS   struct{ wFEHP }
	wFEHPSC  struct{ wFEHPS }
	wFEHR    struct{ wFEH }
	wFEHRC   struct{ wFEHR }
	wFEHRS   struct{ wFEHR }
	wFEHRSC  struct{ wFEHRS }
	wFEHS    struct{ wFEH }
	wFEHSC   struct{ wFEHS }
	wFEP     struct{ wFE }
	wFEPC    struct{ wFEP }
	wFEPR    struct{ wFEP }
	wFEPRC   struct{ wFEPR }
	wFEPRS   struct{ wFEPR }
	wFEPRSC  struct{ wFEPRS }
	wFEPS    struct{ wFEP }
	wFEPSC   struct{ wFEPS }
	wFER     struct{ wFE }
	wFERC    struct{ wFER }
	wFERS    struct{ wFER }
	wFERSC   struct{ wFERS }
	wFES     struct{ wFE }
	wFESC    struct{ wFES }
	wFH      struct{ wF }
	wFHC     struct{ wFH }
	wFHP     struct{ wFH }
	wFHPC    struct{ wFHP }
	wFHPR    struct{ wFHP }
	wFHPRC   struct{ wFHPR }
	wFHPRS   struct{ wFHPR }
	wFHPRSC  struct{ wFHPRS }
	wFHPS    struct{ wFHP }
	wFHPSC   struct{ wFHPS }
	wFHR     struct{ wFH }
	wFHRC    struct{ wFHR }
	wFHRS    struct{ wFHR }
	wFHRSC   struct{ wFHRS }
	wFHS     struct{ wFH }
	wFHSC    struct{ wFHS }
	wFP      struct{ wF }
	wFPC     struct{ wFP }
	wFPR     struct{ wFP }
	wFPRC    struct{ wFPR }
	wFPRS    struct{ wFPR }
	wFPRSC   struct{ wFPRS }
	wFPS     struct{ wFP }
	wFPSC    struct{ wFPS }
	wFR      struct{ wF }
	wFRC     struct{ wFR }
	wFRS     struct{ wFR }
	wFRSC    struct{ wFRS }
	wFS      struct{ wF }
	wFSC     struct{ wFS }
	wH       struct{ w }
	wHC      struct{ wH }
	wHP      struct{ wH }
	wHPC     struct{ wHP }
	wHPR     struct{ wHP }
	wHPRC    struct{ wHPR }
	wHPRS    struct{ wHPR }
	wHPRSC   struct{ wHPRS }
	wHPS     struct{ wHP }
	wHPSC    struct{ wHPS }
	wHR      struct{ wH }
	wHRC     struct{ wHR }
	wHRS     struct{ wHR }
	wHRSC    struct{ wHRS }
	wHS      struct{ wH }
	wHSC     struct{ wHS }
	wP       struct{ w }
	wPC      struct{ wP }
	wPR      struct{ wP }
	wPRC     struct{ wPR }
	wPRS     struct{ wPR }
	wPRSC    struct{ wPRS }
	wPS      struct{ wP }
	wPSC     struct{ wPS }
	wR       struct{ w }
	wRC      struct{ wR }
	wRS      struct{ wR }
	wRSC     struct{ wRS }
	wS       struct{ w }
	wSC      struct{ wS }
)

func (x *wF) Flush() { x.flush() }

func (x *wE) FlushError() error  { return x.flushError() }
func (x *wFE) FlushError() error { return x.flushError() }

func (x *wEH) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return x.hijack() }
func (x *wFEH) Hijack() (net.Conn, *bufio.ReadWriter, error) { return x.hijack() }
func (x *wFH) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return x.hijack() }
func (x *wH) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return x.hijack() }

func (x *wEHP) Push(s string, o *http.PushOptions) error  { return x.push(s, o) }
func (x *wEP) Push(s string, o *http.PushOptions) error   { return x.push(s, o) }
func (x *wFEHP) Push(s string, o *http.PushOptions) error { return x.push(s, o) }
func (x *wFEP) Push(s string, o *http.PushOptions) error  { return x.push(s, o) }
func (x *wFHP) Push(s string, o *http.PushOptions) error  { return x.push(s, o) }
func (x *wFP) Push(s string, o *http.PushOptions) error   { return x.push(s, o) }
func (x *wHP) Push(s string, o *http.PushOptions) error   { return x.push(s, o) }
func (x *wP) Push(s string, o *http.PushOptions) error    { return x.push(s, o) }

func (x *wEHPR) ReadFrom(r io.Reader) (int64, error)  { return x.readFrom(r) }
func (x *wEHR) ReadFrom(r io.Reader) (int64, error)   { return x.readFrom(r) }
func (x *wEPR) ReadFrom(r io.Reader) (int64, error)   { return x.readFrom(r) }
func (x *wER) ReadFrom(r io.Reader) (int64, error)    { return x.readFrom(r) }
func (x *wFEHPR) ReadFrom(r io.Reader) (int64, error) { return x.readFrom(r) }
func (x *wFEHR) ReadFrom(r io.Reader) (int64, error)  { return x.readFrom(r) }
func (x *wFEPR) ReadFrom(r io.Reader) (int64, error)  { return x.readFrom(r) }
func (x *wFER) ReadFrom(r io.Reader) (int64, error)   { return x.readFrom(r) }
func (x *wFHPR) ReadFrom(r io.Reader) (int64, error)  { return x.readFrom(r) }
func (x *wFHR) ReadFrom(r io.Reader) (int64, error)   { return x.readFrom(r) }
func (x *wFPR) ReadFrom(r io.Reader) (int64, error)   { return x.readFrom(r) }
func (x *wFR) ReadFrom(r io.Reader) (int64, error)    { return x.readFrom(r) }
func (x *wHPR) ReadFrom(r io.Reader) (int64, error)   { return x.readFrom(r) }
func (x *wHR) ReadFrom(r io.Reader) (int64, error)    { return x.readFrom(r) }
func (x *wPR) ReadFrom(r io.Reader) (int64, error)    { return x.readFrom(r) }
func (x *wR) ReadFrom(r io.Reader) (int64, error)     { return x.readFrom(r) }

func (x *wEHPRS) WriteString(s string) (int, error)  { return x.writeString(s) }
func (x *wEHPS) WriteString(s string) (int, error)   { return x.writeString(s) }
func (x *wEHRS) WriteString(s string) (int, error)   { return x.writeString(s) }
func (x *wEHS) WriteString(s string) (int, error)    { return x.writeString(s) }
func (x *wEPRS) WriteString(s string) (int, error)   { return x.writeString(s) }
func (x *wEPS) WriteString(s string) (int, error)    { return x.writeString(s) }
func (x *wERS) WriteString(s string) (int, error)    { return x.writeString(s) }
func (x *wES) WriteString(s string) (int, error)     { return x.writeString(s) }
func (x *wFEHPRS) WriteString(s string) (int, error) { return x.writeString(s) }
func (x *wFEHPS) WriteString(s string) (int, error)  { return x.writeString(s) }
func (x *wFEHRS) WriteString(s string) (int, error)  { return x.writeString(s) }
func (x *wFEHS) WriteString(s string) (int, error)   { return x.writeString(s) }
func (x *wFEPRS) WriteString(s string) (int, error)  { return x.writeString(s) }
func (x *wFEPS) WriteString(s string) (int, error)   { return x.writeString(s) }
func (x *wFERS) WriteString(s string) (int, error)   { return x.writeString(s) }
func (x *wFES) WriteString(s string) (int, error)    { return x.writeString(s) }
func (x *wFHPRS) WriteString(s string) (int, error)  { return x.writeString(s) }
func (x *wFHPS) WriteString(s string) (int, error)   { return x.writeString(s) }
func (x *wFHRS) WriteString(s string) (int, error)   { return x.writeString(s) }
func (x *wFHS) WriteString(s string) (int, error)    { return x.writeString(s) }
func (x *wFPRS) WriteString(s string) (int, error)   { return x.writeString(s) }
func (x *wFPS) WriteString(s string) (int, error)    { return x.writeString(s) }
func (x *wFRS) WriteString(s string) (int, error)    { return x.writeString(s) }
func (x *wFS) WriteString(s string) (int, error)     { return x.writeString(s) }
func (x *wHPRS) WriteString(s string) (int, error)   { return x.writeString(s) }
func (x *wHPS) WriteString(s string) (int, error)    { return x.writeString(s) }
func (x *wHRS) WriteString(s string) (int, error)    { return x.writeString(s) }
func (x *wHS) WriteString(s string) (int, error)     { return x.writeString(s) }
func (x *wPRS) WriteString(s string) (int, error)    { return x.writeString(s) }
func (x *wPS) WriteString(s string) (int, error)     { return x.writeString(s) }
func (x *wRS) WriteString(s string) (int, error)     { return x.writeString(s) }
func (x *wS) WriteString(s string) (int, error)      { return x.writeString(s) }

func (x *wC) CloseNotify() <-chan bool       { return x.closeNotify() }
func (x *wEC) CloseNotify() <-chan bool      { return x.closeNotify() }
func (x *wEHC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wEHPC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wEHPRC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wEHPRSC) CloseNotify() <-chan bool  { return x.closeNotify() }
func (x *wEHPSC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wEHRC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wEHRSC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wEHSC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wEPC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wEPRC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wEPRSC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wEPSC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wERC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wERSC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wESC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wFC) CloseNotify() <-chan bool      { return x.closeNotify() }
func (x *wFEC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wFEHC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wFEHPC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wFEHPRC) CloseNotify() <-chan bool  { return x.closeNotify() }
func (x *wFEHPRSC) CloseNotify() <-chan bool { return x.closeNotify() }
func (x *wFEHPSC) CloseNotify() <-chan bool  { return x.closeNotify() }
func (x *wFEHRC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wFEHRSC) CloseNotify() <-chan bool  { return x.closeNotify() }
func (x *wFEHSC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wFEPC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wFEPRC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wFEPRSC) CloseNotify() <-chan bool  { return x.closeNotify() }
func (x *wFEPSC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wFERC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wFERSC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wFESC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wFHC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wFHPC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wFHPRC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wFHPRSC) CloseNotify() <-chan bool  { return x.closeNotify() }
func (x *wFHPSC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wFHRC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wFHRSC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wFHSC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wFPC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wFPRC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wFPRSC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wFPSC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wFRC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wFRSC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wFSC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wHC) CloseNotify() <-chan bool      { return x.closeNotify() }
func (x *wHPC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wHPRC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wHPRSC) CloseNotify() <-chan bool   { return x.closeNotify() }
func (x *wHPSC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wHRC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wHRSC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wHSC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wPC) CloseNotify() <-chan bool      { return x.closeNotify() }
func (x *wPRC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wPRSC) CloseNotify() <-chan bool    { return x.closeNotify() }
func (x *wPSC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wRC) CloseNotify() <-chan bool      { return x.closeNotify() }
func (x *wRSC) CloseNotify() <-chan bool     { return x.closeNotify() }
func (x *wSC) CloseNotify() <-chan bool      { return x.closeNotify() }
