package ecs

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
)

// newKeeper returns a keeper of credentials, which renews them before they end.
func newKeeper(fetch CredentialsFunc) *calls.Renewed[Credentials] {
	return calls.NewRenewed(func(ctx context.Context) (Credentials, time.Duration, error) {
		c, err := fetch(ctx)
		if err == nil {
			err = fault(c)
		}
		if err != nil || c.Expires.IsZero() { // the host keeps these itself
			return c, 0, err
		}
		return c, time.Until(c.Expires), nil
	})
}

func fault(c Credentials) error {
	switch {
	case c.AccessKeyID == "" || c.SecretAccessKey == "":
		return errors.New("the credentials have no AccessKeyID or no SecretAccessKey")
	case strings.ContainsFunc(c.AccessKeyID+c.SecretAccessKey+c.SessionToken, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("the credentials have characters that no credentials have, such as white space")
	}
	return nil
}

// renew takes the Authorization of a request whose credentials AWS refused. It drops
// these credentials, unless others were fetched in the meantime.
func renew(keep *calls.Renewed[Credentials], refused string) (again bool) {
	keep.Drop(func(c Credentials) bool { return strings.Contains(refused, "Credential="+c.AccessKeyID+"/") })
	return true
}

// secrets returns the texts that must not be shown.
func secrets(keep *calls.Renewed[Credentials]) []string {
	c, _ := keep.Last()
	return []string{c.SecretAccessKey, c.SessionToken}
}
