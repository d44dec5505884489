// Package shipped holds the project's own copy of template.yaml.
//
// The template at the top of the repository belongs to the user, who writes tokens, jobs and whatever else into it. So
// the project's tests, the demo and the generated pages read this copy, and only the linter (package lint) reads the
// user's file. `make copy` refreshes the copy after a change of the shipped template; a test holds the two together in
// the project's own CI, which sets UPSTREAM=1.
package shipped

import _ "embed"

// Path is where the copy lies, from the top of the repository.
const Path = "internal/dev/shipped/template.yaml"

//go:embed template.yaml
var template string

// Template returns the text of the copy.
func Template() string { return template }
