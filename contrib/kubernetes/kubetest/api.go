package kubetest

import (
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answer carries out the request and returns the answer.
func (s *Server) answer(q *query) *answer {
	if q.res == nil {
		if q.account == nil && q.Header.Get("Authorization") != "" {
			return unauthorized().answer()
		}
		if a := discover(q.URL.Path); a != nil {
			return a
		}
		if strings.HasPrefix(q.URL.Path, "/api/v1/") || slices.ContainsFunc(resources, func(r *resource) bool { return strings.HasPrefix(q.URL.Path, "/apis/"+r.apiVersion()+"/") }) {
			return noPath().answer()
		}
		return &answer{status: http.StatusNotFound, header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, body: []byte("404 page not found\n")}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reconcile()
	a, e := s.carryOut(q)
	if e != nil {
		return e.answer()
	}
	s.reconcile()
	return a
}

func (s *Server) carryOut(q *query) (*answer, *apiError) {
	if e := s.authorize(q); e != nil {
		return nil, e
	}
	served := q.sub == "" || q.sub == "status" && q.res.status || q.sub == "scale" && q.res.scale
	if !served || q.ns == "" && (q.name != "" || q.Method != http.MethodGet) {
		return nil, noPath()
	}
	k := key{q.res, q.ns, q.name}
	switch {
	case q.Method == http.MethodGet && q.name == "":
		return s.list(q)
	case q.Method == http.MethodPost && q.name == "":
		return s.create(q)
	case q.name == "":
		return nil, &apiError{http.StatusMethodNotAllowed, "MethodNotAllowed", "the server does not allow this method on the requested resource", map[string]any{}}
	}
	old := s.objects[k]
	if old == nil && q.Method == http.MethodPut && q.res.upsert && q.sub == "" {
		if to, e := q.decode(); e == nil {
			if name := text(to, "metadata", "name"); name != q.name {
				return nil, badRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", name, q.name))
			}
			if uid := text(to, "metadata", "uid"); uid != "" {
				return nil, conflict(k.res, k.name, fmt.Sprintf("Precondition failed: UID in precondition: %s, UID in object meta: ", uid))
			}
		}
		return s.create(q)
	}
	if old == nil {
		return nil, notFound(q.res, q.name)
	}
	switch q.Method {
	case http.MethodGet:
		if q.sub == "scale" {
			old = scaleOf(q.res, old)
		}
		return answerJSON(http.StatusOK, old), nil
	case http.MethodPut, http.MethodPatch:
		return s.update(q, k, old)
	case http.MethodDelete:
		return s.delete(q, k, old)
	}
	return nil, &apiError{http.StatusMethodNotAllowed, "MethodNotAllowed", "the server does not allow this method on the requested resource", map[string]any{}}
}

func (s *Server) list(q *query) (*answer, *apiError) {
	if q.verb == "watch" {
		w, e := s.newWatch(q)
		return &answer{status: http.StatusOK, watch: w}, e
	}
	items, meta := []any{}, object{"resourceVersion": strconv.FormatInt(s.version, 10)}
	limit, _ := strconv.Atoi(q.values.Get("limit"))
	after := q.values.Get("continue")
	last := ""
	for _, k := range s.sorted(q) {
		if after != "" && k.path() <= after {
			continue
		}
		if limit > 0 && len(items) == limit {
			meta["continue"] = last
			break
		}
		o := s.objects[k]
		if !q.res.custom { // items of typed lists leave out the kind and version, which the list has
			o = maps.Clone(o)
			delete(o, "apiVersion")
			delete(o, "kind")
		}
		items, last = append(items, o), k.path()
	}
	return answerJSON(http.StatusOK, object{
		"kind": q.res.kind + "List", "apiVersion": q.res.apiVersion(), "metadata": meta, "items": items,
	}), nil
}

func (k key) path() string { return k.ns + "/" + k.name }

// sorted returns the keys of the objects that q asks for, in the order of lists.
func (s *Server) sorted(q *query) (keys []key) {
	if name := fieldName(q.values.Get("fieldSelector")); name != "" && q.ns != "" {
		if k := (key{q.res, q.ns, name}); q.selects(k, s.objects[k]) {
			keys = append(keys, k)
		}
		return keys
	}
	for k := range s.keys[q.res] {
		if q.selects(k, s.objects[k]) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b key) int { return strings.Compare(a.path(), b.path()) })
	return keys
}

// selects reports whether a list or watch asks for an object.
func (q *query) selects(k key, o object) bool {
	if o == nil || k.res != q.res || q.ns != "" && k.ns != q.ns {
		return false
	}
	if name := fieldName(q.values.Get("fieldSelector")); name != "" && name != k.name {
		return false
	}
	labels, _ := at(o, "metadata", "labels").(object)
	return matchesLabels(labels, q.values.Get("labelSelector"))
}

func (q *query) decode() (object, *apiError) {
	o, err := parseObject(q.body)
	switch kind := text(o, "kind"); {
	case err != nil && q.Method == http.MethodPatch:
		return nil, badRequest("error decoding patch: " + err.Error())
	case err != nil:
		return nil, badRequest("the object provided is unrecognized (must be of type " + q.res.kind + "): couldn't get version/kind; json parse error: " + err.Error())
	case q.Method != http.MethodPatch && q.sub != "scale" && kind != "" && kind != q.res.kind:
		return nil, badRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: unknown conversion", kind, text(o, "apiVersion"), q.res.kind))
	}
	return o, nil
}

func (s *Server) create(q *query) (*answer, *apiError) {
	o, e := q.decode()
	if e != nil {
		return nil, e
	}
	k := key{q.res, q.ns, text(o, "metadata", "name")}
	if prefix := text(o, "metadata", "generateName"); k.name == "" && prefix != "" {
		k.name = fmt.Sprintf("%s%05d", prefix, s.version)
	}
	if ns := text(o, "metadata", "namespace"); ns != "" && ns != q.ns {
		return nil, badRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	if !s.namespaces[q.ns] {
		return nil, &apiError{http.StatusNotFound, "NotFound", fmt.Sprintf("namespaces %q not found", q.ns), details("namespaces", "", q.ns)}
	}
	if text(o, "metadata", "resourceVersion") != "" && q.Method == http.MethodPost {
		return nil, &apiError{code: http.StatusInternalServerError, message: "resourceVersion should not be set on objects to be created"}
	}
	delete(child(o, "metadata"), "resourceVersion")
	if q.res.status {
		delete(o, "status")
	}
	if e := validate(k, o, false); e != nil {
		return nil, e
	}
	if s.objects[k] != nil {
		return nil, alreadyExists(q.res, k.name)
	}
	return answerJSON(http.StatusCreated, s.put(k, nil, o, q.manager(), "")), nil
}

// update carries out a PUT or a PATCH, of the object or of a subresource.
func (s *Server) update(q *query, k key, old object) (*answer, *apiError) {
	before := old
	if q.sub == "scale" {
		before = scaleOf(k.res, old)
	}
	if q.Method == http.MethodPatch && !q.mergePatch() {
		return nil, &apiError{http.StatusUnsupportedMediaType, "UnsupportedMediaType", "415: Unsupported Media Type", map[string]any{}}
	}
	to, e := q.decode()
	if e != nil {
		return nil, e
	}
	if q.Method == http.MethodPatch {
		to = mergePatch(normal(before), to)
	}
	if name := text(to, "metadata", "name"); name == "" {
		return nil, badRequest(fmt.Sprintf("the name of the object (%s based on URL) was undeterminable: name must be provided", k.name))
	} else if name != k.name {
		return nil, badRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", name, k.name))
	}
	version, current := text(to, "metadata", "resourceVersion"), text(old, "metadata", "resourceVersion")
	uid := text(to, "metadata", "uid")
	switch {
	case uid != "" && uid != text(old, "metadata", "uid"):
		return nil, conflict(k.res, k.name, fmt.Sprintf("Precondition failed: UID in precondition: %s, UID in object meta: %s", uid, text(old, "metadata", "uid")))
	case version == "" && k.res.conditional && q.sub == "":
		return nil, invalid(k.res.plural, k.res.group, k.name, "metadata.resourceVersion", invalidValue, "Invalid value: 0: must be specified for an update")
	case version != "" && version != current:
		return nil, conflict(k.res, k.name, modified)
	}
	switch q.sub {
	case "scale":
		return s.updateScale(q, k, old, to)
	case "status":
		next := normal(old)
		next["status"] = to["status"]
		to = next
	default:
		if k.res.status {
			delete(to, "status")
			if status, ok := old["status"]; ok {
				to["status"] = status
			}
		}
	}
	if e := validate(k, to, q.Method == http.MethodPatch); e != nil {
		return nil, e
	}
	if q.sub == "" && k.res.scale && number(old, "spec", "replicas") != number(to, "spec", "replicas") {
		s.scaled(q, k, old, number(to, "spec", "replicas"))
	}
	return answerJSON(http.StatusOK, s.put(k, old, to, q.manager(), q.sub)), nil
}

// mergePatch reports whether the body of q is a patch in a form that is served.
func (q *query) mergePatch() bool {
	kind, _, err := mime.ParseMediaType(q.Header.Get("Content-Type"))
	return err == nil && (kind == "application/merge-patch+json" || kind == "application/strategic-merge-patch+json" && !q.res.custom)
}

func (s *Server) delete(q *query, k key, old object) (*answer, *apiError) {
	if q.sub != "" {
		return nil, noPath()
	}
	if len(q.body) > 0 {
		options, err := parseObject(q.body)
		if err != nil {
			return nil, badRequest("couldn't get version/kind; json parse error: " + err.Error())
		}
		for _, field := range []string{"uid", "resourceVersion"} {
			name := map[string]string{"uid": "UID", "resourceVersion": "ResourceVersion"}[field]
			if want, is := text(options, "preconditions", field), text(old, "metadata", field); want != "" && want != is {
				e := conflict(k.res, k.name, fmt.Sprintf("Precondition failed: %s in precondition: %s, %[1]s in object meta: %[3]s", name, want, is))
				e.details["kind"] = k.res.kind
				return nil, e
			}
		}
	}
	if p := s.pods[k]; p != nil && !strings.Contains(string(q.body), `"gracePeriodSeconds":0`) {
		s.terminate(k, p, time.Now())
		return answerJSON(http.StatusOK, s.objects[k]), nil
	}
	s.remove(k)
	s.forget(k)
	gone := details(k.res.plural, k.res.group, k.name)
	gone["uid"] = text(old, "metadata", "uid")
	return answerJSON(http.StatusOK, object{"kind": "Status", "apiVersion": "v1", "metadata": object{}, "status": "Success", "details": gone}), nil
}

// Object returns an object as encoding/json decodes it, or nil if there is none:
// Object("Lease", "", "web").
func (s *Server) Object(kind, namespace, name string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reconcile()
	o := s.objects[key{ofKind(kind), orDefault(namespace), name}]
	if o == nil {
		return nil
	}
	return normal(o)
}

// Put creates or replaces an object, including its status, without any check, as another
// client or controller would. It panics if o lacks kind or metadata.name, or if the kind
// is not served.
func (s *Server) Put(o map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o = normal(o)
	k := key{ofKind(text(o, "kind")), orDefault(text(o, "metadata", "namespace")), text(o, "metadata", "name")}
	if k.name == "" {
		panic("kubetest: Put: the object has no metadata.name")
	}
	s.put(k, s.objects[k], o, "kubetest", "")
	s.reconcile()
}

// Edit changes an object in place, including its status, as another client or controller
// would. It panics if the object does not exist.
func (s *Server) Edit(kind, namespace, name string, change func(o map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reconcile()
	k := key{ofKind(kind), orDefault(namespace), name}
	if s.objects[k] == nil {
		panic(fmt.Sprintf("kubetest: Edit: there is no %s %q", kind, name))
	}
	o := normal(s.objects[k])
	change(o)
	s.put(k, s.objects[k], normal(o), "kubetest", "")
	s.reconcile()
}

// Delete removes an object at once. It does nothing if there is none.
func (s *Server) Delete(kind, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{ofKind(kind), orDefault(namespace), name}
	if s.objects[k] == nil {
		return
	}
	s.remove(k)
	s.forget(k)
	s.reconcile()
}

func orDefault(namespace string) string {
	if namespace == "" {
		return DefaultNamespace
	}
	return namespace
}
