package config

import (
	"errors"
	"strings"
)

// checkNamespace rejects what PutMetricData would reject (CloudWatch API Reference): one bad name loses the entire
// request, and with it the news of a dead token.
func checkNamespace(name string) error {
	switch {
	case name == "", len(name) > 255:
		return errors.New("must have 1 to 255 characters")
	case strings.HasPrefix(name, ":"):
		return errors.New("must not begin with a colon")
	case strings.HasPrefix(strings.ToUpper(name), "AWS/"):
		return errors.New("must not begin with AWS/, which is reserved")
	}
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(".-_/#: ", c) >= 0) {
			return errors.New("may have only letters, digits, spaces and . - _ / # :")
		}
	}
	if strings.TrimSpace(name) == "" {
		return errors.New("must not be only spaces")
	}
	return nil
}

// checkDimensionValue rejects what PutMetricData would reject as a dimension's value. Values are ASCII of 1 to 1,024
// characters with one that is not a space, and do not begin with a colon (CloudWatch API Reference, Dimension).
func checkDimensionValue(value string) error {
	switch {
	case strings.TrimSpace(value) == "":
		return errors.New("is missing")
	case len(value) > 1024:
		return errors.New("must have at most 1024 characters")
	case strings.HasPrefix(value, ":"):
		return errors.New("must not begin with a colon")
	}
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' {
			return errors.New("must be printable ASCII")
		}
	}
	return nil
}
