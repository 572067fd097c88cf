package calls

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/platform"
)

const (
	maxBearer = 16 << 10
	maxLife   = 24 * time.Hour

	// freshBearer is for how long a token is so new that the API's refusal of it is not
	// for its age.
	freshBearer = time.Minute
)

// A Bearer presents a token that ends, which it exchanges for credentials. It gets a new
// one in time, and one at a time. It is safe for concurrent use.
type Bearer struct {
	get func(ctx context.Context) (token string, life time.Duration, err error)

	exchange chan struct{} // holds a value while a token is got

	mu       sync.Mutex // guards what follows, and is not held during a call
	token    string
	previous string
	got      time.Time
	until    time.Time
}

// NewBearer returns a Bearer. get exchanges the credentials for a token, and says for how
// long it is good. Its error is a *platform.Error where an API refused.
func NewBearer(get func(ctx context.Context) (token string, life time.Duration, err error)) *Bearer {
	return &Bearer{get: get, exchange: make(chan struct{}, 1)}
}

// Authorize is a Dialect's.
func (b *Bearer) Authorize(ctx context.Context, req *http.Request, _ []byte) error {
	token, err := b.current(ctx)
	if err != nil {
		var e *platform.Error
		if !errors.As(err, &e) {
			return fmt.Errorf("getting an access token: %w", err)
		}
		told := *e
		told.Message = "getting an access token: " + told.Message
		return &told
	}
	req.Header.Set("Authorization", authorization(token))
	return nil
}

func authorization(token string) string { return "Bearer " + token }

// current returns a token that is good, and gets one if there is none.
func (b *Bearer) current(ctx context.Context) (string, error) {
	if token := b.known(); token != "" {
		return token, nil
	}
	select {
	case b.exchange <- struct{}{}:
	case <-ctx.Done():
		return "", Ended(ctx, nil)
	}
	defer func() { <-b.exchange }()
	if token := b.known(); token != "" { // somebody else got it
		return token, nil
	}
	token, life, err := b.get(ctx)
	switch {
	case err != nil:
		return "", err
	case len(token) > maxBearer || FaultOfToken(token, "it", "") != nil:
		return "", errors.New("the answer has no token, or one with characters that no token has: " + elsewhere)
	}
	life = min(max(life, freshBearer), maxLife)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.token, b.previous, b.got = token, b.token, now
	b.until = now.Add(life - min(life/10, 5*time.Minute))
	return token, nil
}

// known returns the token if it is still good.
func (b *Bearer) known() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Now().Before(b.until) {
		return b.token
	}
	return ""
}

// Renew is a Dialect's. It drops the token that was refused.
func (b *Bearer) Renew(refused string) (again bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if refused == authorization(b.token) {
		b.until = time.Time{}
		return time.Since(b.got) >= freshBearer
	}
	return true // there is a newer one
}

// Hidden is a Dialect's.
func (b *Bearer) Hidden() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return []string{b.token, b.previous}
}
