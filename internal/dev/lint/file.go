package lint

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/samconfig"
)

// File is a template on disk: what `cronbearer check`, make validate and make deploy check.
type File struct {
	Path string
	// Env is the environment of the samconfig.toml next to it. What is saved there counts where nothing is given below.
	Env        string
	Stack      string
	Parameters map[string]string
	// Options are the rest; their Stack is not looked at.
	Options Options
}

// Check returns everything about the template that its owner should know. An error means that it could not look.
func (f File) Check() ([]Problem, error) {
	data, o, err := f.read()
	if err != nil {
		return nil, err
	}
	return Template(data, o), nil
}

// Same compares the template with one that someone else expanded. It returns what differs.
func (f File) Same(expanded string) ([]string, error) {
	_, o, err := f.read()
	if err != nil {
		return nil, err
	}
	return Same(f.Path, expanded, o.Stack), nil
}

// NotAllowed returns the problems of the jobs that call a host which the secret of their token does not allow.
func (f File) NotAllowed(token string) ([]Problem, error) {
	problems, err := f.Check()
	var found []Problem
	for _, p := range problems {
		if p.Severity == Warning && p.Text[:min(len(p.Text), len(notAllowedBy+token))] == notAllowedBy+token {
			found = append(found, p)
		}
	}
	return found, err
}

// Would returns what Check would of other contents of the file.
func (f File) Would(data []byte) ([]Problem, error) {
	o, err := f.options()
	if err != nil {
		return nil, err
	}
	return Template(data, o), nil
}

func (f File) read() ([]byte, Options, error) {
	data, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, f.Options, fmt.Errorf("read the template: %w", err)
	}
	o, err := f.options()
	return data, o, err
}

func (f File) options() (Options, error) {
	o := f.Options
	saved, err := samconfig.Read(filepath.Join(filepath.Dir(f.Path), "samconfig.toml"), cmp.Or(f.Env, samconfig.Default))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return o, err
	}
	o.Stack = cfn.Options{StackName: cmp.Or(f.Stack, saved.StackName()), Parameters: map[string]string{}}
	maps.Copy(o.Stack.Parameters, saved.Parameters)
	maps.Copy(o.Stack.Parameters, f.Parameters)
	return o, nil
}
