package kubetest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"time"
)

var subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

const notSubdomain = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

// microTime is how Kubernetes writes and reads a MicroTime: with six digits, neither more nor
// fewer.
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
	total := 0
	if all, ok := at(o, "metadata", "annotations").(object); ok {
		for name, v := range all {
			s, isText := v.(string)
			if !isText {
				return badRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: json: cannot unmarshal into Go struct field ObjectMeta.metadata.annotations of type string", k.res.kind, k.res.version, k.res.kind))
			}
			total += len(name) + len(s)
		}
	}
	if total > annotations {
		return bad("metadata.annotations", tooLong, "Too long: may not be more than %d bytes", annotations)
	}
	if k.res.scale {
		if n := number(o, "spec", "replicas"); n < 0 {
			return bad("spec.replicas", invalidValue, "Invalid value: %d: must be greater than or equal to 0", n)
		}
	}
	switch k.res.kind {
	case "Lease":
		if e := validateLease(o, patched, bad); e != nil {
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

func validateLease(o object, patched bool, bad func(field, reason, format string, args ...any) *apiError) *apiError {
	if n, ok := at(o, "spec", "leaseDurationSeconds").(float64); ok && n <= 0 {
		return bad("spec.leaseDurationSeconds", invalidValue, "Invalid value: %v: must be greater than 0", n)
	}
	if n, ok := at(o, "spec", "leaseTransitions").(float64); ok && n < 0 {
		return bad("spec.leaseTransitions", invalidValue, "Invalid value: %v: must be greater than or equal to 0", n)
	}
	for _, field := range []string{"renewTime", "acquireTime"} {
		if s, ok := at(o, "spec", field).(string); ok {
			_, err := time.Parse(microTime, s)
			if err == nil {
				continue
			}
			if !patched {
				return badRequest(fmt.Sprintf("Lease in version \"v1\" cannot be handled as a Lease: %v", err))
			}
			e := invalid("", "", "", "patch", invalidValue, fmt.Sprintf("Invalid value: %q: %v", text(o, "metadata", "name"), err))
			e.details = map[string]any{"causes": e.details["causes"]}
			return e
		}
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
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return badRequest("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: illegal base64 data")
		}
		total += len(b)
	}
	if total > 1<<20 {
		return bad("[]", tooLong, "Too long: may not be more than %d bytes", 1<<20)
	}
	return nil
}
