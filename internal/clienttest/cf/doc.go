// Package cf has the test that the fake of Cloud Foundry serves go-cfclient, the client of
// Cloud Foundry's own community. It is a module of its own, because nothing else needs that
// client.
package cf
