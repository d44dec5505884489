package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrRevision is the error of a revision that git does not have, or that does not have the template.
var ErrRevision = errors.New("no such revision")

// At returns a file as a git revision has it.
func At(ctx context.Context, revision, file string) ([]byte, error) {
	if revision == "" || strings.HasPrefix(revision, "-") || strings.Contains(revision, ":") {
		return nil, fmt.Errorf("%w: %q is not a name of one", ErrRevision, revision)
	}
	folder, name := filepath.Split(file)
	if _, err := git(ctx, folder, "rev-parse", "--quiet", "--verify", revision+"^{commit}"); err != nil {
		return nil, fmt.Errorf("%w: git knows no %q here%w", ErrRevision, revision, err)
	}
	// "./" makes the path relative to the folder (gitrevisions). --no-textconv: the bytes as they are.
	data, err := git(ctx, folder, "show", "--no-textconv", revision+":./"+name)
	if err != nil {
		return nil, fmt.Errorf("%w with %s: %q%w", ErrRevision, name, revision, err)
	}
	return data, nil
}

// said is what git has said of an error.
type said string

func (s said) Error() string {
	if s == "" {
		return ""
	}
	return " (" + string(s) + ")"
}

func git(ctx context.Context, folder string, arguments ...string) ([]byte, error) {
	if folder == "" {
		folder = "."
	}
	var out, errs bytes.Buffer
	arguments = append([]string{"-C", folder}, arguments...)
	c := exec.CommandContext(ctx, "git", arguments...) //nolint:gosec // At checks the revision
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		if _, exited := errors.AsType[*exec.ExitError](err); !exited {
			return nil, said(err.Error())
		}
		first, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
		return nil, said(first)
	}
	return out.Bytes(), nil
}
