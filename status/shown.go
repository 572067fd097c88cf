package status

import (
	"net/http"
	"slices"
	"strings"

	"github.com/autoscalebot/autoscale"
)

// maxShown bounds the Autoscalers of one answer. Each needs its history and a place.
const maxShown = 100

// shown returns the Autoscalers that an answer shows: those whose names begin with the
// query's name, and at most maxShown of them. left is how many more there are.
func (p *Page) shown(r *http.Request) (shown []*autoscale.Autoscaler, left int) {
	all := p.source.Members()
	if begin := r.URL.Query().Get("name"); begin != "" {
		all = slices.DeleteFunc(slices.Clone(all), func(a *autoscale.Autoscaler) bool { return !strings.HasPrefix(a.Name(), begin) })
	}
	n := min(len(all), maxShown)
	return all[:n], len(all) - n
}
