package redact_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/internal/redact"
)

func TestLimitCutsAtCharacters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		size int
		want string
	}{
		"shorter":             {text: "abc", size: 4, want: "abc"},
		"as long":             {text: "abcd", size: 4, want: "abcd"},
		"longer":              {text: "abcdefgh", size: 6, want: "abc…"},
		"inside a character":  {text: "ab🙂defgh", size: 7, want: "ab…"},
		"no room for the cut": {text: "abcdefgh", size: 0, want: "…"},
		"not text":            {text: strings.Repeat("\x80", 9), size: 8, want: "…"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := redact.Limit(c.text, c.size); got != c.want {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestQuoteIsOneShortLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"nothing":            {text: "", want: ""},
		"a sentence":         {text: "must be a date", want: "must be a date"},
		"lines":              {text: " first\r\n\r\n\tsecond\n", want: "first second"},
		"control characters": {text: "a\x00\x1b[31mb\u2028c\u0085d", want: "a [31mb c d"},
		"not UTF-8":          {text: "a\xff\xfeb", want: "a\ufffdb"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := redact.Quote(c.text); got != c.want {
				t.Errorf("%q", got)
			}
		})
	}
	for name, text := range map[string]string{
		"a megabyte": strings.Repeat("word ", 200_000), "no spaces": strings.Repeat("é", 5000),
		"only spaces": strings.Repeat("\n", 1<<20),
		"bytes":       strings.Repeat("\xff", 5000),
	} {
		if got := redact.Quote(text); len(got) > redact.MaxQuote || !utf8.ValidString(got) || strings.Contains(got, "\n") {
			t.Errorf("%s: %d bytes: %q", name, len(got), got)
		}
	}
}

func TestAWSErrorsShowTheirFirstSentence(t *testing.T) {
	t.Parallel()
	const signature = "The request signature we calculated does not match the signature you provided. Check your AWS " +
		"Secret Access Key and " +
		"signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should " +
		"have been\n" +
		"'POST\n/\n\nhost:monitoring.eu-west-1.amazonaws.com\nx-amz-security-token:IQoJb3JpZ2luX2VjEXAMPLE\n'"
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a signature": {
			err:  &smithy.GenericAPIError{Code: "InvalidSignatureException", Message: signature},
			want: "InvalidSignatureException: The request signature we calculated does not match the signature you provided",
		},
		"the canonical request at once": {
			err: &smithy.GenericAPIError{
				Code: "X", Message: "The Canonical String for this request should have been\n'POST\nx-amz-security-token:IQoJ'",
			},
			want: "X: The Canonical String for this request should have been",
		},
		"one sentence": {
			err: fmt.Errorf(
				"operation error: %w",
				&smithy.GenericAPIError{Code: "AccessDenied", Message: "User: arn:aws:sts::1:x/y.z is not authorized."},
			),
			want: "AccessDenied: User: arn:aws:sts::1:x/y.z is not authorized",
		},
		"no message": {err: &smithy.GenericAPIError{Code: "Throttling"}, want: "Throttling"},
		"no answer": {
			err: fmt.Errorf("https response error: %w", context.DeadlineExceeded), want: "AWS did not answer in time",
		},
		"other": {err: errors.New("dial tcp: connection refused"), want: "dial tcp: connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := redact.AWS(c.err)
			if got.Error() != c.want {
				t.Error(got)
			}
			if !errors.Is(got, c.err) {
				t.Error("errors.Is no longer sees the error itself")
			}
		})
	}
	if long := redact.AWS(
		&smithy.GenericAPIError{Code: "X", Message: strings.Repeat("a", 1<<20)},
	).Error(); len(long) > redact.MaxQuote {
		t.Errorf("%d bytes", len(long))
	}
	if redact.AWS(nil) != nil {
		t.Error("no error became one")
	}
}
