package status_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/status"
)

// hung is a seat whose history is not read before release is closed, whatever the context
// says.
type hung struct {
	seat
	release chan struct{}
}

func (h *hung) History(context.Context) ([]byte, error) {
	<-h.release
	return nil, nil
}

// list is a Source that changes.
type list []*autoscale.Autoscaler

func (l *list) Members() []*autoscale.Autoscaler { return *l }

// A Store that hangs delays a page of many process types by a second in all, and no
// goroutines gather.
func TestStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var all list
		for i := range 20 {
			c := config(&service{size: 2})
			c.Name = fmt.Sprintf("worker%d", i)
			c.Elector = &hung{seat{new(board), "web.2", false}, release}
			all = append(all, autoscale.New(c))
		}
		page := status.Handler(&all, &status.Options{Token: token, Logger: quiet})
		var first int
		for i, path := range []string{"/", "/status.json", "/"} {
			start := time.Now()
			if w := get(t, page, path); w.Code != http.StatusOK || path == "/" && !strings.Contains(w.Body.String(), "The history is being read.") {
				t.Errorf("GET %s = %d %.200s", path, w.Code, w.Body)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("GET %s took %v", path, took)
			}
			if n := runtime.NumGoroutine(); i == 0 {
				first = n
			} else if n > first+2 {
				t.Errorf("%d goroutines, after the first page %d", n, first)
			}
		}
		close(release)
		synctest.Wait()
		if w := get(t, page, "/"); strings.Contains(w.Body.String(), "being read") {
			t.Error("the page does not show what was read late")
		}
	})
}

// The page keeps nothing of an Autoscaler that its Source has no longer.
func TestSourceChanges(t *testing.T) {
	all := make(list, 1)
	page := status.Handler(&all, &status.Options{Token: token, Logger: quiet})
	gone := make(chan struct{})
	func() {
		a := autoscale.New(config(&service{size: 2}))
		runtime.AddCleanup(a, func(c chan struct{}) { close(c) }, gone)
		all[0] = a
		get(t, page, "/")
	}()
	all[0] = autoscale.New(config(&service{size: 2}))
	get(t, page, "/")
	for range 100 {
		runtime.GC()
		select {
		case <-gone:
			runtime.KeepAlive(page)
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	runtime.KeepAlive(page)
	t.Error("the page keeps an Autoscaler that its Source has no longer")
}

// A page of a Group follows its members, and shows a bounded number of them.
func TestMembersComeAndGo(t *testing.T) {
	var group autoscale.Group
	page := status.Handler(&group, &status.Options{Token: token, Control: true, Logger: quiet})
	has := func(path string, want, not []string) {
		t.Helper()
		body := get(t, page, path).Body.String()
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("GET %s lacks %q", path, text)
			}
		}
		for _, text := range not {
			if strings.Contains(body, text) {
				t.Errorf("GET %s has %q", path, text)
			}
		}
	}
	has("/", []string{"There is no process type to show."}, nil)
	has("/status.json", []string{`"autoscalers": []`}, nil)
	for i := range 150 {
		c := config(&service{size: 2})
		c.Name = fmt.Sprintf("shop/worker%03d", i)
		if _, err := group.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	has("/", []string{"shop/worker099", "This shows 100. 50 more are left out"}, []string{"shop/worker100"})
	has("/status.json", []string{"shop/worker099", `"left": 50`}, []string{"shop/worker100"})
	has("/?name=shop/worker10", []string{"shop/worker100", "shop/worker109"}, []string{"shop/worker110", "left out"})
	has("/status.json?name=shop/worker149", []string{"shop/worker149"}, []string{"shop/worker148", `"left"`})
	has("/size.json?name=shop/worker149", []string{"no tick yet"}, nil)
	if err := group.Remove(t.Context(), "shop/worker100"); err != nil {
		t.Fatal(err)
	}
	has("/?name=shop/worker10", []string{"shop/worker101"}, []string{"shop/worker100"})
	has("/size.json?name=shop/worker100", []string{"there is no autoscaler"}, nil)
}
