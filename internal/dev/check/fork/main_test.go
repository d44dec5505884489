package main

import (
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

// TestForkIsValid, for a deployment too: it calls no example.
func TestForkIsValid(t *testing.T) {
	t.Parallel()
	template, err := forked(shipped.Template())
	if err != nil {
		t.Fatal(err)
	}
	o := lint.Options{
		Deploy: true, Now: time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC),
		Stack: cfn.Options{Parameters: map[string]string{"AllowedHosts": "*.cronbearer.dev"}},
	}
	for _, p := range lint.Template([]byte(template), o) {
		t.Errorf("%d:%d: %s", p.Line, p.Column, p)
	}
}
