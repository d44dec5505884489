package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// TestPictureIsCurrent draws the picture again. To renew it: go run ./infra/dashboard/draw > docs/dashboard.svg.
func TestPictureIsCurrent(t *testing.T) {
	t.Parallel()
	picture, err := draw("../../..")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile("../../../docs/dashboard.svg")
	if err != nil {
		t.Fatal(err)
	}
	if picture != string(kept) {
		t.Error("docs/dashboard.svg is another picture: go run ./infra/dashboard/draw > docs/dashboard.svg")
	}
	if len(picture) > 150_000 {
		t.Errorf("the picture has %d bytes", len(picture))
	}
	decoder := xml.NewDecoder(strings.NewReader(picture))
	for err == nil {
		_, err = decoder.Token()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("the picture is no XML: %v", err)
	}
	for _, want := range []string{">Dead tokens<", ">ExampleApi<", ">rejected<", ">ALARM<"} {
		if !strings.Contains(picture, want) {
			t.Errorf("the picture does not show %s", want)
		}
	}
	if strings.Contains(picture, "NaN") || strings.Contains(picture, "Inf") {
		t.Error("the picture has a number that is none")
	}
}

func TestNoTemplates(t *testing.T) {
	t.Parallel()
	if _, err := draw(t.TempDir()); err == nil {
		t.Error("a picture of nothing")
	}
}
