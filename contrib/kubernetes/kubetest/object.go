package kubetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// An object is an object of the API, as encoding/json reads it. Objects in the store are
// never changed, but replaced.
type object = map[string]any

// A key names an object.
type key struct {
	res      *resource
	ns, name string
}

// normal returns v as encoding/json reads it. The result shares nothing with v.
func normal(v any) object {
	if o, ok := copied(v).(object); ok {
		return o
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic("kubetest: an object cannot be encoded: " + err.Error())
	}
	o, err := parseObject(data)
	if err != nil {
		panic("kubetest: not an object: " + err.Error())
	}
	return o
}

// copied returns a copy of v. If v, or something in it, is nil or of a type that
// encoding/json does not produce, copied returns nil. It is faster than writing and
// reading JSON.
func copied(v any) any {
	switch v := v.(type) {
	case string, bool, float64:
		return v
	case int:
		return float64(v)
	case object:
		o := make(object, len(v))
		for name, field := range v {
			if o[name] = copied(field); o[name] == nil && field != nil {
				return nil
			}
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i, each := range v {
			if list[i] = copied(each); list[i] == nil && each != nil {
				return nil
			}
		}
		return list
	}
	return nil
}

func parseObject(data []byte) (object, error) {
	var o object
	if err := json.Unmarshal(data, &o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, fmt.Errorf("null")
	}
	return o, nil
}

// at returns a field, or nil.
func at(o object, path ...string) any {
	var v any = o
	for _, name := range path {
		m, ok := v.(object)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func text(o object, path ...string) string {
	s, _ := at(o, path...).(string)
	return s
}

func number(o object, path ...string) int {
	n, _ := at(o, path...).(float64)
	return int(n)
}

// child returns an object within another. It makes the object if that is missing.
func child(o object, name string) object {
	c, ok := o[name].(object)
	if !ok {
		c = object{}
		o[name] = c
	}
	return c
}

// mergePatch applies a JSON merge patch, RFC 7386, to an object, in place.
func mergePatch(o, patch object) object {
	for name, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(o, name)
		case object:
			o[name] = mergePatch(child(o, name), v)
		default:
			o[name] = v
		}
	}
	return o
}

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// matchesLabels reports whether labels match a selector, such as "app=web,tier in (a,b),!old".
func matchesLabels(labels object, selector string) bool {
	for _, term := range splitTerms(selector) {
		name, rest, _ := strings.Cut(term, " ")
		value, has := labels[strings.TrimPrefix(name, "!")].(string)
		switch {
		case strings.Contains(term, "("):
			op, list, _ := strings.Cut(rest, "(")
			found := false
			for _, v := range strings.Split(strings.TrimSuffix(strings.TrimSpace(list), ")"), ",") {
				found = found || has && strings.TrimSpace(v) == value
			}
			if found != (strings.TrimSpace(op) == "in") {
				return false
			}
		case strings.Contains(term, "!="):
			name, want, _ := strings.Cut(term, "!=")
			if v, ok := labels[name].(string); ok && v == want {
				return false
			}
		case strings.Contains(term, "="):
			name, want, _ := strings.Cut(term, "=")
			if v, ok := labels[name].(string); !ok || v != strings.TrimPrefix(want, "=") {
				return false
			}
		case strings.HasPrefix(term, "!"):
			if has {
				return false
			}
		case !has:
			return false
		}
	}
	return true
}

// splitTerms splits a selector at the commas outside parentheses.
func splitTerms(selector string) (terms []string) {
	depth, start := 0, 0
	for i, c := range selector + "," {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			if t := strings.TrimSpace(selector[start:i]); t != "" {
				terms = append(terms, t)
			}
			start = i + 1
		}
	}
	return terms
}

// fieldName returns the name that a field selector asks for, or "".
func fieldName(selector string) string {
	for _, term := range splitTerms(selector) {
		if name, ok := strings.CutPrefix(term, "metadata.name="); ok {
			return strings.TrimPrefix(name, "=")
		}
	}
	return ""
}

// put stores an object under the next version. from is the object that it replaces, or
// nil. If nothing has changed, put does nothing. The caller holds the lock.
func (s *Server) put(k key, from, to object, manager, sub string) object {
	meta := child(to, "metadata")
	meta["name"], meta["namespace"] = k.name, k.ns
	to["apiVersion"], to["kind"] = k.res.apiVersion(), k.res.kind
	if from != nil {
		old := child(from, "metadata")
		for _, field := range []string{"uid", "creationTimestamp", "generation", "managedFields", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds"} {
			if v, ok := old[field]; ok && (field != "deletionTimestamp" || meta[field] == nil) {
				meta[field] = v
			} else if !ok && !strings.HasPrefix(field, "deletion") {
				delete(meta, field)
			}
		}
		to = normal(to)
		if reflect.DeepEqual(from, to) {
			return from
		}
		meta = child(to, "metadata")
		if k.res.generation && grows(k.res, from, to) {
			meta["generation"] = float64(number(from, "metadata", "generation") + 1)
		}
	} else {
		meta["uid"] = fmt.Sprintf("00000000-0000-4000-8000-%012d", s.version+1)
		meta["creationTimestamp"] = timestamp(time.Now())
		if k.res.generation {
			meta["generation"] = 1
		}
		to = normal(to)
		meta = child(to, "metadata")
	}
	s.version++
	meta["resourceVersion"] = strconv.FormatInt(s.version, 10)
	meta["managedFields"] = managed(k.res, meta["managedFields"], from, to, manager, sub)
	kind := "MODIFIED"
	if from == nil {
		kind = "ADDED"
	}
	s.set(k, to)
	s.happen(event{version: s.version, kind: kind, key: k, object: to, before: from})
	return to
}

func (s *Server) set(k key, o object) {
	s.objects[k] = o
	s.namespaces[k.ns] = true
	if s.keys[k.res] == nil {
		s.keys[k.res] = make(map[key]bool)
	}
	s.keys[k.res][k] = true
	if k.res.scale {
		s.dirty[k] = true
	}
}

// grows reports whether a change increases the generation.
func grows(res *resource, from, to object) bool {
	if res.plural == "deployments" && !reflect.DeepEqual(at(from, "metadata", "annotations"), at(to, "metadata", "annotations")) {
		return true
	}
	if res.plural != "endpointslices" {
		return !reflect.DeepEqual(from["spec"], to["spec"])
	}
	a, b := maps.Clone(from), maps.Clone(to)
	delete(a, "metadata")
	delete(b, "metadata")
	return !reflect.DeepEqual(a, b)
}

// remove deletes an object. The caller holds the lock.
func (s *Server) remove(k key) object {
	o := s.objects[k]
	delete(s.objects, k)
	delete(s.keys[k.res], k)
	s.version++
	last := maps.Clone(o)
	last["metadata"] = maps.Clone(o["metadata"].(object))
	last["metadata"].(object)["resourceVersion"] = strconv.FormatInt(s.version, 10)
	s.happen(event{version: s.version, kind: "DELETED", key: k, object: last, before: o})
	return o
}

// managed returns managedFields with the entry of the manager that made the change. The
// entry of the subresource scale has no time, as in the API server.
func managed(res *resource, entries any, from, to object, manager, sub string) []any {
	list, _ := entries.([]any)
	fields := object{}
	for name := range to {
		if name != "apiVersion" && name != "kind" && name != "metadata" {
			fields = mergePatch(fields, diff(from, to, name))
		}
	}
	if from == nil || !reflect.DeepEqual(at(from, "metadata", "annotations"), at(to, "metadata", "annotations")) {
		a, b := child(object{"m": from["metadata"]}, "m"), child(to, "metadata")
		if d := diff(a, b, "annotations"); len(d) > 0 {
			fields["f:metadata"] = d
		}
	}
	entry := object{"manager": manager, "operation": "Update", "apiVersion": res.apiVersion(), "fieldsType": "FieldsV1", "fieldsV1": fields}
	if sub != "scale" {
		entry["time"] = timestamp(time.Now())
	}
	if sub != "" {
		entry["subresource"] = sub
	}
	out := []any{}
	for _, e := range list {
		e := e.(object)
		if text(e, "manager") == manager && text(e, "subresource") == sub {
			entry["fieldsV1"] = mergePatch(normal(e["fieldsV1"]), fields)
			continue
		}
		out = append(out, e)
	}
	return append(out, normal(entry))
}

// diff returns the fields that differ, as FieldsV1.
func diff(from, to object, name string) object {
	a, b := from[name], to[name]
	if reflect.DeepEqual(a, b) {
		return object{}
	}
	inner := object{}
	if m, ok := b.(object); ok {
		old, _ := a.(object)
		for n := range m {
			inner = mergePatch(inner, diff(old, m, n))
		}
	}
	return object{"f:" + name: inner}
}

// size is how many bytes an object takes.
func size(o object) int {
	var b bytes.Buffer
	// An object comes from JSON, so it can be encoded.
	_ = json.NewEncoder(&b).Encode(o)
	return b.Len()
}
