package main

import (
	"fmt"
	"os"
	"strings"
)

// The part of a document that the bench writes stands between these lines.
const (
	markBegin = "<!-- bench: begin, written by go run ./infra/bench -docs -->"
	markEnd   = "<!-- bench: end -->"
)

// document puts the text between the marks of a file.
func document(name, text string) error {
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(old), markBegin)
	_, after, ends := strings.Cut(rest, markEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no lines %s and %s", name, markBegin, markEnd)
	}
	return os.WriteFile(name, []byte(before+markBegin+"\n\n"+strings.TrimSpace(text)+"\n\n"+markEnd+after), 0o644) //nolint:gosec // a document that everyone reads
}
