package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"

	"github.com/autoscalebot/autoscale/leader"
)

// seal writes the term of c into the ConfigMap of the state, after which no earlier term can
// save. It returns false if a later term was quicker.
func (l *lease) seal(ctx context.Context, c leader.Claim) (bool, error) {
	annotations := map[string]string{nameAnnotation: c.Name, holderAnnotation: c.Holder, termAnnotation: strconv.FormatInt(c.Term, 10)}
	for range rounds {
		if l.record.term > c.Term {
			return false, nil
		}
		patch := configMap{Metadata: objectMeta{ResourceVersion: l.record.resourceVersion, Annotations: annotations}}
		done, err := l.writeRecord(ctx, c.Name, "begin a term", patch)
		if err != nil || done {
			return done, err
		}
		if err := l.readRecord(ctx, c.Name); err != nil {
			return false, err
		}
	}
	return false, fmt.Errorf("begin a term in the ConfigMap %q: others changed it %d times meanwhile", objectName(c.Name), rounds)
}

func (l *lease) Save(ctx context.Context, c leader.Claim, state []byte, version int64) (bool, error) {
	for range rounds {
		if l.record == nil {
			if err := l.readRecord(ctx, c.Name); err != nil {
				return false, err
			}
		}
		switch r := l.record; {
		case r.term > c.Term, r.version > version:
			return false, nil
		case r.term != c.Term || r.holder != c.Holder:
			// Somebody deleted the ConfigMap, or brought an old one back.
			if o, err := l.get(ctx, c.Name); err != nil || o == nil || o.holder() != c.Holder || o.term() != c.Term {
				return false, err
			}
		}
		done, err := l.writeRecord(ctx, c.Name, "save the state", configMap{
			Metadata: objectMeta{ResourceVersion: l.record.resourceVersion, Annotations: map[string]string{
				nameAnnotation: c.Name, holderAnnotation: c.Holder, termAnnotation: strconv.FormatInt(c.Term, 10),
				versionAnnotation: strconv.FormatInt(version, 10), savedAnnotation: strconv.FormatInt(l.clock.now().UnixMilli(), 10),
			}},
			BinaryData: map[string][]byte{stateKey: state},
		})
		if err != nil || done {
			return done, err
		}
		l.record = nil
	}
	return false, fmt.Errorf("save the state in the ConfigMap %q: others changed it %d times meanwhile", objectName(c.Name), rounds)
}

// readRecord reads the ConfigMap of the state.
func (l *lease) readRecord(ctx context.Context, name string) error {
	o, err := l.getConfigMap(ctx, name, "read the state")
	if err != nil {
		return err
	}
	l.record = &record{}
	if o != nil {
		l.record, err = o.record(name)
	}
	return err
}

// writeRecord creates or patches the ConfigMap of the state. It returns false if that is not
// as it was read.
func (l *lease) writeRecord(ctx context.Context, name, op string, patch configMap) (bool, error) {
	l.record = nil // until the outcome is known
	o, err := l.writeConfigMap(ctx, name, op, patch, patch.Metadata.ResourceVersion == "")
	if err != nil || o == nil {
		return false, err
	}
	l.record, err = o.record(name)
	return err == nil, err
}

// readHistory reads the ConfigMap of a history. name is that of its row.
func (l *lease) readHistory(ctx context.Context, name string) (leader.Row, error) {
	o, err := l.getConfigMap(ctx, name, "read the history")
	if err != nil || o == nil {
		return leader.Row{}, err
	}
	if _, err := o.record(name); err != nil {
		return leader.Row{}, err
	}
	history, ok := o.BinaryData[historyKey]
	if !ok {
		return leader.Row{}, nil
	}
	return leader.Row{Command: append([]byte{}, history...)}, nil
}

// saveHistory replaces a history, whoever saved the last one.
func (l *lease) saveHistory(ctx context.Context, name string, history []byte) error {
	patch := configMap{
		Metadata:   objectMeta{Annotations: map[string]string{nameAnnotation: name}},
		BinaryData: map[string][]byte{historyKey: history},
	}
	for range rounds {
		for _, create := range []bool{false, true} {
			if o, err := l.writeConfigMap(ctx, name, "save the history", patch, create); err != nil || o != nil {
				return err
			}
		}
	}
	return fmt.Errorf("save the history in the ConfigMap %q: it was deleted and made again %d times meanwhile", objectName(name), rounds)
}

// getConfigMap returns the ConfigMap, or nil if there is none.
func (l *lease) getConfigMap(ctx context.Context, name, op string) (*configMap, error) {
	var o configMap
	err := l.do(ctx, call{op: op, api: "v1", resource: "configmaps", name: objectName(name), once: true}, nil, &o)
	if statusOf(err) == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &o, o.Metadata.complete(name)
}

// writeConfigMap creates or patches the ConfigMap. It returns nil if that is not as it was
// read.
func (l *lease) writeConfigMap(ctx context.Context, name, op string, in configMap, create bool) (*configMap, error) {
	k := call{op: op, method: http.MethodPatch, api: "v1", resource: "configmaps", name: objectName(name), contentType: mergePatch}
	if create {
		k.method, k.name, k.contentType = http.MethodPost, "", ""
		in.APIVersion, in.Kind, in.Metadata.Name, in.Metadata.Labels = "v1", "ConfigMap", objectName(name), ours()
		in.Metadata.Annotations = maps.Clone(in.Metadata.Annotations)
	}
	var o configMap
	switch err := l.do(ctx, k, in, &o); {
	case overtaken(k, err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &o, o.Metadata.complete(name)
}
