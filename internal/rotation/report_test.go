package rotation_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cronbearer/cronbearer/internal/rotation"
)

// A failure to report a rotation does not change it: the steps and their errors are the same as without it.
func TestReportingChangesNoRotation(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(secret string) error{
		"it panics": func(secret string) error { panic("no schema for " + secret) },
		"it hangs":  func(string) error { time.Sleep(time.Hour); return nil },
		"it fails":  func(string) error { return errors.New("down") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, refreshable)
				p := w.start()
				defer p.close()
				secret := w.sm.Value(current)
				p.fault = func(operation string) error {
					if operation == "PutMetricData" {
						return fault(secret)
					}
					return nil
				}
				before := w.sm.Label(current)
				if err := p.all(); err != nil || w.sm.Label(current) == before {
					t.Errorf("the rotation: %v", err)
				}
				if !strings.Contains(p.out.String(), `"RotationFailed":0`) {
					t.Errorf("the datum is not in the log: %s", p.out)
				}
				w.sm.Rotate()
				w.provider.mu.Lock()
				clear(w.provider.live) // someone revoked the grant
				w.provider.mu.Unlock()
				if _, err := p.do(rotation.CreateSecret); errorName(err) != "ReauthorizationRequiredError" {
					t.Errorf("the rotation that is rejected: %v", err)
				}
				if !strings.Contains(p.out.String(), `"RotationFailed":1`) {
					t.Errorf("the datum is not in the log: %s", p.out)
				}
				time.Sleep(24 * time.Hour) // hanging calls return
			})
		})
	}
}
