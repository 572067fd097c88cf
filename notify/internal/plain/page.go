package plain

import (
	"errors"
	"fmt"
	"net/url"
)

// maxPage is the most characters of the URL of the status page. Discord takes 2,048
// characters, and Slack 3,000 in a text.
const maxPage = 1000

// CheckPage reports what is wrong with the URL of the status page in the named field.
// readers says who can read the URL. Empty: there is no page. The error never repeats the
// URL.
func CheckPage(field, readers, page string) error {
	if page == "" {
		return nil
	}
	u, err := url.Parse(page)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return errors.New(field + " is not a URL: it must begin with https:// or http:// and a host")
	case u.User != nil:
		return errors.New(field + " has a user or a password, which " + readers + " could read: remove it")
	case len(page) > maxPage:
		return fmt.Errorf("%s has %d characters: it may have %d", field, len(page), maxPage)
	}
	return nil
}
