package herokutest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	heroku "github.com/heroku/heroku-go/v5"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

// newService returns a plain heroku-go client of a fake.
func newService(s *herokutest.Server) *heroku.Service {
	service := heroku.NewService(&http.Client{Transport: &heroku.Transport{
		BearerToken: herokutest.Token,
		Transport:   s.Client().Transport,
	}})
	service.URL = s.URL
	return service
}

// A formation is scaled with heroku-go.
func Example() {
	s := herokutest.NewServer()
	defer s.Close()
	app := s.AddApp(herokutest.AppConfig{
		Name:      "quiet-river",
		Formation: []herokutest.Process{{Type: "web", Quantity: 1}},
	})

	service := heroku.NewService(&http.Client{Transport: &heroku.Transport{
		BearerToken: herokutest.Token,
		Transport:   s.Client().Transport,
	}})
	service.URL = s.URL
	formation, err := service.FormationUpdate(context.Background(), "quiet-river", "web",
		heroku.FormationUpdateOpts{Quantity: heroku.Int(3)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(formation.Type, formation.Quantity)

	for _, d := range app.Dynos() {
		fmt.Println(d.Name, d.State)
	}
	// Output:
	// web 3
	// web.1 up
	// web.2 up
	// web.3 up
}

// A Server without a listener of its own is put behind a handler.
func ExampleNew() {
	s := herokutest.New()
	defer s.Close()
	s.AddApp(herokutest.AppConfig{Name: "quiet-river"})

	mux := http.NewServeMux()
	mux.Handle("/heroku/", http.StripPrefix("/heroku", s))

	r := httptest.NewRequest("GET", "/heroku/apps/quiet-river", nil)
	r.Header.Set("Accept", "application/vnd.heroku+json; version=3")
	r.Header.Set("Authorization", "Bearer "+herokutest.Token)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output: 200
}

// In memory, the server needs no port.
func ExampleNewPipeServer() {
	s := herokutest.NewPipeServer()
	defer s.Close()
	s.AddApp(herokutest.AppConfig{Name: "quiet-river"})

	info, err := newService(s).AppInfo(context.Background(), "quiet-river")
	fmt.Println(info.Name, err)
	// Output: quiet-river <nil>
}

// The first attempt to scale fails, and the second one succeeds.
func ExampleServer_Inject() {
	s := herokutest.NewServer()
	defer s.Close()
	s.AddApp(herokutest.AppConfig{
		Name:      "quiet-river",
		Formation: []herokutest.Process{{Type: "web", Quantity: 1}},
	})
	s.Inject(herokutest.Fault{Method: "PATCH", Path: "/apps/*/formation/web", Status: 503})

	service := newService(s)
	for range 2 {
		_, err := service.FormationUpdate(context.Background(), "quiet-river", "web",
			heroku.FormationUpdateOpts{Quantity: heroku.Int(2)})
		fmt.Println(err != nil)
	}
	for _, w := range s.Writes() {
		fmt.Println(w.App, w.Type, w.From, w.To)
	}
	// Output:
	// true
	// false
	// quiet-river web 1 2
}

// A real process may stand behind each dyno: OnScale says when their number changes, and
// SetDynoState what became of each.
func ExampleServer_OnScale() {
	s := herokutest.NewServer()
	defer s.Close()
	app := s.AddApp(herokutest.AppConfig{
		Name:      "quiet-river",
		Formation: []herokutest.Process{{Type: "web", Quantity: 1}},
		Boot:      -1, // starting until we say otherwise
	})
	s.OnScale(func(app, typ string, from, to int) {
		fmt.Printf("%s: %s from %d to %d\n", app, typ, from, to)
	})

	app.Scale("web", 2)
	app.SetDynoState("web.1", herokutest.Up)
	for _, d := range app.Dynos() {
		fmt.Println(d.Name, d.State)
	}
	// Output:
	// quiet-river: web from 1 to 2
	// web.1 up
	// web.2 starting
}

// An error of the API is injected as a fault.
func ExampleError() {
	s := herokutest.NewServer()
	defer s.Close()
	s.Inject(herokutest.Error(403, "suspended", "Account suspended."))

	_, err := newService(s).AppInfo(context.Background(), "quiet-river")
	var e heroku.Error
	fmt.Println(errors.As(err, &e), e.StatusCode, e.ID, e)
	// Output: true 403 suspended Account suspended.
}
