package hostiletest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// long is a text of others that must not be kept.
var long = strings.Repeat("A\x1b[31m", 10<<10)

// Status returns the behavior that answers with a status and no body. The connection
// stays open.
func Status(code int) Behavior {
	return Behavior{Name: fmt.Sprintf("status %03d", code), Do: sendAndHang(fmt.Sprintf("HTTP/1.1 %03d Odd\r\nContent-Length: 0\r\n\r\n", code))}
}

// Behaviors returns all behaviors but those of [Status].
func Behaviors() []Behavior {
	return append(http1(), http2()...)
}

func http1() []Behavior {
	const ok = "HTTP/1.1 200 OK\r\n"
	chunked := ok + "Transfer-Encoding: chunked\r\n\r\n"
	return []Behavior{
		{Name: "reset at once", Raw: true, Do: reset},
		{Name: "close at once", Raw: true, Do: send("")},
		{Name: "silence", Raw: true, Do: sendAndHang("")},
		{Name: "reset", Do: reset},
		{Name: "reset within the body", Do: func(ctx context.Context, conn net.Conn) {
			send(ok+"Content-Length: 100\r\n\r\nhalf")(ctx, conn)
			time.Sleep(10 * time.Millisecond) // so that the client reads it
			reset(ctx, conn)
		}},
		{Name: "close", Do: send("")},
		{Name: "hang", Do: sendAndHang("")},
		{Name: "not HTTP", Do: send("220 mail ESMTP\r\n")},
		{Name: "a long line that is not HTTP", Do: send(long + "\r\n\r\n")},
		{Name: "a long status line", Do: send("HTTP/1.1 2 " + long + "\r\n\r\n")},
		{Name: "a long reason", Do: send("HTTP/1.1 500 " + long[:40<<10] + "\r\nContent-Length: 0\r\n\r\n")},
		{Name: "half a status line", Do: sendAndHang("HTTP/1.1 2")},
		{Name: "101 and silence", Do: sendAndHang("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")},
		{Name: "101 and endless bytes", Do: repeat("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", long, 0)},
		{Name: "100 for ever", Do: repeat("", "HTTP/1.1 100 Continue\r\n\r\n", 0)},
		{Name: "103 for ever", Do: repeat("", "HTTP/1.1 103 Early Hints\r\nLink: </"+strings.Repeat("a", 1000)+">\r\n\r\n", 0)},
		{Name: "103 slowly", Do: repeat("", "HTTP/1.1 103 Early Hints\r\n\r\n", 20*time.Millisecond)},
		{Name: "endless header fields", Do: repeat(ok, "X-A: "+strings.Repeat("a", 1000)+"\r\n", 0)},
		{Name: "an endless header field", Do: repeat(ok+"X-A: ", strings.Repeat("a", 1000), 0)},
		{Name: "slow headers", Do: repeat(ok, "X: a\r\n", 20*time.Millisecond)},
		{Name: "a long Location", Do: send("HTTP/1.1 302 Found\r\nLocation: /" + strings.Repeat("a", 60<<10) + "\r\nContent-Length: 0\r\n\r\n")},
		{Name: "a longer Location", Do: repeat("HTTP/1.1 302 Found\r\nLocation: /", strings.Repeat("a", 1<<10), 0)},
		{Name: "a Location that does not parse", Do: send("HTTP/1.1 302 Found\r\nLocation: http://[" + strings.Repeat("a", 30<<10) + "\r\nContent-Length: 0\r\n\r\n")},
		{Name: "an endless body", Do: repeat(ok+"\r\n", long, 0)},
		{Name: "an endless body of 500", Do: repeat("HTTP/1.1 500 No\r\n\r\n", long, 0)},
		{Name: "an endless body of 404", Do: repeat("HTTP/1.1 404 No\r\n\r\n", "a", 0)},
		{Name: "a slow body", Do: repeat(ok+"\r\n", "a", 20*time.Millisecond)},
		{Name: "a slow body of 422", Do: repeat("HTTP/1.1 422 No\r\nContent-Type: application/json\r\n\r\n", " ", 20*time.Millisecond)},
		{Name: "no body after its length", Do: sendAndHang(ok + "Content-Length: 100\r\n\r\n")},
		{Name: "half a body", Do: send(ok + "Content-Length: 100\r\n\r\nhalf")},
		{Name: "two lengths", Do: send(ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab")},
		{Name: "a negative length", Do: send(ok + "Content-Length: -1\r\n\r\n")},
		{Name: "a broken chunk", Do: send(chunked + "zz\r\n" + long)},
		{Name: "a chunk longer than any", Do: sendAndHang(chunked + "ffffffffffffffffff\r\n")},
		{Name: "half a chunk", Do: send(chunked + "64\r\nhalf")},
		{Name: "endless chunks of one byte", Do: repeat(chunked, "1\r\na\r\n", 0)},
		{Name: "an endless chunk extension", Do: repeat(chunked+"1;", "a", 0)},
		{Name: "endless trailers", Do: repeat(chunked+"0\r\n", "X: "+long[:100]+"\r\n", 0)},
		{Name: "slow trailers", Do: repeat(chunked+"0\r\n", "X: a\r\n", 20*time.Millisecond)},
		{Name: "gzip that never becomes a byte", Do: repeat(ok+"Content-Encoding: gzip\r\n\r\n", nothingZipped(), 0)},
		{Name: "gzip that is none", Do: send(ok + "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")},
		{Name: "long JSON error", Do: jsonOf(422, `{"id":"`+long[:30<<10]+`","message":"`+strings.Repeat("b", 30<<10)+`"}`)},
		{Name: "long JSON", Do: jsonOf(200, `{"type":"`+strings.Repeat("t", 30<<10)+`","quantity":1,"web_url":"`+strings.Repeat("u", 30<<10)+`"}`)},

		{Name: "TLS: silence", TLS: true, Raw: true, Do: sendAndHang("")},
		{Name: "TLS: not TLS", TLS: true, Raw: true, Do: send("HTTP/1.1 400 Bad Request\r\n\r\n")},
		{Name: "TLS: close at once", TLS: true, Raw: true, Do: send("")},
		{Name: "TLS: an alert", TLS: true, Raw: true, Do: send("\x15\x03\x03\x00\x02\x02\x28")},
		{Name: "TLS: half a record", TLS: true, Raw: true, Do: sendAndHang("\x16\x03\x03\x40\x00\x02")},
		{Name: "TLS: hang", TLS: true, Do: sendAndHang("")},
		{Name: "TLS: half closed", TLS: true, Do: halfClose("")},
		{Name: "TLS: half closed within the body", TLS: true, Do: halfClose(ok + "Content-Length: 100\r\n\r\nhalf")},
		{Name: "TLS: cut within the body", TLS: true, Do: func(ctx context.Context, conn net.Conn) {
			conn.Write([]byte(ok + "Content-Length: 100\r\n\r\nhalf"))
			reset(ctx, conn)
		}},
	}
}

func jsonOf(status int, body string) func(context.Context, net.Conn) {
	return send(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body))
}

func nothingZipped() string {
	var b bytes.Buffer
	gzip.NewWriter(&b).Close()
	return strings.Repeat(b.String(), 100)
}

func reset(_ context.Context, conn net.Conn) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// halfClose sends close_notify, and leaves the connection open.
func halfClose(text string) func(context.Context, net.Conn) {
	return func(ctx context.Context, conn net.Conn) {
		conn.Write([]byte(text))
		conn.(interface{ CloseWrite() error }).CloseWrite()
		<-ctx.Done()
	}
}

func http2() []Behavior {
	const stream = 1
	status200 := []byte{0x88} // index 8 of the static table, RFC 7541, appendix A
	headers := frame(frameHeaders, flagEndHeaders, stream, status200)
	goAway := func(last, code byte, debug string) string {
		return string(frame(frameGoAway, 0, 0, append([]byte{0, 0, 0, last, 0, 0, 0, code}, debug...)))
	}
	rst := func(code byte) string { return string(frame(frameReset, 0, stream, []byte{0, 0, 0, code})) }
	odd := func(status string, flags byte) []byte {
		return frame(frameHeaders, flags, stream, append([]byte{0x08, byte(len(status))}, status...))
	}
	data := string(frame(frameData, 0, stream, bytes.Repeat([]byte("a"), 1000)))
	behaviors := []Behavior{
		{Name: "hang", Do: sendAndHang("")},
		{Name: "close", Do: send("")},
		{Name: "reset of the connection", Do: reset},
		{Name: "RST_STREAM", Do: sendAndHang(rst(0x2))},
		{Name: "RST_STREAM CANCEL", Do: sendAndHang(rst(0x8))},
		{Name: "RST_STREAM REFUSED_STREAM", Do: sendAndHang(rst(0x7))},
		{Name: "RST_STREAM within the body", Do: sendAndHang(string(headers) + data + rst(0x2))},
		{Name: "GOAWAY", Do: send(goAway(0, 0x2, long[:10<<10]))},
		{Name: "GOAWAY and open", Do: sendAndHang(goAway(0, 0x2, ""))},
		{Name: "GOAWAY gracefully", Do: sendAndHang(goAway(0, 0, ""))},
		{Name: "GOAWAY after the stream", Do: send(goAway(1, 0x0, ""))},
		{Name: "GOAWAY within the body", Do: send(string(headers) + data + goAway(1, 0x2, long[:100]))},
		{Name: "half a body", Do: sendAndHang(string(headers) + data)},
		{Name: "an endless body", Do: repeat(string(headers), data, 0)},
		{Name: "103 for ever", Do: repeat("", string(odd("103", flagEndHeaders)), 0)},
		{Name: "103 slowly", Do: repeat("", string(odd("103", flagEndHeaders)), 20*time.Millisecond)},
		{Name: "101", Do: sendAndHang(string(odd("101", flagEndHeaders)))},
		{Name: "000", Do: sendAndHang(string(odd("000", flagEndHeaders|flagEndStream)))},
		{Name: "999", Do: sendAndHang(string(odd("999", flagEndHeaders|flagEndStream)))},
		{Name: "a status that is none", Do: sendAndHang(string(odd("2x0", flagEndHeaders|flagEndStream)))},
		{Name: "endless CONTINUATION", Do: repeat(
			string(frame(frameHeaders, 0, stream, status200)),
			string(frame(frameContinuation, 0, stream, bytes.Repeat(field("x-a", strings.Repeat("a", 100)), 100))), 0)},
		{Name: "PING for ever", Do: repeat("", string(frame(framePing, 0, 0, make([]byte, 8))), 0)},
		{Name: "SETTINGS for ever", Do: repeat("", string(frame(frameSettings, 0, 0, nil)), 0)},
		{Name: "a frame that is too large", Do: send("\xff\xff\xff\x00\x00\x00\x00\x00\x01")},
		{Name: "HTTP/1.1", Do: send("HTTP/1.1 200 OK\r\n\r\n")},
	}
	for i := range behaviors {
		behaviors[i].Name = "HTTP/2: " + behaviors[i].Name
		behaviors[i].H2 = true
	}
	return behaviors
}
