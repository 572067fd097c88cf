package herokutest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

// A schema is Heroku's own description of its API, which heroku-go carries.
type schema struct{ root map[string]any }

// officialSchema reads the schema from heroku-go's module. Without it nothing would say that the
// fake is faithful, so that its absence is a failure.
func officialSchema(t *testing.T) schema {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/heroku/heroku-go/v5").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(raw, &s.root); err != nil {
		t.Fatal(err)
	}
	return s
}

var identity = regexp.MustCompile(`\{[^}]*\}`)

// target returns the schema of the answer to a request.
func (s schema) target(method, path string) (any, error) {
	for _, resource := range s.root["definitions"].(map[string]any) {
		links, _ := resource.(map[string]any)["links"].([]any)
		for _, l := range links {
			link := l.(map[string]any)
			var pattern strings.Builder
			for i, literal := range identity.Split(link["href"].(string), -1) {
				if i > 0 {
					pattern.WriteString("[^/]+")
				}
				pattern.WriteString(regexp.QuoteMeta(literal))
			}
			if link["method"] == method && regexp.MustCompile("^"+pattern.String()+"$").MatchString(path) {
				if link["targetSchema"] == nil {
					return nil, fmt.Errorf("%s %s: the schema does not say what is answered", method, path)
				}
				return link["targetSchema"], nil
			}
		}
	}
	return nil, fmt.Errorf("%s %s: not in the schema", method, path)
}

// annotations are the keywords that say nothing about what is valid.
var annotations = []string{"$schema", "default", "definitions", "description", "example", "id", "links", "note", "readOnly", "stability", "title"}

// check returns what is wrong with v by a schema. It knows the keywords that the official schema
// uses, and refuses a schema that has others.
func (s schema) check(at string, sch, v any) (faults []string) {
	m := sch.(map[string]any)
	fault := func(format string, args ...any) {
		faults = append(faults, at+": "+fmt.Sprintf(format, args...))
	}
	if ref, ok := m["$ref"].(string); ok {
		var target any = s.root
		for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			target = target.(map[string]any)[part]
		}
		return s.check(at, target, v)
	}
	properties, _ := m["properties"].(map[string]any)
	object, isObject := v.(map[string]any)
	text, isText := v.(string)
	for keyword, arg := range m {
		switch keyword {
		case "type":
			if !slices.ContainsFunc(arg.([]any), func(typ any) bool { return isType(typ.(string), v) }) {
				fault("%v is not of type %v", v, arg)
			}
		case "properties":
			for name, sub := range properties {
				if pv, ok := object[name]; ok {
					faults = append(faults, s.check(at+"."+name, sub, pv)...)
				}
			}
		case "strictProperties": // all properties, and no others
			for name := range properties {
				if _, ok := object[name]; isObject && !ok {
					fault("lacks %s", name)
				}
			}
			faults = append(faults, additional(at, properties, object)...)
		case "additionalProperties":
			if arg == false {
				faults = append(faults, additional(at, properties, object)...)
			}
		case "required":
			for _, name := range arg.([]any) {
				if _, ok := object[name.(string)]; isObject && !ok {
					fault("lacks %s", name)
				}
			}
		case "items":
			items, _ := v.([]any)
			for i, item := range items {
				faults = append(faults, s.check(fmt.Sprintf("%s[%d]", at, i), arg, item)...)
			}
		case "enum":
			if !slices.Contains(arg.([]any), v) {
				fault("%v is none of %v", v, arg)
			}
		case "pattern":
			if isText && !regexp.MustCompile(arg.(string)).MatchString(text) {
				fault("%q does not match %s", text, arg)
			}
		case "format":
			if isText && !isFormat(arg.(string), text) {
				fault("%q is no %s", text, arg)
			}
		case "anyOf":
			if !slices.ContainsFunc(arg.([]any), func(sub any) bool { return len(s.check(at, sub, v)) == 0 }) {
				fault("%v is nothing of what it may be", v)
			}
		default:
			if !slices.Contains(annotations, keyword) {
				fault("the schema has a keyword that this test does not know: %s", keyword)
			}
		}
	}
	return faults
}

func additional(at string, properties, object map[string]any) (faults []string) {
	for name := range object {
		if _, ok := properties[name]; !ok {
			faults = append(faults, at+": has "+name+", which is not in the schema")
		}
	}
	return faults
}

func isType(typ string, v any) bool {
	switch v := v.(type) {
	case nil:
		return typ == "null"
	case bool:
		return typ == "boolean"
	case string:
		return typ == "string"
	case float64:
		return typ == "number" || typ == "integer" && v == float64(int64(v))
	case []any:
		return typ == "array"
	case map[string]any:
		return typ == "object"
	}
	return false
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func isFormat(format, text string) bool {
	switch format {
	case "uuid":
		return uuid.MatchString(text)
	case "date-time":
		// The API sends UTC in whole seconds, of all that the format allows.
		const layout = "2006-01-02T15:04:05Z"
		at, err := time.Parse(layout, text)
		return err == nil && at.Format(layout) == text
	case "uri":
		u, err := url.Parse(text)
		return err == nil && u.IsAbs()
	case "email":
		_, err := mail.ParseAddress(text)
		return err == nil
	}
	return false
}

// Whatever the fake answers is what the official schema says the API answers.
func TestAnswersFitOfficialSchema(t *testing.T) {
	sch := officialSchema(t)
	s := herokutest.NewServer()
	defer s.Close()
	app := s.AddApp(herokutest.AppConfig{
		Name: "quiet-river",
		Formation: []herokutest.Process{
			{Type: "web", Quantity: 2},
			{Type: "worker", Quantity: 1, Size: "Basic"},
		},
	})
	s.AddApp(herokutest.AppConfig{Name: "never-deployed", Maintenance: true})

	for _, r := range []struct {
		method, path, body string
		items              int // of the list that is answered; -1: an object is answered
	}{
		{"GET", "/account", "", -1},
		{"GET", "/account/rate-limits", "", -1},
		{"GET", "/dyno-sizes", "", 12},
		{"GET", "/apps", "", 2},
		{"GET", "/apps/quiet-river", "", -1},
		{"GET", "/apps/" + app.ID(), "", -1},
		{"GET", "/apps/never-deployed", "", -1},
		{"GET", "/apps/never-deployed/formation", "", 0},
		{"GET", "/apps/never-deployed/dynos", "", 0},
		{"PATCH", "/apps/quiet-river", `{"maintenance":true}`, -1},
		{"GET", "/apps/quiet-river/formation", "", 2},
		{"GET", "/apps/quiet-river/formation/web", "", -1},
		{"PATCH", "/apps/quiet-river/formation/web", `{"quantity":3}`, -1},
		{"PATCH", "/apps/quiet-river/formation", `{"updates":[{"type":"web","quantity":"+1","size":"standard-2x"}]}`, 2},
		{"GET", "/apps/quiet-river/dynos", "", 5},
		{"GET", "/apps/quiet-river/dynos/web.1", "", -1},
	} {
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			res, body := do(t, s, r.method, r.path, r.body, nil)
			if res.StatusCode != http.StatusOK {
				t.Fatalf("status %d: %s", res.StatusCode, body)
			}
			target, err := sch.target(r.method, r.path)
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if err := json.Unmarshal(body, &v); err != nil {
				t.Fatal(err)
			}
			for _, f := range sch.check("answer", target, v) {
				t.Error(f)
			}
			if list, ok := v.([]any); ok != (r.items >= 0) || ok && len(list) != r.items {
				t.Errorf("got %s, want %d items (-1: an object)", body, r.items)
			}
		})
	}
}

// The checker of the test above finds what it is there to find.
func TestSchemaCheckerFindsFaults(t *testing.T) {
	sch := officialSchema(t)
	target, err := sch.target("GET", "/apps/quiet-river/formation/web")
	if err != nil {
		t.Fatal(err)
	}
	valid := func() map[string]any {
		return map[string]any{
			"app":     map[string]any{"id": "01234567-89ab-cdef-0123-456789abcdef", "name": "quiet-river"},
			"command": "bin/web", "created_at": "2012-01-01T12:00:00Z", "id": "01234567-89ab-cdef-0123-456789abcdef",
			"quantity": 1.0, "size": "Standard-1X", "type": "web", "updated_at": "2012-01-01T12:00:00Z",
		}
	}
	if faults := sch.check("f", target, valid()); len(faults) > 0 {
		t.Fatal(faults)
	}
	for name, spoil := range map[string]func(map[string]any){
		"lacks quantity": func(m map[string]any) { delete(m, "quantity") },
		"not of type":    func(m map[string]any) { m["quantity"] = "1" },
		"1.5 is not":     func(m map[string]any) { m["quantity"] = 1.5 },
		"no uuid":        func(m map[string]any) { m["id"] = "1" },
		"no date-time":   func(m map[string]any) { m["updated_at"] = "2012-01-01" },
		"does not match": func(m map[string]any) { m["app"].(map[string]any)["name"] = "Quiet River" },
		"has colour":     func(m map[string]any) { m["colour"] = "red" },
	} {
		m := valid()
		spoil(m)
		if faults := sch.check("f", target, m); len(faults) != 1 || !strings.Contains(faults[0], name) {
			t.Errorf("got the faults %q, want one that says %q", faults, name)
		}
	}
	if _, err := sch.target("GET", "/apps/quiet-river/dinosaurs"); err == nil {
		t.Error("no error for what is not in the schema")
	}
}

// send sends a request, with the credentials and the version that the API wants unless header
// says otherwise, and returns the answer and its body. It follows no redirect.
func send(ctx context.Context, s *herokutest.Server, method, path, body string, header http.Header) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Accept", "application/vnd.heroku+json; version=3")
	r.Header.Set("Authorization", "Bearer "+herokutest.Token)
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	res, err := s.Client().Transport.RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, b, err
}

// do is send where nothing may go wrong.
func do(t *testing.T, s *herokutest.Server, method, path, body string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	res, b, err := send(t.Context(), s, method, path, body, header)
	if err != nil {
		t.Fatal(err)
	}
	return res, b
}
