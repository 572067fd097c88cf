package kubetest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

const notSubdomain = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

// microTime is the layout of a MicroTime in Kubernetes, which has exactly six digits.
const microTime = "2006-01-02T15:04:05.000000Z07:00"

const (
	invalidValue = "FieldValueInvalid"
	tooLong      = "FieldValueTooLong"
	required     = "FieldValueRequired"
)

// validate reports what is wrong with an object, which may be the result of a patch.
func validate(k key, o object, patched bool) *apiError {
	bad := func(field, reason, format string, args ...any) *apiError {
		return invalid(k.res.kind, k.res.group, k.name, field, reason, fmt.Sprintf(format, args...))
	}
	switch {
	case k.name == "":
		return bad("metadata.name", required, "Required value: name or generateName is required")
	case len(k.name) > 253:
		return bad("metadata.name", invalidValue, "Invalid value: %q: must be no more than 253 characters", k.name)
	case !subdomain.MatchString(k.name):
		return bad("metadata.name", invalidValue, "Invalid value: %q: %s", k.name, notSubdomain)
	}
	if err := illTyped(k.res, o); err != nil {
		return misread(k.res.kind, k.res.version, o, patched, err)
	}
	total := 0
	if all, ok := at(o, "metadata", "annotations").(object); ok {
		for name, v := range all {
			s, _ := v.(string)
			total += len(name) + len(s)
		}
	}
	if total > annotations {
		return bad("metadata.annotations", tooLong, "Too long: may not be more than %d bytes", annotations)
	}
	if k.res.scale {
		n := number(o, "spec", "replicas")
		if n < 0 && k.res.custom {
			return negative(k, n)
		}
		if n < 0 {
			return bad("spec.replicas", invalidValue, "Invalid value: %d: must be greater than or equal to 0", n)
		}
	}
	switch k.res.kind {
	case "Lease":
		if e := validateLease(o, bad); e != nil {
			return e
		}
	case "ConfigMap":
		if e := validateConfigMap(o, bad); e != nil {
			return e
		}
	}
	if size(o) > maxObject {
		return &apiError{http.StatusInternalServerError, "", "etcdserver: request is too large", nil}
	}
	return nil
}

func validateLease(o object, bad func(field, reason, format string, args ...any) *apiError) *apiError {
	if n, ok := at(o, "spec", "leaseDurationSeconds").(float64); ok && n <= 0 {
		return bad("spec.leaseDurationSeconds", invalidValue, "Invalid value: %v: must be greater than 0", n)
	}
	if n, ok := at(o, "spec", "leaseTransitions").(float64); ok && n < 0 {
		return bad("spec.leaseTransitions", invalidValue, "Invalid value: %v: must be greater than or equal to 0", n)
	}
	return nil
}

func validateConfigMap(o object, bad func(field, reason, format string, args ...any) *apiError) *apiError {
	total := 0
	data, _ := o["data"].(object)
	for _, v := range data {
		s, _ := v.(string)
		total += len(s)
	}
	binary, _ := o["binaryData"].(object)
	for _, v := range binary {
		s, _ := v.(string)
		total += base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(s, "=")))
	}
	if total > 1<<20 {
		return bad("[]", tooLong, "Too long: may not be more than %d bytes", 1<<20)
	}
	return nil
}

// misread returns the answer for an object, or the result of a patch, that cannot be
// read as its kind.
func misread(kind, version string, o object, patched bool, err error) *apiError {
	if !patched {
		return badRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", kind, version, kind, err))
	}
	text, _ := json.Marshal(o) // it comes from JSON
	why := fmt.Sprintf("Invalid value: %q: %v", text, err)
	return &apiError{
		http.StatusUnprocessableEntity, "Invalid", ` "" is invalid: patch: ` + why,
		map[string]any{"causes": []any{map[string]any{"reason": invalidValue, "message": why, "field": "patch"}}},
	}
}

// illTyped returns an error for a field that has the wrong type, among the fields
// that this package knows.
func illTyped(res *resource, o object) error {
	if all, ok := at(o, "metadata", "annotations").(object); ok {
		for _, v := range all {
			if _, isText := v.(string); !isText {
				return errors.New("json: cannot unmarshal number into Go struct field ObjectMeta.metadata.annotations of type string")
			}
		}
	}
	var numbers []string
	switch {
	case res.scale:
		numbers = []string{"replicas"}
	case res.kind == "Lease":
		numbers = []string{"leaseDurationSeconds", "leaseTransitions"}
		for _, field := range []string{"renewTime", "acquireTime"} {
			if s, ok := at(o, "spec", field).(string); ok {
				if _, err := time.Parse(microTime, s); err != nil {
					return err
				}
			}
		}
	case res.kind == "ConfigMap":
		binary, _ := o["binaryData"].(object)
		for _, v := range binary {
			s, _ := v.(string)
			if _, err := base64.StdEncoding.DecodeString(s); err != nil {
				return err
			}
		}
	}
	return notInt32(o, numbers...)
}

// notInt32 returns an error for a field of spec that exists and is not a 32-bit
// integer.
func notInt32(o object, fields ...string) error {
	for _, field := range fields {
		v := at(o, "spec", field)
		n, isNumber := v.(float64)
		switch {
		case v == nil:
		case !isNumber:
			return fmt.Errorf("json: cannot unmarshal string into Go struct field .spec.%s of type int32", field)
		case n != float64(int32(n)):
			return fmt.Errorf("json: cannot unmarshal number %s into Go struct field .spec.%s of type int32", strconv.FormatFloat(n, 'f', -1, 64), field)
		}
	}
	return nil
}
