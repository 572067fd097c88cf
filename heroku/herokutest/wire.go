package herokutest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// The objects of the API, with the properties of its published schema.

type wireRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type wireOwner struct {
	Email string `json:"email"`
	ID    string `json:"id"`
}

type wireApp struct {
	ACM             bool      `json:"acm"`
	ArchivedAt      *wireTime `json:"archived_at"`
	BuildStack      wireRef   `json:"build_stack"`
	BuildpackDesc   *string   `json:"buildpack_provided_description"`
	CreatedAt       wireTime  `json:"created_at"`
	GitURL          string    `json:"git_url"`
	ID              string    `json:"id"`
	InternalRouting *bool     `json:"internal_routing"`
	Maintenance     bool      `json:"maintenance"`
	Name            string    `json:"name"`
	Organization    *wireRef  `json:"organization"`
	Owner           wireOwner `json:"owner"`
	Region          wireRef   `json:"region"`
	ReleasedAt      *wireTime `json:"released_at"`
	RepoSize        *int      `json:"repo_size"`
	SlugSize        *int      `json:"slug_size"`
	Space           *wireRef  `json:"space"`
	Stack           wireRef   `json:"stack"`
	Team            *wireRef  `json:"team"`
	UpdatedAt       wireTime  `json:"updated_at"`
	WebURL          string    `json:"web_url"`
}

type wireFormation struct {
	App       wireRef  `json:"app"`
	Command   string   `json:"command"`
	CreatedAt wireTime `json:"created_at"`
	ID        string   `json:"id"`
	Quantity  int      `json:"quantity"`
	Size      string   `json:"size"`
	Type      string   `json:"type"`
	UpdatedAt wireTime `json:"updated_at"`
}

type wireRelease struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
}

type wireDyno struct {
	App       wireRef     `json:"app"`
	AttachURL *string     `json:"attach_url"`
	Command   string      `json:"command"`
	CreatedAt wireTime    `json:"created_at"`
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Release   wireRelease `json:"release"`
	Size      string      `json:"size"`
	State     DynoState   `json:"state"`
	Type      string      `json:"type"`
	UpdatedAt wireTime    `json:"updated_at"`
}

type wireAccount struct {
	AllowTracking       bool      `json:"allow_tracking"`
	Beta                bool      `json:"beta"`
	CountryOfResidence  *string   `json:"country_of_residence"`
	CreatedAt           wireTime  `json:"created_at"`
	DefaultOrganization *wireRef  `json:"default_organization"`
	DefaultTeam         *wireRef  `json:"default_team"`
	DelinquentAt        *wireTime `json:"delinquent_at"`
	Email               string    `json:"email"`
	Federated           bool      `json:"federated"`
	ID                  string    `json:"id"`
	IdentityProvider    *wireRef  `json:"identity_provider"`
	LastLogin           *wireTime `json:"last_login"`
	Name                *string   `json:"name"`
	SMSNumber           *string   `json:"sms_number"`
	SuspendedAt         *wireTime `json:"suspended_at"`
	TwoFactor           bool      `json:"two_factor_authentication"`
	UpdatedAt           wireTime  `json:"updated_at"`
	Verified            bool      `json:"verified"`
}

func newAccount(now time.Time) wireAccount {
	return wireAccount{
		CreatedAt: wireTime{now},
		Email:     "owner@example.com",
		ID:        newUUID(),
		UpdatedAt: wireTime{now},
		Verified:  true,
	}
}

type wireRateLimit struct {
	Remaining int `json:"remaining"`
}

// A wireError is an error of the API. Limit and Size come with cannot_run_above_limit.
type wireError struct {
	status   int
	Limit    int    `json:"limit,omitempty"`
	Size     int    `json:"size,omitempty"`
	Resource string `json:"resource,omitempty"`
	ID       string `json:"id"`
	Message  string `json:"message,omitempty"`
	Error    string `json:"error,omitempty"`
	URL      string `json:"url,omitempty"`
}

// A wireTime is a time as the API sends it, in UTC and whole seconds.
type wireTime struct{ time.Time }

func (t wireTime) MarshalJSON() ([]byte, error) {
	return t.UTC().AppendFormat(nil, `"`+time.RFC3339+`"`), nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("herokutest: encoding %T: %v", v, err)) // our own types can always be encoded
	}
}

func writeError(w http.ResponseWriter, e *wireError) { writeJSON(w, e.status, e) }

// etag returns the entity tag of a body.
func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

var requestID = regexp.MustCompile(`^[\w-]{20,128}$`)

// responseID returns the Request-Id of a response: the server's own id, and then
// those that the client sent.
func responseID(own string, h http.Header) string {
	ids := []string{own}
	for id := range strings.SplitSeq(h.Get("Request-Id"), ",") {
		if id = strings.TrimSpace(id); requestID.MatchString(id) {
			ids = append(ids, id)
		}
	}
	return strings.Join(ids, ",")
}

// newUUID returns a random UUID.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
