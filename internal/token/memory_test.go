package token_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// A server that answers with another token of a megabyte each time must not fill the memory of a small function.
//
//nolint:paralleltest // it counts the memory of the process
func TestLargeTokensThatAreRejectedLeaveNoMemoryBehind(t *testing.T) {
	n := 0
	answers := roundTripper(func(r *http.Request) (*http.Response, error) {
		n++
		return respond(r, http.StatusOK, fmt.Sprintf(`{"access_token":"%d-%s"}`, n, strings.Repeat("x", 1<<20-64))), nil
	})
	scrub := &redact.Scrubber{}
	m := token.NewMinter(answers, hosts.List{}, time.Now, scrub)
	v := version(t, "v", clientCredentials(), nil)
	heap := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	for range 12 {
		if _, err := m.Mint(t.Context(), v, redact.Secret{}); err == nil ||
			!strings.Contains(err.Error(), "longer than 8192 bytes") {
			t.Fatalf("got %v", err)
		}
	}
	if kept := int64(heap()) - int64(before); kept > 30<<20 {
		t.Errorf("%d MiB are kept", kept>>20)
	} else {
		t.Logf("%d KiB are kept", kept>>10)
	}
	runtime.KeepAlive(scrub)
}
