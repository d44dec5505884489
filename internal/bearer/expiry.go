package bearer

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// lastSecond is the last one that RFC 3339 can represent, at the end of the year 9999. A larger number is in
// milliseconds: as such it is a time after January 1978.
const lastSecond = 253402300799

// maxExpiresIn is the longest plausible lifetime. A larger value is a point in time in a field for a duration.
const maxExpiresIn = 10 * 365 * 24 * time.Hour

// ParseExpiry reads a point in time as secrets and providers write it: RFC 3339, also with a space, without a colon in
// the offset or without an offset (UTC); a date, which is midnight UTC; Unix seconds or milliseconds as number or text.
// The error explains what is wrong and never quotes the value.
func ParseExpiry(v jsondoc.Value) (time.Time, error) {
	switch v.Kind {
	case jsondoc.Number:
	case jsondoc.String:
		if t, ok := parseTime(v.Text); ok {
			return t, nil
		}
	default:
		return time.Time{}, fmt.Errorf("is %s, not a time", v.Kind)
	}
	if t, ok := unixTime(v.Text); ok {
		return t, nil
	}
	return time.Time{}, errors.New(
		"is neither an RFC 3339 time such as 2027-01-31T00:00:00Z, nor a date, nor Unix seconds or milliseconds",
	)
}

// timeLayouts are tried after RFC 3339's letters were made upper case (its section 5.6 allows both) and a space before
// an offset was removed. time.Parse reads a fraction of a second where a layout has none.
var timeLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05Z07:00",
	"2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z0700",
	"2006-01-02T15:04:05Z07", "2006-01-02 15:04:05Z07",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly,
}

func parseTime(text string) (time.Time, bool) {
	text = strings.ToUpper(strings.TrimSpace(text))
	if at := strings.LastIndexByte(text, ' '); at > len(time.DateOnly) {
		zone := text[at+1:]
		if zone == "UTC" || zone == "GMT" {
			zone = "Z"
		}
		text = text[:at] + zone
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil && writable(t) {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func unixTime(text string) (time.Time, bool) {
	seconds, ok := parseNumber(text)
	if ok && seconds > lastSecond {
		seconds /= 1000
	}
	if !ok || seconds <= 0 || seconds > lastSecond {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), true
}

// parseNumber reads a JSON number, also within a string. strconv accepts more: Inf, hexadecimal, 1_000.
func parseNumber(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if strings.Trim(text, "0123456789+-.eE") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

// ExpiresIn reads a lifetime in seconds (RFC 6749 section 5.1) as number or text. Zero: missing, or neither a lifetime
// of at most ten years nor a point in time within as many.
func ExpiresIn(v jsondoc.Value, asked time.Time) time.Time {
	if v.Kind != jsondoc.Number && v.Kind != jsondoc.String {
		return time.Time{}
	}
	if seconds, ok := parseNumber(v.Text); ok && seconds <= maxExpiresIn.Seconds() {
		if seconds < 1 {
			return time.Time{}
		}
		return asked.Add(time.Duration(seconds) * time.Second)
	}
	at, err := ParseExpiry(v)
	if err != nil || !at.After(asked) || at.Sub(asked) > maxExpiresIn {
		return time.Time{}
	}
	return at
}

// writable reports whether RFC 3339 can represent t in UTC: encoding any other time as JSON is an error.
func writable(t time.Time) bool { return 1 <= t.UTC().Year() && t.UTC().Year() <= 9999 }

// JWTExpiry reads the claim exp (RFC 7519 section 4.1.4) of a JWS in compact form, without verifying it: it is a
// forecast. Zero: there is none. The error reports that it cannot be read.
func JWTExpiry(token string) (time.Time, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}, nil //nolint:nilerr // it is an opaque token with two dots
	}
	claims, _ := jsondoc.Check(payload)
	exp := claims.Lookup(jsondoc.Key("exp"))
	if exp.Kind == jsondoc.Absent || exp.Kind == jsondoc.Null {
		return time.Time{}, nil
	}
	return ParseExpiry(exp)
}
