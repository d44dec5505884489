package crowd_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
)

// together runs n cold callers, every tenth with two runs at once, and returns the errors.
func (s *stage) together(n int) []error {
	callers := make([]*caller.Handler, n)
	for i := range callers {
		callers[i] = s.newCaller()
	}
	// As many connections as this machine can make within the time-outs; AWS has more machines.
	const atOnce = 100
	slots := make(chan struct{}, atOnce)
	failed := make([]error, 2*n)
	var wg sync.WaitGroup
	for i, h := range callers {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			var own sync.WaitGroup
			for run := range runs(i) {
				own.Go(func() { _, failed[2*i+run] = s.run(h, fmt.Sprintf("cold-%d/%d", i, run)) })
			}
			own.Wait()
		})
	}
	wg.Wait()
	return failed
}

// runs of a process.
func runs(process int) int {
	if process%10 == 0 {
		return 2
	}
	return 1
}

// TestThousandColdStarts: each process asks for one token, although two runs may want one at once.
func TestThousandColdStarts(t *testing.T) {
	t.Parallel()
	const processes = 1000
	s := newStage(t)
	s.put(map[string]any{"grant": "client_credentials"}, nil)
	if err := errors.Join(s.together(processes)...); err != nil {
		t.Errorf("runs failed: %.2000s", err)
	}
	if n := s.auth.Count(idp.ClientCredentials); n != (idp.Count{Requests: processes, Granted: processes}) {
		t.Errorf("token requests: %+v", n)
	}
	if n := s.api.Served(); n != processes+processes/10 {
		t.Errorf("%d calls", n)
	}
	s.silent()
}

// TestColdStartsRejected: a client whose secret is wrong is rejected once for each run, so that a provider that
// counts wrong secrets sees no more than it must.
func TestColdStartsRejected(t *testing.T) {
	t.Parallel()
	const processes = 100
	s := newStage(t)
	must(t, s.auth.Register(idp.Client{ID: clientID, Auth: idp.AuthBasic, Secret: "another-secret-at-the-provider"}))
	s.put(map[string]any{"grant": "client_credentials"}, nil)
	for n, err := range s.together(processes) {
		if n%2 == 1 && runs(n/2) == 1 {
			continue // no run
		}
		if rejected, ok := errors.AsType[*caller.TokenRejectedError](err); !ok {
			t.Fatalf("a run ended with %T %v", rejected, err)
		}
	}
	if n := s.auth.Count(idp.ClientCredentials); n.Requests != n.Rejected || n.Requests < processes ||
		n.Requests > processes+processes/10 {
		t.Errorf("token requests: %+v", n)
	}
	if n := s.api.Served(); n != 0 {
		t.Errorf("%d calls without a token", n)
	}
	s.silent()
}
