// Package version names the release that this tree is, or is on its way to. It is a constant, not a flag of the linker:
// `sam build` compiles a copy of the tree without version control, and two builds of one tree have the same bytes. It
// does not compare versions, and nothing here looks for newer ones.
package version

// Current is a semantic version (semver.org 2.0.0) without a leading v. Between releases it is the next one's with
// -dev. template.yaml has the same in its output Version; go run ./internal/dev/release -set changes both.
const Current = "0.1.0-dev"
