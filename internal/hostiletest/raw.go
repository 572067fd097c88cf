package hostiletest

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
)

// Raw returns a transport whose server answers every request by answer, byte for byte, and
// then hangs up, or keeps the connection open if hang is true. It uses no network, so that
// it works in a bubble of testing/synctest.
func Raw(answer []byte, hang bool) *http.Transport {
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			r := bufio.NewReader(server)
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			left := make(chan struct{})
			go func() { // a client that cannot write its body does not read
				defer close(left)
				io.Copy(io.Discard, r)
			}()
			if _, err := server.Write(answer); err == nil && hang {
				<-left
			}
		}()
		return client, nil
	}}
}
