package main

import (
	"fmt"
	"os"
	"strings"
)

// marks are the lines between which a part of a document stands that the bench writes.
type marks struct{ begin, end string }

var (
	benchMarks  = marks{"<!-- bench: begin, written by go run ./infra/bench -docs -->", "<!-- bench: end -->"}
	readmeMarks = marks{"<!-- bench: begin, written by go run ./infra/bench -readme -->", "<!-- bench: end -->"}
	sizesMarks  = marks{"<!-- sizes: begin, written by go run ./infra/bench -sizes -docs -->", "<!-- sizes: end -->"}
)

// document puts the text between the marks of a file.
func document(name string, m marks, text string) error {
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(old), m.begin)
	_, after, ends := strings.Cut(rest, m.end)
	if !begins || !ends {
		return fmt.Errorf("%s has no lines %s and %s", name, m.begin, m.end)
	}
	return os.WriteFile(name, []byte(before+m.begin+"\n\n"+strings.TrimSpace(text)+"\n\n"+m.end+after), 0o644) //nolint:gosec // a document that everyone reads
}
