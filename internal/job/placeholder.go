package job

import (
	"net/url"
	"strings"
	"time"
)

// placeholderValues are what {{name}} stands for. All values are plain ASCII, fit for a header as they are.
func placeholderValues(runID string, when time.Time) map[string]string {
	when = when.UTC()
	return map[string]string{
		"scheduledTime": when.Format("2006-01-02T15:04:05Z"),
		"scheduledDate": when.Format(time.DateOnly),
		"runId":         runID,
	}
}

const placeholderNames = "{{scheduledTime}}, {{scheduledDate}} and {{runId}}"

func unescaped(s string) string { return s }

// fill replaces the placeholders of text, each value escaped for where it stands.
func fill(text string, values map[string]string, escape func(string) string) string {
	var out strings.Builder
	for {
		before, name, rest, found := nextPlaceholder(text)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		out.WriteString(escape(values[name]))
		text = rest
	}
}

// fillLocation escapes for a path segment before the question mark and for a query after it.
func fillLocation(text string, values map[string]string) string {
	path, query, found := strings.Cut(text, "?")
	filled := fill(path, values, url.PathEscape)
	if found {
		filled += "?" + fill(query, values, url.QueryEscape)
	}
	return filled
}

// badPlaceholders lists what looks like a placeholder and is none, an unclosed one included.
func badPlaceholders(text string) []string {
	known := placeholderValues("", time.Time{})
	var bad []string
	for {
		_, name, rest, found := nextPlaceholder(text)
		if !found {
			if i := strings.Index(text, "{{"); i >= 0 {
				bad = append(bad, quoted(text[i:])+" is not closed")
			}
			return bad
		}
		if _, ok := known[name]; !ok {
			bad = append(bad, "unknown placeholder "+quoted("{{"+name+"}}"))
		}
		text = rest
	}
}

func nextPlaceholder(text string) (before, name, rest string, found bool) {
	i := strings.Index(text, "{{")
	if i < 0 {
		return text, "", "", false
	}
	j := strings.Index(text[i:], "}}")
	if j < 0 {
		return text, "", "", false
	}
	return text[:i], text[i+2 : i+j], text[i+j+2:], true
}
