package job

import (
	"strings"

	"github.com/cronbearer/cronbearer/internal/ascii"
)

// isName reports whether text is `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`. Names become dimensions of metrics and parts of
// alarm names, where CloudWatch rejects the whole request for one character outside ASCII. The alphabet is that of a
// schedule's name (EventBridge Scheduler API Reference, CreateSchedule), with a letter or digit first.
func isName(text string) bool {
	return ascii.Consists(text, 1, 64, func(c byte) bool {
		return ascii.IsAlphanumeric(c) || c == '.' || c == '_' || c == '-'
	}) && ascii.IsAlphanumeric(text[0])
}

// isSecretName reports whether text is `[A-Za-z0-9/_+=.@!-]{1,512}`. Secrets Manager allows these in CreateSecret (API
// Reference), but for the exclamation mark, which is in the names of secrets that AWS services manage (rds!…).
func isSecretName(text string) bool { return ascii.Consists(text, 1, 512, isSecretByte) }

// isSecretARN reports whether text is
// `arn:[a-z0-9-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@!-]{1,519}`. AWS appends a hyphen and six
// characters to the name, so its limit is seven higher. The partition is not listed: aws-cn and aws-us-gov are not the
// last ones.
func isSecretARN(text string) bool {
	const parts = 7
	part := strings.SplitN(text, ":", parts)
	lower := func(c byte) bool { return 'a' <= c && c <= 'z' || ascii.IsDigit(c) || c == '-' }
	return len(part) == parts && part[0] == "arn" && part[2] == "secretsmanager" && part[5] == "secret" &&
		ascii.Consists(part[1], 1, len(text), lower) && ascii.Consists(part[3], 1, len(text), lower) &&
		ascii.Consists(part[4], 12, 12, ascii.IsDigit) && ascii.Consists(part[6], 1, 519, isSecretByte)
}

// isStrictTime rejects what time.Parse accepts although it is not an RFC 3339 time: 9:00:00, 09:00:00,5 and +24:60
// (golang/go#54580).
func isStrictTime(parsed string) bool {
	if parsed[len("2006-01-02T15")] != ':' || strings.Contains(parsed, ",") {
		return false
	}
	offset := parsed[len(parsed)-len("07:00"):]
	return strings.HasSuffix(parsed, "Z") || (offset[:2] < "24" && offset[3:] < "60")
}

// isContextAttribute reports whether text is `<aws\.scheduler\.[^<>]*>`, which Scheduler left as it was. Its names are
// not listed either, as Scheduler may get new ones (EventBridge Scheduler User Guide, context attributes).
func isContextAttribute(text string) bool {
	inner, ok := strings.CutPrefix(text, "<aws.scheduler.")
	inner, closed := strings.CutSuffix(inner, ">")
	return ok && closed && !strings.ContainsAny(inner, "<>")
}

func isSecretByte(c byte) bool {
	return ascii.IsAlphanumeric(c) || strings.IndexByte("/_+=.@!-", c) >= 0
}
