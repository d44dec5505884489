package jsondoc

import (
	"slices"
	"strings"
)

// errorLike are the names, in lower case and without _ and -, under which APIs explain a failure: RFC 6749, RFC 9457,
// JSON:API, GraphQL, and what Google, Okta, Salesforce, Slack, Stripe and most others write.
var errorLike = []string{
	"error", "errors", "errorcode", "errordescription", "errormessage", "errorsummary", "errorcauses", "errordetails",
	"errortype", "message", "messages",
	"msg", "detail", "details", "title", "code", "reason", "description", "fault", "faultstring", "warning", "warnings",
	"needed", "exception",
}

// maxErrorDepth is how deep errors are searched within an error. Real errors need three or four (Google's error.details
// of a list); a hostile one could nest ten thousand.
const maxErrorDepth = 8

// Errors lists the error-like members of an object or of the objects of a list, and all scalars in them, as "name:
// value". It stops after size bytes and omits the values that skip reports. A document that is a string is that string.
// It reads in place like Has, as a body of an error may be as large and as hostile as any other.
func (d Document) Errors(size int, skip func(text string) bool) string {
	if d.IsZero() {
		return ""
	}
	c := errorCollector{reader: reader{text: d.text}, size: size, leaveOut: skip}
	c.value("", false, maxErrorDepth)
	return strings.Join(c.parts, ", ")
}

type errorCollector struct {
	reader

	parts    []string
	size     int // remaining
	leaveOut func(text string) bool
}

// value reads the value here, and skips it. within: it is under an error-like name.
func (c *errorCollector) value(name string, within bool, depth int) {
	c.skipSpace()
	switch first := c.text[c.at]; {
	case c.size <= 0 || depth == 0:
		c.skip()
	case first == '[':
		for c.next() {
			c.value(name, within, depth-1)
		}
	case first == '{':
		for c.next() {
			member := c.name()
			c.member(member, within, depth)
		}
	case first == '"':
		if text := c.string(); within || depth == maxErrorDepth {
			c.add(name, text)
		}
	default:
		begin := c.at
		c.skip()
		if literal := c.text[begin:c.at]; within && literal != "null" {
			c.add(name, literal)
		}
	}
}

// member ignores case, _ and - in names, as each API has its own style for the same word.
func (c *errorCollector) member(name string, within bool, depth int) {
	plain := strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(Shorten(name)))
	if within || slices.Contains(errorLike, plain) {
		c.value(Shorten(name), true, depth-1)
		return
	}
	c.skip()
}

// add cuts a value to the bytes that are left, perhaps inside a character: what shows the text cleans it.
func (c *errorCollector) add(name, text string) {
	if text = strings.TrimSpace(text); text == "" || c.leaveOut(text) {
		return
	}
	text = text[:min(len(text), c.size)]
	if name != "" {
		text = name + ": " + text
	}
	c.size -= len(text)
	c.parts = append(c.parts, text)
}
