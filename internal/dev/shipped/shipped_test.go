package shipped_test

import (
	"os"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

// TestTemplateIsTheCopy fails in the project's own CI only. In a fork the template is the user's, and may be anything.
func TestTemplateIsTheCopy(t *testing.T) {
	t.Parallel()
	template, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case string(template) == shipped.Template():
	case os.Getenv("UPSTREAM") == "":
		t.Skip("template.yaml is not the shipped one: it is its owner's (UPSTREAM=1 makes this a failure)")
	default:
		t.Errorf("template.yaml is not %s: run make copy, and commit both", shipped.Path)
	}
}
