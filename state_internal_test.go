package autoscale

import (
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// notSaved are the fields of the state that the next leader does not get, and why.
var notSaved = map[string]string{
	"leading":          "belongs to the process",
	"term":             "belongs to the process",
	"counters":         "count since the process started",
	"warming":          "the Prober of each process warms up by itself",
	"samples.offered":  "belongs to a tick that is not over",
	"samples.window":   "follows from the Config",
	"samples.number":   "follows from the Config",
	"recent.next":      "where a full ring is overwritten next: a restored ring begins at 0",
	"Sample.Breakdown": "has been used up when the sample is kept",
	"Sample.Processes": "has been used up when the sample is kept",
	"Event.Sample":     "a sample is too long to be saved with each event",
	"Event.Name":       "follows from the Config",
	"adjustments":      "a buffer",
}

// TestStateIsSaved fills every field of the state, saves it, restores it, and looks at
// which fields are lost. A new field is either saved or named above.
func TestStateIsSaved(t *testing.T) {
	now := time.Now()
	var s state
	fill(reflect.ValueOf(&s).Elem(), now.Add(-time.Hour), new(int))
	s.recent.next = 0
	data, err := s.encode(now)
	if err != nil {
		t.Fatal(err)
	}
	// The next leader reads it two minutes later, and its clock is an hour behind.
	const behind = -time.Hour
	restored, err := decode(Record{State: data, Age: 2 * time.Minute, Read: now.Add(2*time.Minute + behind)}, "web")
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	compareFields(t, "", reflect.ValueOf(&s).Elem(), reflect.ValueOf(restored).Elem(), behind, used)
	for name := range notSaved {
		if !used[name] {
			t.Errorf("%s is named as not saved, and it is saved, or is gone", name)
		}
	}
}

// fill sets every field to something that is not zero.
func fill(v reflect.Value, at time.Time, n *int) {
	*n++
	v = open(v)
	switch {
	case v.Type().Name() == "past": // its codec is that of the limits, and is tested there
		return
	case v.Type() == timeType:
		v.Set(reflect.ValueOf(at.Add(time.Duration(*n) * time.Second)))
		return
	case v.Type() == reflect.TypeFor[error]():
		v.Set(reflect.ValueOf(fmt.Errorf("error %d", *n)))
		return
	case v.Type() == reflect.TypeFor[fmt.Stringer]():
		v.Set(reflect.ValueOf(ReasonText(fmt.Sprintf("reason %d", *n))))
		return
	case v.Type() == reflect.TypeFor[EventKind]():
		v.SetUint(uint64(Scaled))
		return
	case v.Type() == reflect.TypeFor[Signals]():
		v.SetUint(1<<len(signalNames) - 1)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8, reflect.Uint64, reflect.Uint16, reflect.Uint32:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(float64(*n))
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *n))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), at, n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), at, n)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), at, n)
		}
	default:
		panic("fill: " + v.Type().String())
	}
}

// compareFields reports every field that differs and is not named in notSaved.
func compareFields(t *testing.T, path string, a, b reflect.Value, moved time.Duration, used map[string]bool) {
	t.Helper()
	for name := range notSaved {
		if path == name || strings.HasSuffix(path, "."+name) {
			used[name] = true
			return
		}
	}
	a, b = open(a), open(b)
	switch {
	case a.Type() == timeType:
		at, bt := a.Interface().(time.Time), b.Interface().(time.Time)
		want := at.Add(moved)
		if strings.HasPrefix(path, "kept.Capacity.") { // by the platform's clock
			want = at
		}
		if !want.Equal(bt) {
			t.Errorf("%s is %v after a restore, want %v", path, bt, want)
		}
		return
	case a.Type() == reflect.TypeFor[error](), a.Type() == reflect.TypeFor[fmt.Stringer]():
		if as, bs := fmt.Sprint(a.Interface()), fmt.Sprint(b.Interface()); as != bs {
			t.Errorf("%s is %q after a restore, want %q", path, bs, as)
		}
		return
	}
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			name := a.Type().Field(i).Name
			if name := a.Type().Name() + "." + name; notSaved[name] != "" {
				used[name] = true
				continue
			}
			compareFields(t, strings.TrimPrefix(path+"."+name, "."), a.Field(i), b.Field(i), moved, used)
		}
	case reflect.Slice:
		if a.Len() != b.Len() {
			t.Errorf("%s has %d elements after a restore, want %d", path, b.Len(), a.Len())
			return
		}
		for i := range a.Len() {
			compareFields(t, path, a.Index(i), b.Index(i), moved, used)
		}
	default:
		if as, bs := fmt.Sprint(a.Interface()), fmt.Sprint(b.Interface()); as != bs {
			t.Errorf("%s is %s after a restore, want %s", path, bs, as)
		}
	}
}

// open returns v without the mark of an unexported field.
func open(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
}

// TestMachineImports keeps the machine without I/O, clocks and goroutines.
func TestMachineImports(t *testing.T) {
	forbidden := []string{"context", "sync", "sync/atomic", "log/slog", "os", "net", "net/http"}
	files, _ := filepath.Glob("machine*.go")
	state, _ := filepath.Glob("state*.go")
	files = append(append(files, state...), "samples.go", "condition.go", "serving.go", "command.go")
	looked := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		looked++
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if path := strings.Trim(i.Path.Value, `"`); slices.Contains(forbidden, path) {
				t.Errorf("%s imports %s: the machine does no I/O", file, path)
			}
		}
	}
	if looked < 8 {
		t.Errorf("looked at %d files", looked)
	}
}
