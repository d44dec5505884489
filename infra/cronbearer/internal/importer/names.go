package importer

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxName is the longest name of a job or token.
const maxName = 40

// camel makes a name of the template of a text: daily-report becomes DailyReport.
func camel(text string) string {
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		if part == strings.ToUpper(part) {
			part = strings.ToLower(part)
		}
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// yamlWords are names that YAML 1.1 reads as something other than text.
var yamlWords = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}

// unique returns a name like text that is not taken, and takes it.
func unique(text, fallback string, taken map[string]bool) string {
	name := camel(text)
	if name == "" || unicode.IsDigit(rune(name[0])) || slices.Contains(yamlWords, strings.ToLower(name)) {
		name = fallback + name
	}
	const room = 4 // for a number at the end
	name = name[:min(len(name), maxName-room)]
	result := name
	for i := 2; taken[result]; i++ {
		result = name + strconv.Itoa(i)
	}
	taken[result] = true
	return result
}

var unspoken = regexp.MustCompile(`^(?:v[0-9]+|api|rest|[0-9a-fA-F-]*[0-9][0-9a-fA-F-]*)?$`)

// nameOf makes a name of a call: the last words of its path, and the method unless that is GET.
func nameOf(c call) string {
	const words = 2
	var parts []string
	for segment := range strings.SplitSeq(c.path, "/") {
		segment, _, _ = strings.Cut(segment, ".")
		if !unspoken.MatchString(strings.ToLower(segment)) && !strings.Contains(segment, "{") {
			parts = append(parts, segment)
		}
	}
	if len(parts) == 0 {
		parts = []string{tokenNameOf(c.host)}
	}
	parts = parts[max(0, len(parts)-words):]
	name := ""
	for _, p := range parts {
		name += camel(p)
	}
	name = name[:min(len(name), maxName-len("DeleteWednesdays10"))]
	if c.method != "GET" {
		name += camel(strings.ToLower(c.method))
	}
	return name
}

// tokenNameOf makes the name of a host's token: api.example.com becomes ExampleApi.
func tokenNameOf(host string) string {
	host, _, _ = strings.Cut(host, ":")
	labels := strings.Split(strings.TrimPrefix(strings.ToLower(host), "www."), ".")
	if len(labels) > 1 {
		labels = labels[:len(labels)-1]
	}
	if n := len(labels); n > 1 && slices.Contains([]string{"co", "com", "org", "net", "gov", "ac"}, labels[n-1]) {
		labels = labels[:n-1]
	}
	slices.Reverse(labels)
	return camel(strings.Join(labels, "-"))
}

var humps = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// secretOf is the name of a token's secret: ExampleApi becomes example-api.
func secretOf(token string) string {
	return strings.ToLower(humps.ReplaceAllString(token, "$1-$2"))
}
