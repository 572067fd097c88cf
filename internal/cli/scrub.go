package cli

import (
	"io"
	"regexp"
)

// A scrubber leaves the userinfo and the query of URLs out of what is written: a flag or a
// file's name that is really a URL may hold a password. Each Write must have whole URLs.
type scrubber struct{ w io.Writer }

var (
	userinfo = regexp.MustCompile(`(\b[A-Za-z][A-Za-z0-9+.-]*:/{1,2})[^\s"']*@`) // to the last @: a password may have one, and a slash
	query    = regexp.MustCompile(`(\b[A-Za-z][A-Za-z0-9+.-]*:/{1,2}[^\s"'?]*\?)[^\s"']+`)
)

func (s scrubber) Write(p []byte) (int, error) {
	clean := userinfo.ReplaceAll(p, []byte("${1}…@"))
	clean = query.ReplaceAll(clean, []byte("${1}…"))
	if _, err := s.w.Write(clean); err != nil {
		return 0, err
	}
	return len(p), nil
}
