package request_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/request"
)

const known = "; known are {{scheduledTime}}, {{scheduledDate}}, {{localTime}}, {{localDate}}, {{runId}}, the times " +
	"also with whole days or hours, such as {{scheduledDate-1d}}"

func TestParseCall(t *testing.T) {
	t.Parallel()
	const (
		address  = "an IP address is not allowed: write a host name"
		scheme   = "the URL must begin with https://"
		user     = "the URL must not contain user info: the token is the only credential"
		fragment = "the URL must not contain a fragment"
		control  = "the URL must not contain spaces or control bytes: percent-encode them"
		method   = "the method must be 1 to 20 upper-case letters"
		port     = "the port must be a number from 1 to 65535"
		letters  = "a host name has only letters, digits, hyphens and dots"
		missing  = "the host name is missing"
		shape    = "must be a method and a URL separated by one space, such as GET https://api.example.com/v1/sync"
		inHost   = "placeholders are allowed in the URL's path and query, not in its host"
		percent  = "the URL has a bad percent-encoding"
	)
	for text, want := range map[string][]string{
		"GET https://a.example":                                               nil,
		"GET https://a.example?x":                                             nil,
		"MKCALENDARMKCALENDAR https://a.example/":                             nil,
		"GET HTTPS://A.Example.:8443/p%20q/é?x=%zz&y=100%&{}":                 nil,
		"GET https://a.example/{{scheduledTime}}/{{runId}}?{{scheduledDate}}": nil,
		"GET https://a.example//evil.example/..;/@:/":                         nil,
		"GET https://a.example/?u=https://b.example":                          nil,

		"":                       {shape},
		"GET":                    {shape},
		"https://a.example":      {shape},
		"GET\thttps://a.example": {shape},
		"get https://a.example":  {method},
		"G3T https://a.example":  {method},
		" https://a.example":     {method},
		"ABCDEFGHIJKLMNOPQRSTU https://a.example": {method},
		"CONNECT https://a.example":               {"the method must not be CONNECT"},
		"TRACE https://a.example":                 {"the method must not be TRACE"},
		"GET  https://a.example":                  {control, scheme},
		"GET https://a.example/a b":               {control},
		"GET https://a.example/\x00":              {control},
		"GET https://a.example/\x7f":              {control},
		"GET https://a.example/\r\nX: y":          {control},
		"GET ":                                    {scheme},
		"GET http://a.example":                    {scheme},
		"GET a.example/x":                         {scheme},
		"GET HTTPS":                               {scheme},
		"GET //a.example/x":                       {scheme},
		"GET https:/a.example/x":                  {scheme},
		"GET ftp://a.example":                     {scheme},
		"GET xhttps://a.example":                  {scheme},
		"GET https://":                            {missing},
		"GET https:///x":                          {missing},
		"GET https://:443/x":                      {missing},
		"GET https://?x":                          {missing},
		"GET https://user@a.example":              {user},
		"GET https://user:word@a.example/":        {user},
		"GET https://@a.example":                  {user},
		"GET https://a.example@127.0.0.1":         {user, address},
		"GET https://a.example:443@b@c.example":   {user},
		"GET https://a.example#x":                 {fragment},
		"GET https://a.example/#":                 {fragment},
		"GET https://a.example/?a#b":              {fragment},
		"GET https://127.0.0.1":                   {address},
		"GET https://127.1":                       {address},
		"GET https://0x7f000001/":                 {address},
		"GET https://0X7F.1/":                     {address},
		"GET https://2130706433/":                 {address},
		"GET https://0177.0.0.1/":                 {address},
		"GET https://127.0.0.1./":                 {address},
		"GET https://169.254.169.254/latest":      {address},
		"GET https://[::1]":                       {address},
		"GET https://[::1]:443/":                  {address},
		"GET https://[::ffff:127.0.0.1%25lo]/":    {address},
		"GET https://[fd00:ec2::254]/":            {address},
		"GET https://a.example:":                  {port},
		"GET https://a.example:0/":                {port},
		"GET https://a.example:65536/":            {port},
		"GET https://a.example:http/":             {port},
		"GET https://a.example:443:443/":          {port},
		"GET https://a.example\\b.example/":       {letters},
		"GET https://a.example\\@b.example/":      {user},
		"GET https://a%2eexample/":                {letters},
		"GET https://*.example/":                  {letters},
		"GET https://ä.example/":                  {"the host name must be ASCII: write its punycode form (xn--…)"},
		"GET https://a..example/":                 {"each label of the host name must have 1 to 63 characters"},
		"GET https://a.example/%":                 {percent},
		"GET https://a.example/%4{{runId}}":       {percent},
		"GET https://{{runId}}.example/":          {inHost},
		"GET https://a.example:{{runId}}/":        {inHost},
		"GET https://{{host}}/":                   {"unknown placeholder {{host}}" + known, inHost},
		"TRACE http://u@[::1]/{{x}}#": {"the method must not be TRACE", "unknown placeholder {{x}}" +
			known, fragment, scheme, user, address},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			_, problems := request.ParseCall(text)
			if diff := cmp.Diff(want, problems); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseCallNeverShowsTheURL(t *testing.T) {
	t.Parallel()
	const secret = "kq3Zv8Xw1"
	for _, text := range []string{
		"GET https://a.example/?key=" + secret + "{{", "GET https://a.example/?{{&key=" + secret + "}}",
		"GET https://" + secret + "@127.1/", "GET http://a/" + secret,
		secret, "GET https://a.example/%" + secret, secret + " https://a.example", "GET https://a.example/#" + secret,
		"GET https://a.example:" + secret, "GET https://a.example/\x01" + secret,
		"GET https://" + secret + ".1/",
	} {
		_, problems := request.ParseCall(text)
		if len(problems) == 0 || strings.Contains(strings.Join(problems, " "), secret) {
			t.Errorf("%q: %q", text, problems)
		}
	}
	if _, problems := request.ParseFixedCall("GET https://a.example/?{{" + secret + "}}"); len(problems) != 1 ||
		strings.Contains(problems[0], secret) {
		t.Errorf("a secret's call: %q", problems)
	}
}

// Property: a call that passes makes a request, over TLS, for a host name that the check saw, with nothing in it that
// ends a request line.
func FuzzParseCall(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, seed := range []string{
		"GET https://api.example.com/v1?for={{scheduledDate}}", "POST HTTPS://A.example.:0443/%41/é?%",
		"GET https://u@[::1]:1/#", "GET https://127.1/{{", "PUT https://a.example\\b/", "GET HTTPS",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fixed, problems := request.ParseFixedCall(text)
		_, more := request.ParseCall(text)
		_, location, _ := strings.Cut(text, " ")
		if len(more) > 0 {
			if len(problems) == 0 {
				t.Fatalf("a secret's call may be %q: %q", text, more)
			}
			return
		}
		if len(problems) == 0 {
			if _, err := fixed.Fill(request.Values{}, nil, nil); err != nil {
				t.Fatalf("%q passes and makes no request: %v", text, err)
			}
		}
		j, err := job.Parse([]byte(`{"job":"J","token":"T","secret":"s","call":`+
			string(jsondoc.AppendString(nil, strings.ToValidUTF8(text, "?")))+`}`), job.Options{})
		if err != nil {
			t.Fatalf("%q passes, but not in an event: %v", text, err)
		}
		r, err := j.Request("id", time.Unix(0, 0), "")
		if err != nil {
			t.Fatalf("%q passes and makes no request: %v", text, err)
		}
		line := r.URL.RequestURI()
		if r.URL.Scheme != "https" || r.URL.User != nil || r.URL.Fragment != "" || r.URL.Hostname() == "" ||
			strings.ContainsFunc(line, func(c rune) bool {
				return c <= ' ' || c >= 0x7f
			}) {
			t.Fatalf("%q became %q", location, r.URL)
		}
		if host := r.URL.Host; !strings.HasPrefix(
			strings.ToLower(location[len("https://"):]), strings.ToLower(r.URL.Hostname()),
		) || strings.ContainsAny(host, "@[]\\%/?#") {
			t.Fatalf("%q became host %q", location, host)
		}
	})
}

func TestFixedCall(t *testing.T) {
	t.Parallel()
	call, problems := request.ParseFixedCall("POST https://A.example/v1/rotate?x=%7B")
	if problems != nil {
		t.Fatal(problems)
	}
	r, err := call.Fill(request.Values{}, http.Header{"X": {"y"}}, []byte("body"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != http.MethodPost || r.URL.String() != "https://a.example/v1/rotate?x=%7B" ||
		string(r.Body) != "body" || r.Header.Get("X") != "y" {
		t.Errorf("%+v", r)
	}
	if r, err := call.Fill(request.Values{}, nil, nil); err != nil || r.Header == nil || r.Body != nil {
		t.Errorf("%+v, %v", r, err)
	}
	if call.Host() != "A.example" || call.Replayable() {
		t.Errorf("host %s, replayable %t", call.Host(), call.Replayable())
	}
	for _, bad := range []string{
		"", "GET", "GET http://a.example", "GET https://a.example/{{runId}}", "GET https://a.example/{{",
		"TRACE https://a.example",
	} {
		if _, problems := request.ParseFixedCall(bad); len(problems) == 0 {
			t.Errorf("%q passes", bad)
		}
	}
}

func TestDefaultRules(t *testing.T) {
	t.Parallel()
	rules, none := request.DefaultRules(), jsondoc.Document{}
	if rules.NeedsBody() || rules.Unmet(204, "", none) != "" || rules.Unmet(302, "", none) == "" ||
		rules.RejectsStatus(403) {
		t.Errorf("%+v", rules)
	}
}
