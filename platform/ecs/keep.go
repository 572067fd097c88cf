package ecs

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

// renewal is how long before their end credentials are renewed, as in the AWS SDKs.
const renewal = 5 * time.Minute

// A keeper keeps credentials until they end. It is safe for concurrent use.
type keeper struct {
	fetch CredentialsFunc
	turn  chan struct{} // has one element, which who fetches takes

	mu   sync.Mutex // not held while credentials are fetched
	last Credentials
}

func newKeeper(fetch CredentialsFunc) *keeper {
	return &keeper{fetch: fetch, turn: make(chan struct{}, 1)}
}

// get returns credentials that have not ended. If they cannot be renewed, those from
// before are good until their end.
func (k *keeper) get(ctx context.Context) (Credentials, error) {
	if c, good := k.kept(renewal); good {
		return c, nil
	}
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return Credentials{}, ctx.Err()
	}
	if c, good := k.kept(renewal); good {
		return c, nil
	}
	c, err := k.fetch(ctx)
	if err == nil {
		err = fault(c)
	}
	if err != nil {
		if c, good := k.kept(0); good && ctx.Err() == nil {
			return c, nil
		}
		return Credentials{}, err
	}
	k.mu.Lock()
	k.last = c
	k.mu.Unlock()
	return c, nil
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

// kept returns the last credentials if they are good for longer than some time.
func (k *keeper) kept(spare time.Duration) (Credentials, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last, !k.last.Expires.IsZero() && time.Until(k.last.Expires) > spare
}

// renew is told the Authorization of a request whose credentials AWS refused. It drops
// them, unless others were fetched meanwhile.
func (k *keeper) renew(refused string) (again bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if strings.Contains(refused, "Credential="+k.last.AccessKeyID+"/") {
		k.last.Expires = time.Time{}
	}
	return true
}

// secrets returns what must not show.
func (k *keeper) secrets() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return []string{k.last.SecretAccessKey, k.last.SessionToken}
}
