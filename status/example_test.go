package status_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/status"
)

func ExampleHandler() {
	s := &service{size: 3}
	a := autoscale.New(config(s)) // go a.Run(ctx)

	mux := http.NewServeMux()
	mux.Handle("/autoscale/", status.Handler(a, &status.Options{Users: map[string]string{"ada": "correct horse"}, Control: true}))

	r := httptest.NewRequest(http.MethodGet, "/autoscale/size.json", nil)
	r.SetBasicAuth("ada", "correct horse")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// 503 {
	//   "version": 1,
	//   "name": "web",
	//   "error": "no tick yet: the autoscaler of web has just started, or no process leads"
	// }
}
