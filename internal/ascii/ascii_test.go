package ascii_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/ascii"
)

func TestClassesAreWhatTheirExpressionsSay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		byHand     func(byte) bool
		expression string
	}{
		"digit":        {byHand: ascii.IsDigit, expression: `^[0-9]{2,4}$`},
		"upper":        {byHand: ascii.IsUpper, expression: `^[A-Z]{2,4}$`},
		"alphanumeric": {byHand: ascii.IsAlphanumeric, expression: `^[A-Za-z0-9]{2,4}$`},
		"token":        {byHand: ascii.IsTokenByte, expression: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{2,4}$"},
	} {
		expression := regexp.MustCompile(c.expression)
		for b := range 256 {
			for length := range 6 {
				text := strings.Repeat(string([]byte{byte(b)}), length)
				if got, want := ascii.Consists(text, 2, 4, c.byHand), expression.MatchString(text); got != want {
					t.Errorf("%s %q: %t, the expression says %t", name, text, got, want)
				}
			}
		}
	}
}
