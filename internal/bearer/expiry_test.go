package bearer_test

import (
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// FuzzExpiry holds that each expiry that is read can be written as JSON, is the same when it is read again, and that an
// error is the same for all values.
func FuzzExpiry(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, text := range []string{
		"2027-01-31T00:00:00Z", "2027-01-31 00:00:00 +0000", "2027-01-31", "1801353600", "1801353600000", "1e9", "soon",
		"canary-3f9a7c51e2d84b60", "0x10", " 9999-12-31T23:59:59-01:00",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, v := range []jsondoc.Value{{Kind: jsondoc.String, Text: text}, {Kind: jsondoc.Number, Text: text}} {
			at, err := bearer.ParseExpiry(v)
			if err != nil {
				if _, other := bearer.ParseExpiry(jsondoc.Value{Kind: v.Kind, Text: "?"}); err.Error() != other.Error() {
					t.Errorf("%q: %s", text, err)
				}
				continue
			}
			written, err := at.MarshalJSON()
			if err != nil {
				t.Fatalf("%q cannot be written: %s", text, err)
			}
			again, err := bearer.ParseExpiry(jsondoc.Value{Kind: jsondoc.String, Text: strings.Trim(string(written), `"`)})
			if err != nil || !again.Equal(at) {
				t.Errorf("%q is %s, and then %s (%v)", text, at, again, err)
			}
		}
	})
}
