package config_test

import (
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/config"
)

func TestNamespaceIsOneThatCloudWatchStores(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]bool{
		"Cronbearer": true, "a": true, "a.b-c_d/e#f:g h": true, strings.Repeat("a", 255): true, "aws": true, "AWSx/y": true,
		"": false, strings.Repeat("a", 256): false, ":a": false, "AWS/Lambda": false, "aws/lambda": false, " ": false,
		"a\nb": false, "ä": false, "a$b": false,
	} {
		if err := config.CheckNamespace(name); (err == nil) != good {
			t.Errorf("%q: %v, want it good: %t", name, err, good)
		}
	}
}

func TestStackNameIsADimensionValueThatCloudWatchStores(t *testing.T) {
	t.Parallel()
	for value, good := range map[string]bool{
		"stack-1": true, "a b": true, strings.Repeat("a", 1024): true,
		"": false, "  ": false, ":a": false, "ä": false, "a\tb": false, strings.Repeat("a", 1025): false,
	} {
		if err := config.CheckDimensionValue(value); (err == nil) != good {
			t.Errorf("%q: %v, want it good: %t", value, err, good)
		}
	}
}
