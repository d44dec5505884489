package environment_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/cronbearer/cronbearer/internal/environment"
)

func TestConfigurationIsReadUntilItIsGood(t *testing.T) {
	t.Parallel()
	reads := 0
	bad := errors.New("STACK_NAME is missing")
	c := environment.NewConfigured(func() (int, error) {
		if reads++; reads < 3 {
			return 0, bad
		}
		return reads, nil
	})
	if reads != 1 {
		t.Errorf("read %d times in the start, want once", reads)
	}
	if _, err := c.Get(); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
	for range 3 {
		if v, err := c.Get(); v != 3 || err != nil {
			t.Errorf("%d, %v: a good configuration is kept", v, err)
		}
	}
}

func TestConfiguredAtOnce(t *testing.T) {
	t.Parallel()
	reads := 0
	c := environment.NewConfigured(func() (int, error) {
		reads++
		return reads, nil
	})
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if v, err := c.Get(); v != 1 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		})
	}
	wg.Wait()
}
