package request

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cronbearer/cronbearer/internal/hosts"
)

// checkLocation reports everything that is wrong with a URL, and shows nothing of it. It takes the text apart itself,
// as url.Parse accepts more than one reading: what it makes of a host must be what the binding of the token is compared
// with. Only the path's percent-encoding is checked: url.Parse leaves a query as it is.
func checkLocation(text string) (problems []string) {
	bad := func(text string) { problems = append(problems, text) }
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		bad("the URL must not contain spaces or control bytes: percent-encode them")
	}
	if strings.Contains(text, "#") {
		bad("the URL must not contain a fragment")
	}
	scheme, rest, found := strings.Cut(text, "://")
	if !found || !strings.EqualFold(scheme, "https") {
		bad("the URL must begin with https://")
	}
	if !found {
		return problems
	}
	authority, path := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, path = rest[:end], rest[end:]
	}
	if strings.Contains(authority, "{{") {
		bad("placeholders are allowed in the URL's path and query, not in its host")
		return problems
	}
	if user := strings.LastIndex(authority, "@"); user >= 0 {
		bad("the URL must not contain user info: the token is the only credential")
		authority = authority[user+1:]
	}
	name, port, hasPort := strings.Cut(authority, ":")
	if strings.HasPrefix(authority, "[") {
		bad("an IP address is not allowed: write a host name")
	} else if err := hosts.CheckName(name); err != nil {
		bad(err.Error())
	} else if err := hosts.CheckPort(port); hasPort && err != nil {
		bad(err.Error())
	}
	path, _, _ = strings.Cut(path, "?")
	if _, err := url.PathUnescape(path); err != nil {
		bad("the URL has a bad percent-encoding") // the error's own text shows it
	}
	return problems
}

// parseLocation fills the placeholders of a checked URL. The host is normalized, so that Api.Example.com. is the host
// that the token is bound to and that TLS verifies.
func parseLocation(text string, v Values) (*url.URL, error) {
	u, err := url.Parse(percentEncodeNonASCII(v.location(text)))
	if err != nil {
		return nil, errors.New("the URL cannot be read") // the error's own text shows it
	}
	name, port := u.Hostname(), u.Port()
	u.Host = hosts.Normalize(name)
	if port != "" {
		u.Host += ":" + port
	}
	return u, nil
}

// percentEncodeNonASCII encodes UTF-8 as RFC 3987 section 3.1 does for paths and queries. A host cannot have such
// bytes.
func percentEncodeNonASCII(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return text
	}
	var out strings.Builder
	for _, c := range []byte(text) {
		if c < utf8.RuneSelf {
			out.WriteByte(c)
		} else {
			out.WriteString("%" + strings.ToUpper(strconv.FormatInt(int64(c), 16)))
		}
	}
	return out.String()
}
