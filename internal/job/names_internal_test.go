package job

import (
	"regexp"
	"strings"
	"testing"
)

// The checks by hand are held against the regular expressions that they replace.
func TestNamesAreWhatTheirExpressionsSay(t *testing.T) {
	t.Parallel()
	checks := map[string]struct {
		byHand     func(string) bool
		expression *regexp.Regexp
	}{
		"name":   {byHand: isName, expression: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)},
		"secret": {byHand: isSecretName, expression: regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]{1,512}$`)},
		"ARN": {
			byHand: isSecretARN,
			expression: regexp.MustCompile(
				`^arn:[a-z0-9-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@!-]{1,519}$`,
			),
		},
		"context attribute": {byHand: isContextAttribute, expression: regexp.MustCompile(`^<aws\.scheduler\.[^<>]*>$`)},
	}
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
	texts := []string{
		"", "a", "-a", "Daily.Report_1-x", "é", "a\n", "GET", "get", "<aws.scheduler.>", "<aws.scheduler.x>y",
		"<aws.scheduler.>>",
		"<aws.scheduler.", "<aws.scheduler.schedule-arn>", arn, arn + "a", arn + "a:b", arn + "é",
		"arn::secretsmanager:x:123456789012:secret:a",
		"arn:aws:secretsmanager::123456789012:secret:a", "arn:aws:secretsmanager:x:12345678901:secret:a",
		"arn:aws:ssm:x:123456789012:secret:a",
		"arn:aws:secretsmanager:x:123456789012:secrets:a", "Arn:aws:secretsmanager:x:123456789012:secret:a",
		"arn:AWS:secretsmanager:x:123456789012:secret:a",
	}
	for _, length := range []int{20, 21, 63, 64, 65, 511, 512, 513, 518, 519, 520} {
		texts = append(texts, strings.Repeat("A", length), arn+strings.Repeat("A", length))
	}
	for c := range 256 {
		b := string([]byte{byte(c)})
		texts = append(texts, b, "A"+b, b+"A", arn+b, "<aws.scheduler."+b+">", "arn:"+b+":secretsmanager:"+b+
			":12345678901"+b+":secret:a")
	}
	for name, check := range checks {
		for _, text := range texts {
			if got, want := check.byHand(text), check.expression.MatchString(text); got != want {
				t.Errorf("%s %q: %v, the expression says %v", name, text, got, want)
			}
		}
	}
}
