package importer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// A call is a request in the words of the template.
type call struct {
	method, host, path     string
	text                   string // METHOD https://…
	headers, body, timeout string
	attempts               int
	credential             string // with marks; "" for none
	notes                  []string
}

// A credential is where a request has one.
type credential struct{ value, where string }

// caller turns one request into a call.
type caller struct {
	marks       *marks
	finds       *finds
	r           request
	credentials []credential
	notes       []string
}

func (c *caller) note(format string, arguments ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, arguments...))
}

// found notes a credential of the request and registers it if it is in plain text.
func (c *caller) found(value, where string) {
	c.credentials = append(c.credentials, credential{value, where})
	if !c.marks.any(value) {
		c.finds.add(c.r.line, value)
	}
}

// call returns the call, or why there is none. All credentials are registered in both cases.
func (c *caller) call() (call, error) {
	location, hasUser := c.withoutUser(strings.TrimSpace(c.r.url))
	headers, headerErr := c.headers()
	location, queryErr := c.query(location)
	body, contentType, bodyErr := c.body(headers)
	if c.r.bearer != "" {
		c.found(c.r.bearer, "")
	}
	if hasUser {
		return call{}, errors.New("its URL has a user and password (Basic), and a job sends a bearer token")
	}
	if err := errors.Join(headerErr, queryErr, bodyErr); err != nil {
		return call{}, first(headerErr, queryErr, bodyErr)
	}
	method, err := c.method(body)
	if err != nil {
		return call{}, err
	}
	text, err := c.location(location)
	if err != nil {
		return call{}, err
	}
	out := call{method: method, text: method + " " + text, body: body, attempts: c.attempts(), timeout: c.timeout()}
	if contentType != "" {
		headers = append(headers, header{"Content-Type", contentType})
	}
	if out.headers, err = c.headerJSON(headers); err != nil {
		return call{}, err
	}
	if out.credential, err = c.one(); err != nil {
		return call{}, err
	}
	if err := c.check(&out); err != nil {
		return call{}, err
	}
	c.notes = append(c.notes, c.marks.notes(location, out.credential)...)
	out.notes = append(c.r.notes, c.notes...)
	return out, nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// withoutUser removes the user info from a URL.
func (c *caller) withoutUser(location string) (string, bool) {
	scheme, rest, ok := strings.Cut(location, "://")
	if !ok {
		return location, false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndex(rest[:end], "@")
	if at < 0 {
		return location, false
	}
	user := rest[:at]
	if _, password, ok := strings.Cut(user, ":"); ok && !c.marks.any(password) {
		c.finds.add(c.r.line, password)
	}
	if !c.marks.any(user) {
		c.finds.add(c.r.line, user)
	}
	return scheme + "://" + rest[at+1:], true
}

// hop are headers that a client sets for its connection.
var hop = []string{"Connection", "Content-Length", "Transfer-Encoding", "Expect", "Keep-Alive", "Upgrade"}

// headers removes the credentials from the headers.
func (c *caller) headers() ([]header, error) {
	var kept []header
	var err error
	for _, h := range c.r.headers {
		name := http.CanonicalHeaderKey(h.name)
		switch {
		case h.value == "":
		case name == "Authorization":
			err = first(err, c.authorization(h.value))
		case name == "Idempotency-Key":
			c.note("its Idempotency-Key is left out: each run sends one of its own")
		case name == "Cookie":
			c.register(h.value)
			err = first(err, errors.New("it sends cookies, and a job sends a bearer token"))
		case name == "Host":
			err = first(err, errors.New("it sets the header Host: write that host into the URL"))
		case strings.HasPrefix(name, "Proxy-"):
			c.register(h.value)
			err = first(err, errors.New("it talks to a proxy, which Cronbearer never does"))
		case slices.Contains(hop, name):
		case saysSecret(name) || len(shaped(h.value)) > 0 || c.secretVariable(h.value):
			c.found(h.value, "the header "+name)
		case hasHeader(kept, name):
			err = first(err, fmt.Errorf("it has the header %s twice", name))
		default:
			kept = append(kept, header{name, h.value})
		}
	}
	return kept, err
}

func (c *caller) register(value string) {
	if !c.marks.any(value) {
		c.finds.add(c.r.line, value)
	}
}

// authorization reads the value of that header.
func (c *caller) authorization(value string) error {
	scheme, rest, ok := strings.Cut(value, " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(scheme) {
	case "bearer":
		c.found(rest, "")
		return nil
	case "basic", "digest", "negotiate", "ntlm":
		c.register(rest)
		return fmt.Errorf("it sends a password (%s), and a job sends a bearer token", http.CanonicalHeaderKey(scheme))
	}
	if ok && len(scheme) <= 12 && !strings.Contains(rest, "=") && !strings.Contains(rest, " ") && isIdentifier(scheme) {
		c.found(rest, "Authorization: "+scheme)
		return nil
	}
	if ok {
		c.register(value)
		c.register(rest)
		return errors.New("its Authorization is not a bearer token")
	}
	c.found(value, "Authorization without Bearer")
	return nil
}

// secretVariable reports whether a text has a variable whose name says credential.
func (c *caller) secretVariable(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		k, ok := c.marks.of(r)
		return ok && k.variable != "" && (strings.HasPrefix(k.variable, "secrets.") || saysSecret(k.variable))
	})
}

// query removes the credentials from a URL's query, and says why one in its path cannot be.
func (c *caller) query(location string) (string, error) {
	location, _, _ = strings.Cut(location, "#")
	path, query, hasQuery := strings.Cut(location, "?")
	var err error
	decoded, decodeErr := url.PathUnescape(path)
	if decodeErr != nil {
		decoded = path
	}
	if found := append(shaped(path), shaped(decoded)...); len(found) > 0 {
		c.finds.add(c.r.line, found...)
		err = errors.New("its path holds what looks like a token, and a job sends a bearer token")
	} else if c.secretVariable(path) {
		err = errors.New("its path holds a token, and a job sends a bearer token")
	}
	if !hasQuery {
		return path, err
	}
	var kept []string
	for parameter := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		if plain, bad := url.QueryUnescape(name); bad == nil {
			name = plain
		}
		plain, bad := url.QueryUnescape(value)
		if bad != nil {
			plain = value
		}
		switch {
		case plain != "" && (saysSecret(name) || len(shaped(plain)) > 0 || c.secretVariable(plain)):
			c.found(plain, "the query")
			c.register(value)
		case len(shaped(name)) > 0:
			c.found(name, "the query")
		default:
			kept = append(kept, parameter)
		}
	}
	if len(kept) == 0 {
		return path, err
	}
	return path + "?" + strings.Join(kept, "&"), err
}

// body returns the body as JSON text, and the content type if the body does not imply it.
func (c *caller) body(headers []header) (text, contentType string, err error) {
	if c.r.body == nil || *c.r.body == "" {
		return "", "", nil
	}
	contentType = c.r.contentType
	for _, h := range c.r.headers {
		if strings.EqualFold(h.name, "Content-Type") {
			contentType = h.value
		}
	}
	given := hasHeader(headers, "Content-Type")
	if !utf8.ValidString(*c.r.body) {
		return "", "", errors.New("its body is not text")
	}
	if err := c.bodySecrets(*c.r.body); err != nil {
		return "", "", err
	}
	filled, err := c.marks.fill(*c.r.body, "the body")
	if err != nil {
		return "", "", err
	}
	c.notes = append(c.notes, c.marks.notes(*c.r.body)...)
	text, natural := bodyText(filled)
	if given || contentType == natural {
		return text, "", nil
	}
	return text, contentType, nil
}

// bodyText is a body in the words of an event: JSON is JSON, anything else a string of it.
func bodyText(body string) (text, contentType string) {
	doc, duplicates, err := jsondoc.Parse([]byte(body))
	if err == nil && len(duplicates) == 0 && (doc.Kind == jsondoc.Object || doc.Kind == jsondoc.Array) {
		return string(doc.AppendJSON(nil, func(s string) string { return s })), jsonType
	}
	return string(jsondoc.AppendString(nil, body)), "text/plain; charset=utf-8"
}

var errBodySecret = errors.New("its body holds a credential, and a job sends a bearer token: " +
	"a call that logs in belongs into the token's secret (login, oauth2)")

// bodySecrets looks for credentials in a body, by the names of its members or parameters and by shape.
func (c *caller) bodySecrets(body string) error {
	found := shaped(body)
	if doc, _, err := jsondoc.Parse([]byte(body)); err == nil {
		found = append(found, c.memberSecrets(doc)...)
	} else if !strings.Contains(body, "=") {
		for line := range strings.SplitSeq(body, "\n") {
			found = append(found, inShell(line)...)
		}
	} else {
		for parameter := range strings.SplitSeq(body, "&") {
			name, value, _ := strings.Cut(parameter, "=")
			plain, bad := url.QueryUnescape(value)
			if bad != nil {
				plain = value
			}
			if saysSecret(strings.TrimSpace(name)) && plain != "" {
				found = append(found, plain, value)
			}
			found = append(found, shaped(plain)...)
		}
	}
	secret := len(found) > 0
	for _, f := range found {
		c.register(f)
	}
	if secret || c.secretVariable(body) {
		return errBodySecret
	}
	return nil
}

func (c *caller) memberSecrets(v jsondoc.Value) []string {
	var found []string
	if v.Kind == jsondoc.String {
		found = shaped(v.Text)
	}
	for _, item := range v.Items {
		found = append(found, c.memberSecrets(item)...)
	}
	for _, m := range v.Members {
		if m.Value.Kind == jsondoc.String && m.Value.Text != "" && saysSecret(m.Name) {
			found = append(found, m.Value.Text)
		}
		found = append(append(found, shaped(m.Name)...), c.memberSecrets(m.Value)...)
	}
	return found
}

func (c *caller) method(body string) (string, error) {
	if c.marks.any(c.r.method) {
		return "", errors.New("its method is in a variable")
	}
	method := strings.ToUpper(c.r.method)
	switch method {
	case "TRACE", "CONNECT":
		return "", fmt.Errorf("it uses %s, which a job cannot", method)
	case "GET", "HEAD", "OPTIONS":
		if body != "" {
			return "", fmt.Errorf("it sends a body with %s, which servers read as they like", method)
		}
	}
	return method, nil
}

// location checks a URL without its credentials, and percent-encodes what curl sends as it is.
func (c *caller) location(text string) (string, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	switch {
	case !ok && c.marks.any(text):
		return "", unknownURL(c.marks, text)
	case !ok || strings.EqualFold(scheme, "http"):
		return "", errors.New("http:// sends the token in the clear, which Cronbearer never does: write https://")
	case !strings.EqualFold(scheme, "https"):
		return "", errors.New("its URL is none of https")
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if c.marks.any(rest[:end]) {
		return "", unknownURL(c.marks, rest[:end])
	}
	if !c.r.literal && strings.ContainsAny(rest, "[]{}") {
		return "", errors.New("curl makes several requests of brackets and braces in a URL")
	}
	return c.marks.fill("https://"+rest[:end]+percentEncode(rest[end:]), "the URL")
}

func unknownURL(m *marks, text string) error {
	if _, err := m.fill(text, "its URL"); err != nil {
		return err
	}
	return errors.New("its URL holds a time before the path")
}

func percentEncode(text string) string {
	var b strings.Builder
	for _, r := range text {
		if !isMark(r) && (r <= ' ' || r > '~' || strings.ContainsRune("\"\\<>^`{|}", r)) {
			for _, octet := range []byte(string(r)) {
				fmt.Fprintf(&b, "%%%02X", octet)
			}
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (c *caller) headerJSON(headers []header) (string, error) {
	if len(headers) == 0 {
		return "", nil
	}
	b := []byte{'{'}
	for i, h := range headers {
		value, err := c.marks.fill(h.value, "the header "+h.name)
		if err != nil {
			return "", err
		}
		c.notes = append(c.notes, c.marks.notes(h.value)...)
		if i > 0 {
			b = append(b, ',')
		}
		b = jsondoc.AppendString(b, h.name)
		b = jsondoc.AppendString(append(b, ':'), value)
	}
	return string(append(b, '}')), nil
}

// Limits of an event's timeout and attempts.
const (
	maxTimeout  = int(job.MaxTimeout / 1e9)
	maxAttempts = job.MaxAttempts
)

func (c *caller) timeout() string {
	switch {
	case c.r.timeout <= 0:
		return ""
	case c.r.timeout > maxTimeout:
		c.note("its time-out of %ds becomes %ds, the longest there is", c.r.timeout, maxTimeout)
		return fmt.Sprintf("%ds", maxTimeout)
	default:
		return fmt.Sprintf("%ds", c.r.timeout)
	}
}

func (c *caller) attempts() int {
	if c.r.attempts > maxAttempts {
		c.note("its %d attempts become %d, the most there are", c.r.attempts, maxAttempts)
		return maxAttempts
	}
	if c.r.attempts > 1 && (strings.EqualFold(c.r.method, "POST") || strings.EqualFold(c.r.method, "PATCH")) {
		c.note("POST and PATCH are repeated only if Idempotent says that the endpoint does each key once")
	}
	return c.r.attempts
}

// one returns the request's only credential.
func (c *caller) one() (string, error) {
	var values []string
	for _, k := range c.credentials {
		if !slices.Contains(values, k.value) {
			values = append(values, k.value)
		}
	}
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		if where := c.credentials[0].where; where != "" {
			c.note("its token was in %s; Cronbearer sends Authorization: Bearer, which the endpoint must accept", where)
		}
		return values[0], nil
	default:
		return "", errors.New("it sends several credentials, and a job has one token")
	}
}

// check lets the caller's own parser read the event, and keeps credentials out of what is written.
func (c *caller) check(out *call) error {
	for key, text := range map[string]string{"Call": out.text, "Headers": out.headers, "Body": out.body} {
		if c.finds.in(text) || lint.Credential(key, text) != "" || strings.Contains(text, "{{resolve:") {
			return errors.New("it holds what looks like a token outside of its place")
		}
	}
	event := map[string]any{
		"job": "Job", "token": "Token", "secret": "secret", "call": out.text, "timeout": out.timeout,
		"headers": json.RawMessage(orText(out.headers, "{}")), "body": json.RawMessage(orText(out.body, "null")),
	}
	data, err := json.Marshal(event)
	if err != nil {
		return errors.New("its body is not JSON")
	}
	parsed, err := job.Parse(data, job.Options{IdempotencyHeader: "Idempotency-Key"})
	if invalid, ok := errors.AsType[*job.InvalidError](err); ok {
		return errors.New(invalid.Problems[0])
	}
	out.host, out.path = strings.TrimSuffix(parsed.URL().Host, ":443"), parsed.URL().Path
	return c.reachable(parsed.URL().Hostname())
}

// reachable rejects names that only the source's own machine or cluster knows.
func (c *caller) reachable(host string) error {
	for _, suffix := range []string{".localhost", ".local", ".svc"} {
		if strings.HasSuffix("."+host, suffix) {
			return errors.New("it calls a name that only its own machine or cluster knows")
		}
	}
	if !strings.Contains(host, ".") || strings.HasSuffix(host, ".internal") {
		c.note("%s is a name of a private network: VpcSubnetIds and VpcSecurityGroupIds let the caller reach it", host)
	}
	return nil
}

func orText(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
