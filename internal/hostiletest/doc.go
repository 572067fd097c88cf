// Package hostiletest has a server that does whatever a client must survive, by HTTP/1.1
// and by HTTP/2. Its tests run each client of the library against each [Behavior].
package hostiletest
