package status_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/status"
)

// A browser resolves the Location as WHATWG says: "https:1" and "\\1" name another host.
func TestRedirectStays(t *testing.T) {
	a := autoscale.New(config(&service{size: 2}))
	page := status.Handler(a, &status.Options{Token: token, Logger: quiet})
	for path, want := range map[string]string{
		"/autoscale/https:134744072":       "./https:134744072/",
		"/autoscale/%5C%5C134744072":       "./%5C%5C134744072/",
		"/autoscale/%0D%0ASet-Cookie:%20a": "./%0D%0ASet-Cookie:%20a/",
		"/autoscale/%3Fa":                  "./%3Fa/",
		"/autoscale/gr%C3%BC%C3%9Fe":       "./gr%C3%BC%C3%9Fe/",
	} {
		w := get(t, page, path)
		if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != want {
			t.Errorf("GET %s = %d, Location %q, want %q", path, w.Code, to, want)
		}
	}
	// What StripPrefix leaves nothing of is told apart from its query.
	bare := http.StripPrefix("/bare", page)
	if w := get(t, bare, "/bare?from=/"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "./bare/" {
		t.Errorf("GET /bare?from=/ = %d, Location %q", w.Code, w.Header().Get("Location"))
	}
}

// A browser sends "Origin: null" with the forms of a page whose policy is no-referrer, and
// a page without HTTPS has no Sec-Fetch-Site.
func TestControlWithoutHTTPS(t *testing.T) {
	a := autoscale.New(config(&service{size: 2}))
	page := status.Handler(a, &status.Options{Token: token, Control: true, Logger: quiet})
	if policy := get(t, page, "/").Header().Get("Referrer-Policy"); policy != "same-origin" {
		t.Errorf("the policy is %q: a browser would not say where a form comes from", policy)
	}
	for origin, want := range map[string]int{"http://example.com": 303, "null": 403, "http://example.com.evil.example": 403} {
		w := post(page, url.Values{"name": {"web"}, "action": {"pause"}}, func(r *http.Request) { r.Header.Set("Origin", origin) })
		if w.Code != want {
			t.Errorf("a form from %s = %d, want %d", origin, w.Code, want)
		}
	}
}

func TestOptionsAreCopied(t *testing.T) {
	a := autoscale.New(config(&service{size: 2}))
	o := &status.Options{Users: map[string]string{"ada": "correct horse"}, Logger: quiet}
	page := status.Handler(a, o)
	o.Users["eve"] = "came later"
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth("eve", "came later")
	w := httptest.NewRecorder()
	if page.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
		t.Errorf("a user that was added after Handler is let in: %d", w.Code)
	}
}
