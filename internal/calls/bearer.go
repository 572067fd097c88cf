package calls

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/platform"
)

const (
	maxBearer = 16 << 10

	// unknownLife is for how long a token is taken to be valid if that is not known.
	unknownLife = time.Minute

	// freshBearer is for how long a token counts as new. If the API refuses a new token,
	// its age is not the reason. A token with a short life counts as new for half of it.
	freshBearer = time.Minute
)

// A Bearer authenticates with a token that ends. It gets the token in exchange for
// credentials. It gets a new token in time, one at a time, and uses the old one until
// that ends. It is safe for concurrent use.
type Bearer struct {
	token *Renewed[bearerToken]

	mu       sync.Mutex // guards the fields below; not held during a call
	previous string
}

type bearerToken struct {
	text  string
	fresh time.Duration
}

// NewBearer returns a Bearer. get exchanges the credentials for a token, and returns for
// how long that is valid. 0: not known, which counts as a minute. If an API refused, the
// error of get is a *platform.Error.
func NewBearer(get func(ctx context.Context) (token string, life time.Duration, err error)) *Bearer {
	b := &Bearer{}
	b.token = NewRenewed(func(ctx context.Context) (bearerToken, time.Duration, error) {
		token, life, err := get(ctx)
		switch {
		case err != nil:
			return bearerToken{}, 0, err
		case len(token) > maxBearer || FaultOfToken(token, "it", "") != nil:
			return bearerToken{}, 0, errors.New("the answer has no token, or one with characters that no token has: " + elsewhere)
		case life == 0:
			life = unknownLife
		}
		last, _ := b.token.Last()
		b.mu.Lock()
		defer b.mu.Unlock()
		b.previous = last.text
		return bearerToken{token, min(life/2, freshBearer)}, life, nil
	})
	return b
}

// Authorize implements Dialect.Authorize.
func (b *Bearer) Authorize(ctx context.Context, req *http.Request, _ []byte) error {
	token, err := b.token.Get(ctx)
	if err != nil {
		var e *platform.Error
		if !errors.As(err, &e) {
			return fmt.Errorf("getting an access token: %w", err)
		}
		told := *e
		told.Message = strings.TrimSuffix("getting an access token: "+told.Message, ": ") // told.Message may be empty
		return &told
	}
	req.Header.Set("Authorization", authorization(token.text))
	return nil
}

func authorization(token string) string { return "Bearer " + token }

// Renew implements Dialect.Renew. It drops the token that was refused.
func (b *Bearer) Renew(refused string) (again bool) {
	token, age := b.token.Last()
	if b.token.Drop(func(t bearerToken) bool { return refused == authorization(t.text) }) {
		return age >= token.fresh
	}
	return true // there is a newer one
}

// Hidden implements Dialect.Hidden.
func (b *Bearer) Hidden() []string {
	last, _ := b.token.Last()
	b.mu.Lock()
	defer b.mu.Unlock()
	return []string{last.text, b.previous}
}
