//go:build race

package awssimtest

// RaceEnabled reports whether the race detector watches the tests, and so the binaries.
const RaceEnabled = true
