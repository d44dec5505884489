package job

import (
	"net/url"
	"strings"
	"time"
)

// values are what {{name}} stands for. All are plain ASCII, fit for a header as they are.
type values struct{ scheduledTime, scheduledDate, runID string }

func valuesAt(when time.Time, runID string) values {
	when = when.UTC()
	return values{when.Format("2006-01-02T15:04:05Z"), when.Format(time.DateOnly), runID}
}

const placeholderNames = "{{scheduledTime}}, {{scheduledDate}} and {{runId}}"

func (v values) of(name string) (value string, known bool) {
	switch name {
	case "scheduledTime":
		return v.scheduledTime, true
	case "scheduledDate":
		return v.scheduledDate, true
	case "runId":
		return v.runID, true
	default:
		return "", false
	}
}

func unescaped(s string) string { return s }

// fill replaces the placeholders of text, each value escaped for where it stands.
func fill(text string, v values, escape func(string) string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	var out strings.Builder
	for {
		before, name, rest, found := nextPlaceholder(text)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		value, _ := v.of(name)
		out.WriteString(escape(value))
		text = rest
	}
}

// fillLocation escapes for a path segment before the question mark and for a query after it.
func fillLocation(text string, v values) string {
	path, query, found := strings.Cut(text, "?")
	filled := fill(path, v, url.PathEscape)
	if found {
		filled += "?" + fill(query, v, url.QueryEscape)
	}
	return filled
}

// badPlaceholders lists what looks like a placeholder and is none, an unclosed one included. It shows only what may
// have been meant as a name: the rest of a URL may hold what the user should not have put there.
func badPlaceholders(text string) []string {
	var bad []string
	for {
		_, name, rest, found := nextPlaceholder(text)
		if !found {
			if strings.Contains(text, "{{") {
				bad = append(bad, "a {{ is not closed by }}")
			}
			break
		}
		if _, known := (values{}).of(name); !known {
			shown := "an unknown placeholder"
			if isPlaceholderName(name) {
				shown = "unknown placeholder {{" + name + "}}"
			}
			bad = append(bad, shown)
		}
		text = rest
	}
	for i := range bad {
		bad[i] += "; known are " + placeholderNames
	}
	return bad
}

func nextPlaceholder(text string) (before, name, rest string, found bool) {
	before, rest, found = strings.Cut(text, "{{")
	if !found {
		return text, "", "", false
	}
	name, rest, found = strings.Cut(rest, "}}")
	if !found {
		return text, "", "", false
	}
	return before, name, rest, true
}
