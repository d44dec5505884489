package execenv_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cronbearer/cronbearer/internal/clock"
	"github.com/cronbearer/cronbearer/internal/execenv"
)

// wire dials servers in memory, and counts how often.
type wire struct{ dials int }

func (w *wire) transport() *http.Transport {
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		w.dials++
		client, server := net.Pipe()
		go func() {
			defer func() { _ = server.Close() }()
			in := bufio.NewReader(server)
			for {
				if _, err := http.ReadRequest(in); err != nil {
					return
				}
				_, _ = io.WriteString(server, "HTTP/1.1 204 No Content\r\n\r\n")
			}
		}()
		return client, nil
	}}
}

// A frozen environment notices neither the time nor that the other side hung up.
func TestConnectionsAreTrustedAcrossShortPausesOnly(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		pauses []time.Duration
		dials  int
	}{
		"runs in a row":          {pauses: []time.Duration{0, time.Second, time.Second}, dials: 1},
		"thirty seconds between": {pauses: []time.Duration{0, 30 * time.Second}, dials: 1},
		"a longer pause":         {pauses: []time.Duration{0, 30*time.Second + 1}, dials: 2},
		"an hour before a run":   {pauses: []time.Duration{time.Hour, 0}, dials: 1},
		"an hour each time":      {pauses: []time.Duration{time.Hour, time.Hour, time.Hour}, dials: 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				toAWS, toTargets := &wire{}, &wire{}
				e := &execenv.Environment{Clock: clock.New(""), ToAWS: toAWS.transport(), ToTargets: toTargets.transport()}
				for _, pause := range c.pauses {
					time.Sleep(pause) // in the bubble's time
					if err := e.Begin(); err != nil {
						t.Fatal(err)
					}
					for _, transport := range []http.RoundTripper{e.ToAWS, e.ToTargets} {
						get(t, transport)
					}
					e.End()
				}
				e.ToAWS.CloseIdleConnections()
				e.ToTargets.CloseIdleConnections()
				if toAWS.dials != c.dials || toTargets.dials != c.dials {
					t.Errorf("%d connections to AWS and %d to the target, want %d", toAWS.dials, toTargets.dials, c.dials)
				}
			})
		})
	}
}

// The pause is between two runs: a run that takes longer than that does not lose its connections.
func TestLongRunKeepsItsConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		e := &execenv.Environment{Clock: clock.New(""), ToAWS: w.transport(), ToTargets: (&wire{}).transport()}
		for range 2 {
			if err := e.Begin(); err != nil {
				t.Fatal(err)
			}
			get(t, e.ToAWS)
			time.Sleep(10 * time.Minute) // in the bubble's time
			e.End()
		}
		e.ToAWS.CloseIdleConnections()
		if w.dials != 1 {
			t.Errorf("%d connections, want 1", w.dials)
		}
	})
}

func get(t *testing.T, transport http.RoundTripper) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://service.example.com/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}
