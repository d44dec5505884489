package request

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/ascii"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// Call is a checked "METHOD https://…". The text is kept and not a url.URL: placeholders are filled before it is
// parsed, and a url.URL would write their braces escaped.
type Call struct {
	Method string

	location string // the URL with its placeholders
}

// eventValues check the placeholders of a URL before its values are known.
var eventValues = ValuesAt(time.Time{}, nil, map[string]string{"runId": ""})

// ParseCall checks a call, which may have the placeholders of an event's. Problems name the rule and never the value of
// a query, which may hold what the user should not have put there. CONNECT and TRACE are not for calls: one asks for a
// tunnel, the other makes the server return the token (RFC 9110 sections 9.3.6 and 9.3.8).
func ParseCall(text string) (Call, []string) {
	method, location, found := strings.Cut(text, " ")
	if !found {
		return Call{}, []string{
			"must be a method and a URL separated by one space, such as GET https://api.example.com/v1/sync",
		}
	}
	var problems jsondoc.Problems
	switch {
	case !isMethod(method):
		problems.Addf("the method must be 1 to 20 upper-case letters")
	case method == http.MethodConnect, method == http.MethodTrace:
		problems.Addf("the method must not be %s", method)
	}
	eventValues.Check(location, "", &problems)
	return Call{method, location}, append(problems, checkLocation(location)...)
}

// ParseFixedCall is ParseCall for a call without placeholders.
func ParseFixedCall(text string) (Call, []string) {
	if strings.Contains(text, "{{") {
		return Call{}, []string{"must not contain {{: placeholders are for events"}
	}
	return ParseCall(text)
}

// isMethod reports whether text is `[A-Z]{1,20}`. Methods are case-sensitive (RFC 9110 section 9.1); get is not GET.
func isMethod(text string) bool {
	return ascii.Consists(text, 1, 20, ascii.IsUpper)
}

// Replayable reports whether sending the request twice does what sending it once does (RFC 9110 section 9.2.2). A
// method that is not listed there, such as PROPFIND, is not assumed to be.
func (c Call) Replayable() bool {
	switch c.Method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return true
	default:
		return false
	}
}

// Host returns the host, with its port if the URL has one.
func (c Call) Host() string {
	_, rest, _ := strings.Cut(c.location, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		return rest
	}
	return rest[:end]
}

// URL returns where the call goes, regardless of its placeholders' values. It is for checks of the host, which cannot
// have placeholders.
func (c Call) URL() *url.URL {
	u, err := parseLocation(c.location, eventValues)
	if err != nil {
		return &url.URL{} // no host that a token is bound to
	}
	return u
}

// Fill returns the request with the placeholders of its URL filled. The error shows nothing of the URL. header and body
// become parts of the result and are not copied.
func (c Call) Fill(v Values, header http.Header, body []byte) (Request, error) {
	u, err := parseLocation(c.location, v)
	if err != nil {
		return Request{}, err
	}
	if header == nil {
		header = http.Header{}
	}
	return Request{Method: c.Method, URL: u, Header: header, Body: body}, nil
}
