package job

import "strings"

// The names of an event are checked by hand. As regular expressions, `{1,512}` among them, they took half of the time
// that all packages need to be initialised, and 0.8 MB, before each environment's first run.

// isName reports whether text is `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
func isName(text string) bool {
	return isMadeOf(text, 1, 64, func(c byte) bool { return isAlphanumeric(c) || c == '.' || c == '_' || c == '-' }) && isAlphanumeric(text[0])
}

// isSecretName reports whether text is `[A-Za-z0-9/_+=.@!-]{1,512}`.
func isSecretName(text string) bool { return isMadeOf(text, 1, 512, isSecretByte) }

// isSecretARN reports whether text is
// `arn:[a-z0-9-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@!-]{1,519}`.
func isSecretARN(text string) bool {
	const parts = 7
	part := strings.SplitN(text, ":", parts)
	lower := func(c byte) bool { return 'a' <= c && c <= 'z' || isDigit(c) || c == '-' }
	return len(part) == parts && part[0] == "arn" && part[2] == "secretsmanager" && part[5] == "secret" &&
		isMadeOf(part[1], 1, len(text), lower) && isMadeOf(part[3], 1, len(text), lower) &&
		isMadeOf(part[4], 12, 12, isDigit) && isMadeOf(part[6], 1, 519, isSecretByte)
}

// isMethod reports whether text is `[A-Z]{1,20}`.
func isMethod(text string) bool {
	return isMadeOf(text, 1, 20, func(c byte) bool { return 'A' <= c && c <= 'Z' })
}

// isStrictTime refuses what time.Parse takes for an RFC 3339 time and is none: 9:00:00, 09:00:00,5 and +24:60
// (golang/go#54580).
func isStrictTime(parsed string) bool {
	if parsed[len("2006-01-02T15")] != ':' || strings.Contains(parsed, ",") {
		return false
	}
	offset := parsed[len(parsed)-len("07:00"):]
	return strings.HasSuffix(parsed, "Z") || (offset[:2] < "24" && offset[3:] < "60")
}

// isHeaderName reports whether text is a token of RFC 9110 section 5.6.2.
func isHeaderName(text string) bool {
	return isMadeOf(text, 1, len(text), func(c byte) bool { return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 })
}

// isPlaceholderName reports whether text may have been meant as a placeholder's name.
func isPlaceholderName(text string) bool {
	return isMadeOf(text, 1, 32, func(c byte) bool { return isAlphanumeric(c) || strings.IndexByte("._+- ", c) >= 0 })
}

// isContextAttribute reports whether text is `<aws\.scheduler\.[^<>]*>`, which Scheduler left as it was.
func isContextAttribute(text string) bool {
	inner, ok := strings.CutPrefix(text, "<aws.scheduler.")
	inner, closed := strings.CutSuffix(inner, ">")
	return ok && closed && !strings.ContainsAny(inner, "<>")
}

func isMadeOf(text string, least, most int, allowed func(byte) bool) bool {
	if len(text) < least || len(text) > most {
		return false
	}
	for i := range len(text) {
		if !allowed(text[i]) {
			return false
		}
	}
	return true
}

func isSecretByte(c byte) bool { return isAlphanumeric(c) || strings.IndexByte("/_+=.@!-", c) >= 0 }

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
