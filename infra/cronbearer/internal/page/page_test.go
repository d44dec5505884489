package page_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/page"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/sandbox"
)

func document() page.Document {
	at := time.Date(2026, time.November, 2, 8, 7, 0, 0, time.UTC)
	return page.Document{
		Stack: "cronbearer", Start: at, Now: at.Add(24 * time.Hour), Live: true,
		Jobs:   []page.Job{{Name: "HourlySync", Schedule: "rate(1 hour)"}},
		Tokens: []page.Token{{Name: "ExampleApi"}},
		Events: []sandbox.Event{
			{At: at.Add(time.Hour), Kind: sandbox.KindRun, Job: "HourlySync", Outcome: "succeeded", Verdict: "accepted"},
			{
				At: at.Add(2 * time.Hour), Kind: sandbox.KindRun, Job: "HourlySync", Outcome: "token_rejected",
				Verdict: "rejected", Status: 401,
			},
			{At: at.Add(3 * time.Hour), Kind: sandbox.KindRun, Job: "HourlySync", Outcome: "target_failed", Status: 500},
			{At: at.Add(2 * time.Hour), Kind: sandbox.KindAlarm, Alarm: "TokenRejected-ExampleApi", To: "ALARM"},
			{
				At: at.Add(2 * time.Hour), Kind: sandbox.KindEmail, Recipient: "you@example.com",
				Subject: "ALARM: TokenRejected-ExampleApi", Text: "Store a new token. </script><script>alert(1)</script>",
			},
		},
	}
}

// served is a page whose commands are recorded.
func served(t *testing.T) (server *httptest.Server, commands *[]string, p *page.Server) {
	t.Helper()
	commands = new([]string)
	p = page.NewServer(document, func(_ context.Context, command string) error {
		*commands = append(*commands, command)
		if command == "dance" {
			return errors.New("there is no command dance")
		}
		return nil
	})
	server = httptest.NewServer(p)
	t.Cleanup(server.Close)
	return server, commands, p
}

func csrfOf(t *testing.T, server *httptest.Server) string {
	t.Helper()
	answer, err := server.Client().Get(server.URL) //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	m := regexp.MustCompile(`data-csrf="([A-Z2-7]{20,})"`).FindSubmatch(body)
	if err != nil || m == nil {
		t.Fatalf("no token on the page: %v", err)
	}
	return string(m[1])
}

func TestOnlyThePageItselfMayCommand(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		method, path, host, origin, csrf, body string
		want                                   int
	}{
		"the page":                    {method: "POST", path: "/do", csrf: "right", body: "hour", want: 204},
		"a command that fails":        {method: "POST", path: "/do", csrf: "right", body: "dance", want: 400},
		"without the page's token":    {method: "POST", path: "/do", body: "hour", want: 403},
		"with another token":          {method: "POST", path: "/do", csrf: "wrong", body: "hour", want: 403},
		"from another origin":         {method: "POST", path: "/do", csrf: "right", origin: "http://evil.test", want: 403},
		"from an opaque origin":       {method: "POST", path: "/do", csrf: "right", origin: "null", want: 403},
		"under a rebound name":        {method: "GET", path: "/", host: "evil.example", want: 403},
		"events under a rebound name": {method: "GET", path: "/events", host: "evil.example:80", want: 403},
		"a command by a link":         {method: "GET", path: "/do", csrf: "right", want: 405},
		"a command that is too long": {
			method: "POST", path: "/do", csrf: "right", body: strings.Repeat("x", 2000), want: 400,
		},
		"another path": {method: "GET", path: "/etc/passwd", want: 404},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, commands, _ := served(t)
			r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.host != "" {
				r.Host = c.host
			}
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			if c.csrf == "right" {
				r.Header.Set("X-Cronbearer", csrfOf(t, server))
			} else if c.csrf != "" {
				r.Header.Set("X-Cronbearer", c.csrf)
			}
			answer, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != c.want {
				t.Errorf("%d, want %d", answer.StatusCode, c.want)
			}
			if ran := len(*commands) > 0; ran != (c.want == 204 || c.body == "dance") {
				t.Errorf("commands: %v", *commands)
			}
		})
	}
}

func TestEventsFollowTheSession(t *testing.T) {
	t.Parallel()
	server, _, p := served(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewReader(answer.Body)
	for range 2 {
		line, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, `data: {"stack":"cronbearer"`) {
			t.Fatalf("%q, %v", line, err)
		}
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		p.Changed()
	}
}

// TestFileLoadsNothingAndEscapesWhatItShows: nothing but the link to no icon has an address.
func TestFileLoadsNothingAndEscapesWhatItShows(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := page.Write(&b, document()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if found := regexp.MustCompile(`(src|href|action)="?(https?:|/)|@import|url\(`).FindString(text); found != "" {
		t.Errorf("the page loads %s", found)
	}
	if strings.Contains(text, "<script>alert") || strings.Count(text, "</script>") != 2 {
		t.Error("an email's text is markup")
	}
	if !strings.Contains(text, "script-src &#39;sha256-") && !strings.Contains(text, "script-src 'sha256-") {
		t.Error("no policy for scripts")
	}
}
