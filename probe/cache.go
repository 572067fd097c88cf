package probe

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/autoscalebot/autoscale/internal/outbound"
)

// fromCache returns an error if the answer with these headers came from a cache. No cache
// sends all the headers, so any one of them is enough.
func fromCache(h http.Header) error {
	// Only a cache sends Age. Of several values the first counts (RFC 9111, section 5.1).
	age, _, _ := strings.Cut(h.Get("Age"), ",")
	if age = strings.TrimSpace(age); strings.Trim(age, "0123456789") == "" && strings.Trim(age, "0") != "" {
		return fmt.Errorf("the answer came from a cache, %s seconds old: exclude the URL from caching", outbound.Text(age))
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		says := saysCached(name)
		if says != nil && slices.ContainsFunc(h[name], says) {
			return fmt.Errorf("the answer came from a cache (%s): exclude the URL from caching", outbound.Text(name))
		}
	}
	return nil
}

// saysCached returns a function that reads the header of this name, and reports whether
// its value says that an answer came from a cache. Nil: the header has nothing to do with
// caches. Caches do not agree on a name: X-Cache, X-Cache-Status, X-Proxy-Cache,
// Cf-Cache-Status, X-Vercel-Cache and CDN-Cache have the same words.
func saysCached(name string) func(value string) bool {
	switch name {
	case "Cache-Status":
		return statusHit
	case "X-Cache-Hits": // the hits in each cache on the way
		return func(value string) bool { return strings.ContainsAny(value, "123456789") }
	case "X-Varnish": // the number of this request, and that of the request that filled the cache
		return func(value string) bool { return len(strings.Fields(value)) > 1 }
	case "Warning": // RFC 7234, section 5.5
		return func(value string) bool {
			code, _, _ := strings.Cut(value, " ")
			n, _ := strconv.Atoi(code)
			return n >= 110 && n <= 113
		}
	}
	if strings.HasSuffix(name, "-Cache") || strings.HasSuffix(name, "-Cache-Status") {
		return wordHit
	}
	return nil
}

// wordHit reports whether a value says hit or stale, such as "HIT", "Hit from cloudfront",
// "TCP_HIT" and "MISS, HIT". The name of a cache may follow a space or a semicolon. With
// "TCP_REFRESH_HIT" the cache asked the service.
func wordHit(value string) bool {
	for result := range strings.SplitSeq(strings.ToLower(value), ",") {
		result = strings.TrimSpace(result)
		if end := strings.IndexAny(result, " ;"); end >= 0 {
			result = result[:end]
		}
		words := strings.FieldsFunc(result, func(r rune) bool { return r < 'a' || r > 'z' })
		if slices.Contains(words, "refresh") {
			continue
		}
		for _, w := range []string{"hit", "stale", "updating"} {
			if slices.Contains(words, w) {
				return true
			}
		}
	}
	return false
}

// statusHit reports whether a cache in the value of Cache-Status has the parameter hit
// (RFC 9211, section 2.1).
func statusHit(value string) bool {
	for cache := range strings.SplitSeq(withoutStrings(strings.ToLower(value)), ",") {
		parameters := strings.Split(cache, ";")
		for _, p := range parameters[1:] {
			if p = strings.TrimSpace(p); p == "hit" || p == "hit=?1" {
				return true
			}
		}
	}
	return false
}

// withoutStrings returns a structured field (RFC 9651) without the strings in double
// quotes.
func withoutStrings(value string) string {
	var b strings.Builder
	within := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case within && c == '\\':
			i++
		case c == '"':
			within = !within
		case !within:
			b.WriteByte(c)
		}
	}
	return b.String()
}
