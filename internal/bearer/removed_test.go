package bearer_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/bearer"
)

func TestRemovedNamesWhatNormalizeRemoves(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		text string
		want []string
	}{
		"nothing":      {text: "abcdefgh"},
		"empty":        {text: ""},
		"a line break": {text: "abcdefgh\r\n", want: []string{"a line break after it"}},
		"white space":  {text: "\tabcdefgh \n", want: []string{"white space after it", "white space before it"}},
		"a mark":       {text: "\ufeffabcdefgh", want: []string{"a byte order mark before it"}},
		"quotes":       {text: `"abcdefgh"`, want: []string{"the quotes around it"}},
		"a whole header": {
			text: "authorization: bearer abcdefgh",
			want: []string{`"Authorization:" before it`, `"Bearer" before it`},
		},
		"Bearer, no more": {text: "Bearer"},
		"bearer is part":  {text: "bearerabcdefgh"},
	}
	for name, c := range cases {
		if diff := cmp.Diff(c.want, bearer.Removed(c.text)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		token, _ := bearer.Normalize(c.text)
		if (token != c.text) != (len(c.want) > 0) && c.text != "Bearer" {
			t.Errorf("%s: Normalize returns %q, and Removed names %q", name, token, c.want)
		}
	}
}
