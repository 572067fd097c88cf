package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/literal"
	"github.com/autoscalebot/autoscale/internal/outbound"
)

const (
	maxPage   = 4 << 20 // bytes of an answer that are read
	maxRefuse = 300     // bytes of a refusal that are shown
)

// pageSource looks at autoscalers, and steers them, through the status page of the service.
type pageSource struct {
	base   *url.URL
	token  string
	by     string
	name   string
	client *http.Client
}

func (c *command) openPage() (source, error) {
	t := &c.target
	u, err := url.Parse(t.page)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("--url must be the address of the status page: write it as --url=https://quiet-river.example.com/autoscale/ with its scheme")
	case u.User != nil:
		return nil, fmt.Errorf("--url holds a user or a password, which every user of this machine can see with ps: leave it out, and set %s to the token", envToken)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("--url has a query or a fragment: leave out what follows the path")
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	token := c.getenv(envToken)
	if problem := cmp.Or(literal.Variable(token), literal.Secret(token)); problem != "" {
		return nil, fmt.Errorf("%s %s", envToken, problem)
	}
	host := u.Hostname()
	if u.Scheme == "http" && token != "" && host != "localhost" && host != "127.0.0.1" && host != "::1" {
		return nil, fmt.Errorf("--url begins with http:, and everybody on the way would see %s: write https instead", envToken)
	}
	client := outbound.Client(http.Client{Transport: outbound.NewTransport()})
	return &pageSource{base: u, token: token, by: t.by, name: t.name, client: client}, nil
}

// call sends one request, and returns its answer.
func (p *pageSource) call(ctx context.Context, method, name string, form url.Values) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	target := p.base.JoinPath(name).String()
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if p.token != "" {
		// The name of the person goes to the page, which records who gave a command.
		req.SetBasicAuth(strings.ReplaceAll(p.by, ":", " "), p.token)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxPage))
	if err != nil {
		return 0, nil, fmt.Errorf("the answer of %s broke off: %w", target, err)
	}
	return res.StatusCode, body, nil
}

// refused returns the error for an answer that is not one of the page's good
// answers.
func (p *pageSource) refused(name string, status int, body []byte) error {
	where := p.base.JoinPath(name).String()
	switch status {
	case http.StatusUnauthorized:
		if p.token == "" {
			return fmt.Errorf("%s asks for a token: set %s to the one of status.Options", where, envToken)
		}
		return fmt.Errorf("%s refuses the token in %s: set it to the one of status.Options", where, envToken)
	case http.StatusNotFound:
		return fmt.Errorf("%s is not there: give --url the address at which the service serves its status page", where)
	}
	if status >= 300 && status < 400 {
		return fmt.Errorf("%s answers with a redirect (status %d), which is not followed: give --url the address that it leads to, or that does not ask for a login", where, status)
	}
	text, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if strings.HasPrefix(text, "<") {
		text = http.StatusText(status)
	}
	return fmt.Errorf("%s answers with status %d: %s", where, status, oneLine(text[:min(len(text), maxRefuse)]))
}

func (p *pageSource) read(ctx context.Context) (*document, error) {
	const name = "status.json"
	status, body, err := p.call(ctx, http.MethodGet, name, nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, p.refused(name, status, body)
	}
	var doc document
	if err := json.Unmarshal(body, &doc); err != nil || doc.Version == 0 {
		return nil, fmt.Errorf("%s is not that of a status page: give --url the address at which the service serves it", p.base.JoinPath(name))
	}
	if doc.Version != documentVersion {
		return nil, fmt.Errorf("%s has version %d, and this autoscalebot reads version %d: use the autoscalebot of the release that the service has", p.base.JoinPath(name), doc.Version, documentVersion)
	}
	if p.name == "" {
		return &doc, nil
	}
	var names []string
	for _, d := range doc.Autoscalers {
		if d.Name == p.name {
			doc.Autoscalers = []described{d}
			return &doc, nil
		}
		names = append(names, d.Name)
	}
	return nil, fmt.Errorf("the page has no autoscaler of --name=%s: give one of %q", p.name, names)
}

func (p *pageSource) give(ctx context.Context, o order) error {
	doc, err := p.read(ctx)
	if err != nil {
		return err
	}
	if len(doc.Autoscalers) != 1 {
		var names []string
		for _, d := range doc.Autoscalers {
			names = append(names, d.Name)
		}
		return fmt.Errorf("the page has the autoscalers %q: say which with --name", names)
	}
	form := url.Values{"name": {doc.Autoscalers[0].Name}, "action": {o.Action}}
	if !o.Until.IsZero() {
		form.Set("until", o.Until.Format(time.RFC3339))
	}
	if o.Size != nil {
		form.Set("size", strconv.Itoa(*o.Size))
	}
	const name = "control"
	status, body, err := p.call(ctx, http.MethodPost, name, form)
	if err != nil {
		return err
	}
	if status != http.StatusSeeOther && status/100 != 2 {
		return p.refused(name, status, body)
	}
	return nil
}
