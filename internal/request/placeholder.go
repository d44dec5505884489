package request

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/ascii"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// Values are the values of the placeholders of one place. All are plain ASCII and valid in a header.
type Values struct {
	at   time.Time
	zone *time.Location
	more map[string]string
}

// ValuesAt returns the times of a moment, the local ones in zone (nil: UTC), and more values by name, such as runId.
func ValuesAt(at time.Time, zone *time.Location, more map[string]string) Values {
	if zone == nil {
		zone = time.UTC
	}
	return Values{at.UTC(), zone, more}
}

// timeNames are the placeholders that accept an offset.
var timeNames = []string{"scheduledTime", "scheduledDate", "localTime", "localDate"}

// of returns the value of what is between the braces: a name, the times also with an offset of whole days or hours that
// is added before they are written. The days of a local time are calendar days: 09:00 stays 09:00 when the clocks
// change between. Hours are elapsed time and are added after the days.
func (v Values) of(text string) (value string, known bool) {
	if value, known := v.more[text]; known {
		return value, true
	}
	name, days, hours, ok := splitOffset(text)
	if !ok || !slices.Contains(timeNames, name) {
		return "", false
	}
	at := v.at
	if strings.HasPrefix(name, "local") {
		at = at.In(v.zone)
	}
	at = at.AddDate(0, 0, days).Add(time.Duration(hours) * time.Hour)
	if strings.HasSuffix(name, "Date") {
		return at.Format(time.DateOnly), true
	}
	return at.Format(time.RFC3339), true
}

// splitOffset splits name-1d and name+9h. Five digits are 273 years: no year has a fifth digit.
func splitOffset(text string) (name string, days, hours int, ok bool) {
	at := strings.IndexAny(text, "+-")
	if at < 0 {
		return text, 0, 0, true
	}
	const maxDigits = 5
	name, sign, offset := text[:at], text[at:at+1], text[at+1:]
	count, isDays := strings.CutSuffix(offset, "d")
	if !isDays {
		if count, ok = strings.CutSuffix(offset, "h"); !ok {
			return "", 0, 0, false
		}
	}
	if !ascii.Consists(count, 1, maxDigits, ascii.IsDigit) {
		return "", 0, 0, false
	}
	n, _ := strconv.Atoi(sign + count)
	if isDays {
		return name, n, 0, true
	}
	return name, 0, n, true
}

func unescaped(s string) string { return s }

// Text fills the placeholders of a header's value or a body's string.
func (v Values) Text(text string) string { return v.fill(text, unescaped) }

// Body returns the bytes of an event's or a secret's body, and its default content type. nil: none. A string is the
// body itself and not a JSON string: it is how a body of plain text is written. The types are RFC 8259's and RFC
// 2046's, and a header of the user's replaces them.
func (v Values) Body(body jsondoc.Value) (data []byte, contentType string) {
	switch body.Kind {
	case jsondoc.Absent, jsondoc.Null:
		return nil, ""
	case jsondoc.String:
		return []byte(v.Text(body.Text)), "text/plain; charset=utf-8"
	default:
		return body.AppendJSON(nil, v.Text), "application/json"
	}
}

// fill replaces the placeholders of text, each value escaped for its place. A value is not searched for placeholders
// again. What is not closed stays as it is: Check has reported it.
func (v Values) fill(text string, escape func(string) string) string {
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

// location escapes for a path segment before the question mark and for a query after it.
func (v Values) location(text string) string {
	path, query, found := strings.Cut(text, "?")
	filled := v.fill(path, url.PathEscape)
	if found {
		filled += "?" + v.fill(query, url.QueryEscape)
	}
	return filled
}

// Check reports, prefixed with where, what looks like a placeholder and is not one, including an unclosed one. It shows
// only what may have been meant as a name: the rest of a URL may hold what the user should not have put there.
func (v Values) Check(text, where string, problems *jsondoc.Problems) {
	for {
		_, name, rest, found := nextPlaceholder(text)
		if !found {
			if strings.Contains(text, "{{") {
				problems.Addf("%sa {{ is not closed by }}; known are %s", where, v.names())
			}
			return
		}
		if _, known := v.of(name); !known {
			shown := "an unknown placeholder"
			if isPlaceholderName(name) {
				shown = "unknown placeholder {{" + name + "}}"
			}
			problems.Addf("%s%s; known are %s", where, shown, v.names())
		}
		text = rest
	}
}

func (v Values) names() string {
	names := slices.Concat(timeNames, slices.Sorted(maps.Keys(v.more)))
	return "{{" + strings.Join(names, "}}, {{") +
		"}}, the times also with whole days or hours, such as {{scheduledDate-1d}}"
}

// CheckValue is Check for every string below a value.
func (v Values) CheckValue(value jsondoc.Value, where string, problems *jsondoc.Problems) {
	if value.Kind == jsondoc.String {
		v.Check(value.Text, where, problems)
	}
	for _, item := range value.Items {
		v.CheckValue(item, where, problems)
	}
	for _, m := range value.Members {
		v.CheckValue(m.Value, where, problems)
	}
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

// isPlaceholderName reports whether text may have been meant as a placeholder's name.
func isPlaceholderName(text string) bool {
	return ascii.Consists(text, 1, 32, func(c byte) bool {
		return ascii.IsAlphanumeric(c) || strings.IndexByte("._+- ", c) >= 0
	})
}
