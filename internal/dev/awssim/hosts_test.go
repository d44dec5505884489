package awssim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
)

// TestNames: whole host names become names of this machine, nothing else does, and Public is the way back.
func TestNames(t *testing.T) {
	t.Parallel()
	c := awssimtest.Start(t, awssim.Options{NoStarts: true, Hosts: []string{"api.example.com:8443", "www.example.com"}})
	here, other, www := c.Local(host), c.Local("api.example.com:8443"), c.Local("www.example.com")
	if here == other || !strings.HasPrefix(here, "localhost:") || !strings.HasPrefix(other, "localhost:") {
		t.Fatal(here, other)
	}
	cases := map[string]struct{ from, to string }{
		"a URL":        {from: "GET https://api.example.com/v1?x=1", to: "GET https://" + here + "/v1?x=1"},
		"with a port":  {from: "https://api.example.com:8443/v1", to: "https://" + other + "/v1"},
		"another port": {from: "https://api.example.com:8444/v1", to: "https://api.example.com:8444/v1"},
		"below it":     {from: "https://eu.api.example.com/", to: "https://eu.api.example.com/"},
		"above it":     {from: "https://api.example.com.au/", to: "https://api.example.com.au/"},
		"in a sentence": {from: "Calls api.example.com. Then www.example.com, too", to: "Calls " + here +
			". Then " + www + ", too"},
		"in JSON": {from: `{"hosts":["api.example.com","x"],"a":1}`, to: `{"hosts":["` + here +
			`","x"],"a":1}`},
		"nothing to do with it": {from: "2026-11-02T09:00:00Z", to: "2026-11-02T09:00:00Z"},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.Local(k.from); got != k.to {
				t.Errorf("here: %s, want %s", got, k.to)
			}
			if got := c.Public(k.to); got != k.from {
				t.Errorf("in the world: %s, want %s", got, k.from)
			}
		})
	}
}

// TestWildcardHost: a parameter that allows all names of one level allows those that jobs call.
func TestWildcardHost(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]string{"*.example.com": "succeeded", "*.example.net": "invalid_job"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, awssim.Options{Parameters: map[string]string{"AllowedHosts": name}})
			if run := r.invoke(event(nil)); run.Result.Outcome != outcome {
				t.Errorf("%+v: %s", run.Result, run.Message)
			}
		})
	}
}

// TestHost serves a handler of a test's own under a name of the world.
func TestHost(t *testing.T) {
	t.Parallel()
	r := start(t, awssim.Options{Hosts: []string{"other.example.com"}})
	if err := r.Host("third.example.com", http.NotFoundHandler()); err != nil {
		t.Fatal(err)
	}
	if err := r.Host("third.example.com", http.NotFoundHandler()); err == nil {
		t.Error("a host was served twice")
	}
	r.put(`{"token":"` + first + `","hosts":["third.example.com"]}`)
	if run := r.invoke(event(map[string]any{"call": "GET https://third.example.com/"})); run.Result.Status != 404 {
		t.Errorf("%+v: %s", run.Result, run.Message)
	}
}

// TestClock: the binary follows the virtual clock, to the second, wherever that is.
func TestClock(t *testing.T) {
	t.Parallel()
	for _, begin := range []time.Time{
		time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC), time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC),
	} {
		t.Run(begin.Format(time.DateOnly), func(t *testing.T) {
			t.Parallel()
			r := start(t, awssim.Options{Start: begin})
			r.advance(36 * time.Hour)
			r.invoke(event(map[string]any{"call": "GET https://" + host + "/{{scheduledDate}}"}))
			at := begin.Add(36 * time.Hour)
			if q := r.api.Requests()[0]; q.Path != "/"+at.Format(time.DateOnly) {
				t.Errorf("the binary's date: %s", q.Path)
			}
			if d := r.CloudWatch.Data("Heartbeat")[0].Timestamp.Sub(at); d < 0 || d > 30*time.Second {
				t.Errorf("the metric's time is %s off", d)
			}
		})
	}
}
