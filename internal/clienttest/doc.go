// Package clienttest holds the clients and the fakes of the platforms against the
// platforms' own clients. It is a module of its own, because those are heavy.
package clienttest
