package swarm_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// sameBut reports whether what was sent is the Spec of an answer, but for the number of
// replicas. Numbers are compared as they are written.
func sameBut(t *testing.T, answer, sent string) bool {
	t.Helper()
	read := func(text string) (v fields) {
		d := json.NewDecoder(bytes.NewReader([]byte(text)))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	a, _ := read(answer)["Spec"].(fields)
	b := read(sent)
	for _, spec := range []fields{a, b} {
		mode, _ := spec["Mode"].(fields)
		replicated, _ := mode["Replicated"].(fields)
		delete(replicated, "Replicas")
	}
	return reflect.DeepEqual(a, b)
}
