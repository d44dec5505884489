package importer

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
)

// A header of a request, in the order of the source.
type header struct{ name, value string }

// A request is a call as its source describes it. Its texts may have marks.
type request struct {
	line    int
	method  string
	url     string
	headers []header
	body    *string
	// contentType is what the source's client sends with the body by default.
	contentType string
	bearer      string
	timeout     int // seconds
	attempts    int
	// literal is set if the URL's brackets and braces are its own.
	literal bool
	notes   []string
}

func (r *request) note(text string) { r.notes = append(r.notes, text) }

// An option of curl. One without effect and reason changes nothing that matters here.
type option struct {
	long   string
	short  byte
	valued bool
	reason string
}

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// options is curl's table as far as it is known here; any other option keeps a line from being taken over.
var options = []option{
	{long: "request", short: 'X', valued: true},
	{long: "header", short: 'H', valued: true},
	{long: "data", short: 'd', valued: true},
	{long: "data-ascii", valued: true},
	{long: "data-raw", valued: true},
	{long: "data-binary", valued: true},
	{long: "data-urlencode", valued: true},
	{long: "url-query", valued: true},
	{long: "json", valued: true},
	{long: "get", short: 'G'},
	{long: "head", short: 'I'},
	{long: "url", valued: true},
	{long: "user-agent", short: 'A', valued: true},
	{long: "referer", short: 'e', valued: true},
	{long: "max-time", short: 'm', valued: true},
	{long: "retry", valued: true},
	{long: "oauth2-bearer", valued: true},
	{long: "globoff", short: 'g'},
	{long: "output", short: 'o', valued: true},
	{long: "cacert", valued: true},

	{long: "silent", short: 's'},
	{long: "show-error", short: 'S'},
	{long: "fail", short: 'f'},
	{long: "fail-with-body"},
	{long: "fail-early"},
	{long: "verbose", short: 'v'},
	{long: "include", short: 'i'},
	{long: "show-headers"},
	{long: "progress-bar", short: '#'},
	{long: "no-progress-meter"},
	{long: "no-buffer", short: 'N'},
	{long: "no-keepalive"},
	{long: "compressed"},
	{long: "ipv4", short: '4'},
	{long: "ipv6", short: '6'},
	{long: "http1.0", short: '0'},
	{long: "http1.1"},
	{long: "http2"},
	{long: "http3"},
	{long: "tlsv1", short: '1'},
	{long: "tlsv1.0"},
	{long: "tlsv1.1"},
	{long: "tlsv1.2"},
	{long: "tlsv1.3"},
	{long: "tcp-nodelay"},
	{long: "remove-on-error"},
	{long: "create-dirs"},
	{long: "disable", short: 'q'},
	{long: "no-fail"},
	{long: "parallel", short: 'Z'},
	{long: "write-out", short: 'w', valued: true},
	{long: "dump-header", short: 'D', valued: true},
	{long: "connect-timeout", valued: true},
	{long: "retry-delay", valued: true},
	{long: "retry-max-time", valued: true},
	{long: "retry-connrefused"},
	{long: "retry-all-errors"},
	{long: "max-redirs", valued: true},
	{long: "keepalive-time", valued: true},
	{long: "speed-limit", short: 'Y', valued: true},
	{long: "speed-time", short: 'y', valued: true},
	{long: "limit-rate", valued: true},
	{long: "stderr", valued: true},
	{long: "max-filesize", valued: true},
	{long: "tls-max", valued: true},
	{long: "proto", valued: true},
	{long: "output-dir", valued: true},
	{long: "expect100-timeout", valued: true},
	{long: "trace", valued: true},
	{long: "trace-ascii", valued: true},
	{long: "remote-name", short: 'O'},
	{long: "remote-header-name", short: 'J'},

	{long: "insecure", short: 'k', reason: "switches off the check of certificates, which Cronbearer never does"},
	{long: "location", short: 'L', reason: "follows redirects, which Cronbearer never does: write their target"},
	{long: "location-trusted", reason: "follows redirects with the token, which Cronbearer never does"},
	{long: "form", short: 'F', valued: true, reason: "sends a multipart form, which a job cannot"},
	{long: "form-string", valued: true, reason: "sends a multipart form, which a job cannot"},
	{long: "user", short: 'u', valued: true, reason: "sends a password (Basic), and a job sends a bearer token"},
	{long: "basic", reason: "sends a password (Basic), and a job sends a bearer token"},
	{long: "digest", reason: "sends a password (Digest), and a job sends a bearer token"},
	{long: "ntlm", reason: "sends a password (NTLM), and a job sends a bearer token"},
	{long: "negotiate", reason: "authenticates with Kerberos, and a job sends a bearer token"},
	{long: "anyauth", reason: "sends a password, and a job sends a bearer token"},
	{long: "aws-sigv4", valued: true, reason: "signs for AWS, and a job sends a bearer token"},
	{long: "netrc", short: 'n', reason: "reads a password from .netrc, and a job sends a bearer token"},
	{long: "netrc-file", valued: true, reason: "reads a password from a file, and a job sends a bearer token"},
	{long: "netrc-optional", reason: "reads a password from .netrc, and a job sends a bearer token"},
	{long: "cookie", short: 'b', valued: true, reason: "sends cookies, and a job sends a bearer token"},
	{long: "cookie-jar", short: 'c', valued: true, reason: "keeps cookies, and runs of a job share nothing"},
	{long: "config", short: 'K', valued: true, reason: "reads a file of options: write them into the line"},
	{long: "upload-file", short: 'T', valued: true, reason: "sends a file: write its content into Body"},
	{long: "cert", short: 'E', valued: true, reason: "sends a client certificate, which a job cannot"},
	{long: "key", valued: true, reason: "sends a client certificate, which a job cannot"},
	{long: "pass", valued: true, reason: "sends a client certificate, which a job cannot"},
	{long: "proxy", short: 'x', valued: true, reason: "uses a proxy, which Cronbearer never does"},
	{long: "proxy-user", short: 'U', valued: true, reason: "uses a proxy, which Cronbearer never does"},
	{long: "socks5", valued: true, reason: "uses a proxy, which Cronbearer never does"},
	{long: "socks5-hostname", valued: true, reason: "uses a proxy, which Cronbearer never does"},
	{long: "resolve", valued: true, reason: "sets the address of a host, which a job cannot"},
	{long: "connect-to", valued: true, reason: "sets the address of a host, which a job cannot"},
	{long: "interface", valued: true, reason: "chooses a network interface, which a job cannot"},
	{long: "unix-socket", valued: true, reason: "calls a socket of the machine"},
	{long: "next", short: ':', reason: "makes a second call: write a line for each"},
	{long: "range", short: 'r', valued: true, reason: "asks for a part of the answer, which a job cannot"},
	{long: "request-target", valued: true, reason: "sends another path than the URL's, which a job cannot"},
	{long: "variable", valued: true, reason: "has variables of curl's own"},
}

func optionNamed(long string) (option, bool) {
	for _, o := range options {
		if o.long == long {
			return o, true
		}
	}
	return option{}, false
}

func optionLettered(short byte) (option, bool) {
	for _, o := range options {
		if o.short == short {
			return o, true
		}
	}
	return option{}, false
}

// curlReader turns the arguments of curl into a request.
type curlReader struct {
	marks  *marks
	input  *string
	r      request
	urls   []string
	data   []string
	query  []string
	isJSON bool
	get    bool
	head   bool
}

// read reads all arguments; the first that cannot be taken over is the error.
func (c *curlReader) read(arguments []string) error {
	for len(arguments) > 0 {
		a := arguments[0]
		arguments = arguments[1:]
		switch {
		case a == "--":
			c.urls = append(c.urls, arguments...)
			return nil
		case strings.HasPrefix(a, "--"):
			rest, err := c.long(a[2:], arguments)
			if err != nil {
				return err
			}
			arguments = rest
		case strings.HasPrefix(a, "-") && a != "-":
			rest, err := c.letters(a[1:], arguments)
			if err != nil {
				return err
			}
			arguments = rest
		case c.wholeVariable(a):
			return errors.New("its URL or its options are in a variable, whose value the file does not define")
		default:
			c.urls = append(c.urls, a)
		}
	}
	return nil
}

// wholeVariable reports whether an argument is a variable that may be anything, such as $OPTIONS.
func (c *curlReader) wholeVariable(a string) bool {
	k, ok := c.marks.sole(a)
	return ok && k.variable != ""
}

// long reads one option in words. curl knows no --name=value, but people do.
func (c *curlReader) long(name string, rest []string) ([]string, error) {
	o, ok := optionNamed(name)
	if !ok {
		if !isFlagName(name) {
			return nil, errors.New("curl has no such option, or it is not known here")
		}
		return nil, fmt.Errorf("--%s is not known here", name)
	}
	return c.option(o, "--"+o.long, rest)
}

func isFlagName(name string) bool {
	return len(name) <= 30 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}

// letters reads options of one letter, several in one word: -sSfXPOST.
func (c *curlReader) letters(text string, rest []string) ([]string, error) {
	for text != "" {
		o, ok := optionLettered(text[0])
		if !ok {
			return nil, errors.New("an option of one letter that is not known here")
		}
		shown := "-" + text[:1]
		text = text[1:]
		if o.valued {
			if text != "" {
				rest = append([]string{text}, rest...)
			}
			return c.option(o, shown, rest)
		}
		if _, err := c.option(o, shown, nil); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

func (c *curlReader) option(o option, shown string, rest []string) ([]string, error) {
	if o.reason != "" {
		return nil, fmt.Errorf("%s %s", shown, o.reason)
	}
	if !o.valued {
		c.flag(o.long)
		return rest, nil
	}
	if len(rest) == 0 {
		return nil, fmt.Errorf("%s has no value", shown)
	}
	return rest[1:], c.value(o.long, shown, rest[0])
}

func (c *curlReader) flag(long string) {
	switch long {
	case "get":
		c.get = true
	case "head":
		c.head = true
	case "globoff":
		c.r.literal = true
	}
}

func (c *curlReader) value(long, shown, v string) error {
	switch long {
	case "request":
		c.r.method = v
	case "header":
		return c.header(v)
	case "data", "data-ascii", "data-binary", "json", "data-raw", "data-urlencode", "url-query":
		return c.payload(long, shown, v)
	case "url":
		c.urls = append(c.urls, v)
	case "user-agent":
		c.r.headers = append(c.r.headers, header{"User-Agent", v})
	case "referer":
		c.r.headers = append(c.r.headers, header{"Referer", v})
	case "oauth2-bearer":
		c.r.bearer = v
	case "max-time":
		n, ok := seconds(v)
		if !ok {
			return fmt.Errorf("%s is not a number of seconds", shown)
		}
		c.r.timeout = n
	case "retry":
		n, ok := digits(v)
		if !ok {
			return fmt.Errorf("%s is not a number", shown)
		}
		c.r.attempts = n + 1
	case "output":
		if v != "/dev/null" && v != "-" {
			c.r.note("the answer is kept in no file; the log line of the run has what it means")
		}
	case "cacert":
		c.r.note("the certificate of --cacert belongs into the member ca of the token's secret")
	}
	return nil
}

func (c *curlReader) header(v string) error {
	if strings.HasPrefix(v, "@") {
		return errors.New("-H reads a file: write its headers into the line")
	}
	name, value, ok := strings.Cut(v, ":")
	if !ok {
		name, ok = strings.CutSuffix(v, ";")
		if !ok {
			return nil // curl sends nothing for it
		}
	}
	c.r.headers = append(c.r.headers, header{strings.TrimSpace(name), strings.TrimSpace(value)})
	return nil
}

// payload reads what goes into the body, or with -G into the query.
func (c *curlReader) payload(long, shown, v string) error {
	encode := long == "data-urlencode" || long == "url-query"
	if long == "url-query" && strings.HasPrefix(v, "+") {
		c.query = append(c.query, v[1:])
		return nil
	}
	text, err := c.content(long, shown, v, encode)
	if err != nil {
		return err
	}
	if long == "url-query" {
		c.query = append(c.query, text)
		return nil
	}
	if long == "json" {
		if c.isJSON && len(c.data) > 0 {
			c.data[len(c.data)-1] += text
			return nil
		}
		c.isJSON = true
	}
	c.data = append(c.data, text)
	return nil
}

func (c *curlReader) content(long, shown, v string, encode bool) (string, error) {
	if encode {
		name, content, named := strings.Cut(v, "=")
		switch {
		case !named && strings.Contains(v, "@"):
			return "", fmt.Errorf("%s reads a file (@): write its content into the line", shown)
		case !named:
			return c.escape(v), nil
		case name == "":
			return c.escape(content), nil
		default:
			return name + "=" + c.escape(content), nil
		}
	}
	if long == "data-raw" || !strings.HasPrefix(v, "@") {
		return v, nil
	}
	if v != "@-" {
		return "", fmt.Errorf("%s reads a file (@): write its content into the line", shown)
	}
	if c.input == nil {
		return "", fmt.Errorf("%s reads standard input, which the file does not define", shown)
	}
	if long == "data" || long == "data-ascii" {
		return strings.NewReplacer("\n", "", "\r", "").Replace(*c.input), nil
	}
	return *c.input, nil
}

// escape percent-encodes but for marks.
func (c *curlReader) escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		if isMark(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.ReplaceAll(url.QueryEscape(string(r)), "+", "%20"))
		}
	}
	return b.String()
}

// request returns what curl would send.
func (c *curlReader) request() (request, error) {
	r := c.r
	switch len(c.urls) {
	case 0:
		return r, errors.New("it has no URL")
	case 1:
		r.url = c.urls[0]
	default:
		return r, errors.New("it has several URLs: write a line for each")
	}
	if c.isJSON {
		r.contentType = jsonType
		if !hasHeader(r.headers, "Accept") {
			r.headers = append(r.headers, header{"Accept", jsonType})
		}
	} else {
		r.contentType = formType
	}
	query := c.query
	if len(c.data) > 0 {
		body := strings.Join(c.data, "&")
		if c.get {
			query = append(query, body)
		} else {
			r.body = &body
		}
	}
	if len(query) > 0 {
		r.url = withQuery(r.url, strings.Join(query, "&"))
	}
	if r.method == "" {
		r.method = c.defaultMethod(r.body != nil)
	}
	return r, nil
}

func (c *curlReader) defaultMethod(hasBody bool) string {
	switch {
	case c.head:
		return "HEAD"
	case hasBody:
		return "POST"
	default:
		return "GET"
	}
}

func hasHeader(headers []header, name string) bool {
	for _, h := range headers {
		if strings.EqualFold(h.name, name) {
			return true
		}
	}
	return false
}

func withQuery(location, query string) string {
	location, _, _ = strings.Cut(location, "#")
	if strings.Contains(location, "?") {
		return location + "&" + query
	}
	return location + "?" + query
}

// seconds reads what curl -m and timeout take: 5, 2.5, and of timeout 5m. Parts of a second are rounded up.
func seconds(text string) (int, bool) {
	factor := 1.0
	if text != "" {
		if f, ok := map[byte]float64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}[text[len(text)-1]]; ok {
			factor, text = f, text[:len(text)-1]
		}
	}
	if text == "" || strings.Trim(text, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n*factor > 1e9 {
		return 0, false
	}
	return int(math.Ceil(n * factor)), true
}

// curl adds a call of curl to the script's.
func (s *script) curl(arguments []string, c curlCall) error {
	c.arguments = arguments
	c.ping = pingHost(arguments)
	s.calls = append(s.calls, c)
	return nil
}

// monitors read a request as a sign that a job ran.
var monitors = []string{
	"hc-ping.com", "healthchecks.io", "cronitor.link", "cronitor.io", "nosnch.in", "heartbeat.uptimerobot.com",
	"uptime.betterstack.com", "betteruptime.com", "cronhub.io", "cron-monitor.io", "sentry.io", "pulse.oh-dear.app",
	"ping.ohdear.app", "deadmanssnitch.com", "push.statuscake.com",
}

// pingHost returns the monitor that a call of curl reports to.
func pingHost(arguments []string) string {
	for _, a := range arguments {
		_, rest, _ := strings.Cut(a, "://")
		if rest == "" {
			rest = a
		}
		host, _, _ := strings.Cut(rest, "/")
		host, _, _ = strings.Cut(host, "?")
		for _, m := range monitors {
			if host == m || strings.HasSuffix(host, "."+m) {
				return m
			}
		}
	}
	return ""
}

// request returns the one request of a script.
func (s *script) request() (request, error) {
	var call *curlCall
	for i := range s.calls {
		c := &s.calls[i]
		switch {
		case c.ping != "":
		case call != nil:
			return request{}, errors.New("it makes several calls: write a line for each")
		default:
			call = c
		}
	}
	if call == nil {
		if len(s.calls) > 0 {
			return request{}, errors.New("it only reports to a monitor: the Silent alarm of each job does that work")
		}
		return request{}, errors.New("it makes no call")
	}
	for _, c := range s.calls {
		if c.ping != "" {
			s.note("the ping of " + c.ping + " is left out: Silent-<job> does that work")
		}
	}
	reader := curlReader{marks: s.marks, input: call.input, r: request{line: call.line}}
	if err := reader.read(call.arguments); err != nil {
		return request{}, err
	}
	r, err := reader.request()
	if err != nil {
		return request{}, err
	}
	if call.timeout > 0 && (r.timeout == 0 || call.timeout < r.timeout) {
		r.timeout = call.timeout
	}
	r.notes = append(r.notes, s.notes...)
	return r, nil
}
