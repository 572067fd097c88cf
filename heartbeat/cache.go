package heartbeat

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"
)

// keyTTL is how long a cache keeps what a heartbeat wrote. Memcached counts in whole
// seconds.
const keyTTL = time.Minute

// A GetSetter is a cache that [Cache] can exercise. It must be safe for concurrent use.
type GetSetter interface {
	// Get returns the value of key, or an error if there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	// Set stores value under key. After ttl the cache may drop it.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
}

// Cache exercises a cache: it sets a new key, which expires after a minute, and gets it
// again. Its name is "cache", so it replaces the cache in memory that [Handler] exercises
// by default.
//
// For github.com/redis/go-redis/v9, set ContextTimeoutEnabled in the client's options.
// Without it the client ignores the deadlines of contexts.
//
//	type redisCache struct{ client *redis.Client }
//
//	func (c redisCache) Get(ctx context.Context, key string) ([]byte, error) {
//		return c.client.Get(ctx, key).Bytes()
//	}
//
//	func (c redisCache) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
//		return c.client.Set(ctx, key, value, ttl).Err()
//	}
//
// github.com/bradfitz/gomemcache takes no contexts. It has a Timeout of its own, 500 ms by
// default:
//
//	type memcacheCache struct{ client *memcache.Client }
//
//	func (c memcacheCache) Get(_ context.Context, key string) ([]byte, error) {
//		item, err := c.client.Get(key)
//		if err != nil {
//			return nil, err
//		}
//		return item.Value, nil
//	}
//
//	func (c memcacheCache) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
//		return c.client.Set(&memcache.Item{Key: key, Value: value, Expiration: int32(ttl.Seconds())})
//	}
func Cache(c GetSetter) Dependency {
	d := Dependency{name: "cache", run: func(ctx context.Context) error { return setAndGet(ctx, c) }}
	if isNil(c) {
		d.fault = fmt.Sprintf("Cache: the cache is nil (%T): give one that is made", c)
	}
	return d
}

// isNil reports whether v is nil, or holds a nil pointer, map, func and so on.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Chan, reflect.Func, reflect.Map, reflect.Pointer, reflect.Slice:
		return r.IsNil()
	}
	return false
}

// setAndGet uses a new key and value each time, so that no reply can come from an earlier
// heartbeat.
func setAndGet(ctx context.Context, c GetSetter) error {
	key, value := "autoscale_heartbeat:"+rand.Text(), []byte(rand.Text())
	if err := c.Set(ctx, key, value, keyTTL); err != nil {
		return fmt.Errorf("set a key: %w", err)
	}
	got, err := c.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("get the key that was just set: %w", err)
	}
	if !bytes.Equal(got, value) {
		return errors.New("the cache returned another value than the one that was just set")
	}
	return nil
}

// memory is the cache that is exercised by default. Get removes the value, so that it holds
// no more values than heartbeats are under way.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
}

func memoryCache() Dependency { return Cache(&memory{values: make(map[string][]byte)}) }

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.values[key]
	if !ok {
		return nil, errors.New("no such key")
	}
	delete(m.values, key)
	return value, nil
}

func (m *memory) Set(_ context.Context, key string, value []byte, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[key] = bytes.Clone(value)
	return nil
}
