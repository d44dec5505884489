package endpoint_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/endpoint"
)

func TestExpiryOfGitHub(t *testing.T) {
	t.Parallel()
	want := time.Date(2027, 1, 31, 12, 30, 0, 0, time.UTC)
	cases := map[string]struct {
		header string
		want   time.Time
	}{
		"as GitHub writes it": {header: "2027-01-31 12:30:00 UTC", want: want},
		"with an offset":      {header: "2027-01-31 14:30:00 +0200", want: want},
		"RFC 3339":            {header: "2027-01-31T12:30:00Z", want: want},
		"another zone's name": {header: "2027-01-31 12:30:00 CET", want: time.Time{}},
		"absent":              {header: "", want: time.Time{}},
		"garbage":             {header: "never", want: time.Time{}},
		"absurd":              {header: "9999-12-31 23:59:59 -0100", want: time.Time{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			if c.header != "" {
				h.Set("github-authentication-token-expiration", c.header)
			}
			got, unread := endpoint.HeaderExpiry(h)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("expiry (-want +got):\n%s", diff)
			}
			if (unread != "") != (c.header != "" && c.want.IsZero()) {
				t.Errorf("what cannot be read: %q", unread)
			}
		})
	}
}
