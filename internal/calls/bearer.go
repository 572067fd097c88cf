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

	// unknownLife is for how long a token is good if that is not known.
	unknownLife = time.Minute

	// freshBearer is for how long a token is so new that the API's refusal of it is not
	// for its age. A token of a short life is new for half of it.
	freshBearer = time.Minute
)

// A Bearer presents a token that ends, which it exchanges for credentials. It gets a new
// one in time, and one at a time, and uses the old one until that ends. It is safe for
// concurrent use.
type Bearer struct {
	token *Renewed[bearerToken]

	mu       sync.Mutex // guards what follows, and is not held during a call
	previous string
}

type bearerToken struct {
	text  string
	fresh time.Duration
}

// NewBearer returns a Bearer. get exchanges the credentials for a token, and says for how
// long it is good. 0: that is not known, and a minute is taken. Its error is a
// *platform.Error where an API refused.
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

// Authorize is a Dialect's.
func (b *Bearer) Authorize(ctx context.Context, req *http.Request, _ []byte) error {
	token, err := b.token.Get(ctx)
	if err != nil {
		var e *platform.Error
		if !errors.As(err, &e) {
			return fmt.Errorf("getting an access token: %w", err)
		}
		told := *e
		told.Message = strings.TrimSuffix("getting an access token: "+told.Message, ": ") // which may be empty
		return &told
	}
	req.Header.Set("Authorization", authorization(token.text))
	return nil
}

func authorization(token string) string { return "Bearer " + token }

// Renew is a Dialect's. It drops the token that was refused.
func (b *Bearer) Renew(refused string) (again bool) {
	token, age := b.token.Last()
	if b.token.Drop(func(t bearerToken) bool { return refused == authorization(t.text) }) {
		return age >= token.fresh
	}
	return true // there is a newer one
}

// Hidden is a Dialect's.
func (b *Bearer) Hidden() []string {
	last, _ := b.token.Last()
	b.mu.Lock()
	defer b.mu.Unlock()
	return []string{last.text, b.previous}
}
