package email

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/autoscalebot/autoscale/notify/internal/plain"
)

// security is how a connection is encrypted.
type security uint8

const (
	startTLS    security = iota // asked for after the greeting, and required
	implicitTLS                 // from the first byte
	noTLS
)

// shortestSecret is how long a password must be for texts to be searched for it. A shorter
// one would be found by chance.
const shortestSecret = 4

// server is a Config's URL, parsed.
type server struct {
	host           string
	port           int
	security       security
	user, password string
	login          bool // whether user and password are given
}

// addr returns the host and the port, which are not secret.
func (s server) addr() string {
	if s.host == "" {
		return "?"
	}
	return net.JoinHostPort(s.host, strconv.Itoa(s.port))
}

// parseServer never quotes text in an error. If a password has special characters that are
// not encoded, a part of it parses as something else.
func parseServer(text string) (server, error) {
	const form = "write it as smtp://user:password@smtp.example.com:587, or smtps:// for TLS from the start, with special characters in the user and the password percent-encoded (@ is %40, / is %2F, # is %23)"
	if text == "" {
		return server{}, errors.New("email.Config.URL is empty: " + form)
	}
	bad := func(what string) (server, error) {
		return server{}, errors.New("email.Config.URL " + what + ": " + form)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return bad("does not parse as a URL")
	case u.Scheme != "smtp" && u.Scheme != "smtps":
		return bad("must begin with smtp:// or smtps://")
	case u.Hostname() == "" || strings.ContainsFunc(u.Hostname(), func(r rune) bool { return r <= ' ' || r > '~' }):
		return bad("names no host")
	case u.Path != "" && u.Path != "/" || strings.Contains(text, "#"):
		return bad("has something after the host")
	}
	s := server{host: u.Hostname(), port: 587, user: u.User.Username()}
	s.password, _ = u.User.Password()
	s.login = s.user != "" || s.password != ""
	switch {
	case u.Scheme == "smtps":
		s.security, s.port = implicitTLS, 465
	case plain.Loopback(s.host):
		s.security = noTLS
	}
	if port := u.Port(); port != "" {
		if s.port, err = strconv.Atoi(port); err != nil || s.port < 1 || s.port > 65535 {
			return bad("has a port that is not within 1 to 65535")
		}
	}
	query, err := url.ParseQuery(u.RawQuery)
	mode := query.Get("tls")
	switch {
	case err != nil || len(query) > 1 || len(query) == 1 && len(query["tls"]) != 1:
		return bad("has a query other than ?tls=required or ?tls=off")
	case len(query) == 0:
	case mode == "required" && s.security != implicitTLS:
		s.security = startTLS
	case mode == "required":
	case mode == "off" && s.security != implicitTLS:
		s.security = noTLS
	default:
		return bad("has a query other than ?tls=required or, with smtp://, ?tls=off")
	}
	return s, nil
}

// clean returns a server's text on one line. It withholds the text if that repeats the
// password, or the command that contained it.
func (s server) clean(text string) string {
	for _, secret := range s.secrets() {
		if strings.Contains(text, secret) {
			return "what it said is withheld because it repeats the password"
		}
	}
	return plain.Line(text, 300)
}

// secrets returns the forms in which a password is sent.
func (s server) secrets() []string {
	if len(s.password) < shortestSecret {
		return nil
	}
	encode := base64.StdEncoding.EncodeToString
	return []string{
		s.password, url.QueryEscape(s.password), encode([]byte(s.password)),
		encode(fmt.Appendf(nil, "\x00%s\x00%s", s.user, s.password)),
	}
}
