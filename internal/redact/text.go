package redact

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/smithy-go"
)

// Sizes of what leaves the process, in bytes. An endpoint that answers with a megabyte, or a certificate with thousands
// of names, must not fill the log, nor exceed what Lambda accepts as an error or CloudWatch Logs as an event.
const (
	MaxQuote = 300      // of an external text, in one of ours
	MaxError = 16 << 10 // of a run's or step's error
	MaxLine  = 64 << 10 // of a log line
)

const ellipsis = "…"

// Clean returns a text as it may leave the process: scrubbed, printable, and of at most size bytes. The result
// has at most twice that size in JSON.
func (s *Scrubber) Clean(text string, size int) string {
	return Limit(printable(s.Scrub(Limit(text, size))), size)
}

// printable replaces what is not UTF-8 and all control characters but line breaks and tabs.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}

// Limit returns text, cut at a character so that it has at most size bytes.
func Limit(text string, size int) string {
	if len(text) <= size {
		return text
	}
	end := max(0, size-len(ellipsis))
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// Quote returns an external text as one line of at most MaxQuote bytes. It does not scrub: our texts are scrubbed
// where they leave the process.
func Quote(text string) string {
	return Limit(oneLine(Limit(text, 4*MaxQuote)), MaxQuote)
}

// oneLine replaces each run of white space and control characters by a space, and what is not UTF-8 by U+FFFD.
// Format characters count among them: bidirectional ones would turn the rest of our own line around, and the others are
// invisible, so that what is read is not what is there.
func oneLine(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf)
	}), " ")
}

// IsMarkup reports whether an external text is HTML or XML, or contains it: that is for browsers and not
// quoted.
func IsMarkup(text string) bool {
	text = strings.ToLower(strings.TrimSpace(Limit(text, 4*MaxQuote)))
	return strings.HasPrefix(text, "<") || strings.Contains(text, "</") || strings.Contains(text, "<!doctype") ||
		strings.Contains(text, "<html") || strings.Contains(text, "<br")
}

// AWS returns err, as an AWS client returned it, with a text that is safe to show: the code and the first sentence.
// The messages of signature errors continue with the canonical request, which contains the session token
// (docs.aws.amazon.com, "Troubleshoot Signature Version 4 signing"). errors.As and errors.Is see err itself.
func AWS(err error) error {
	if err == nil {
		return nil
	}
	return &awsError{err}
}

type awsError struct{ err error }

func (e *awsError) Unwrap() error { return e.err }

func (e *awsError) Error() string {
	if api, ok := errors.AsType[smithy.APIError](e.err); ok {
		if message := firstSentence(api.ErrorMessage()); message != "" {
			return Quote(api.ErrorCode() + ": " + message)
		}
		return Quote(api.ErrorCode())
	}
	if errors.Is(e.err, context.DeadlineExceeded) || errors.Is(e.err, context.Canceled) {
		return "AWS did not answer in time"
	}
	return Quote(firstSentence(e.err.Error()))
}

func firstSentence(text string) string {
	text = strings.TrimSpace(text)
	if at := strings.IndexAny(text, "\r\n"); at >= 0 {
		text = text[:at]
	}
	if at := strings.Index(text, ". "); at >= 0 {
		text = text[:at]
	}
	return strings.TrimSuffix(text, ".")
}
