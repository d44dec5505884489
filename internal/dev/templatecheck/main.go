// Command templatecheck is `make validate`: it lists what is wrong with a template, one line a mistake with its place.
// It ends with 1 if there is a mistake, with 2 if it could not look; warnings and notes change nothing. The name of the
// stack and its parameters are those that samconfig.toml has saved for the environment, unless they are given.
//
//	go run ./internal/dev/templatecheck [-env default] [-deploy] [-stack name] [-parameter Name=value]… [-same-as expanded.json] template.yaml
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/dev/samconfig"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, time.Now())) }

type options struct {
	env, stack, sameAs, file string
	deploy                   bool
	parameters               map[string]string
}

func parse(arguments []string, errs io.Writer) (options, error) {
	o := options{parameters: map[string]string{}}
	flags := flag.NewFlagSet("templatecheck", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.BoolVar(&o.deploy, "deploy", false, "also reject hosts that are only examples, and require AllowedHosts")
	flags.StringVar(&o.env, "env", "default", "the `environment` of the samconfig.toml next to the template")
	flags.StringVar(&o.stack, "stack", "", "name of the stack")
	flags.StringVar(&o.sameAs, "same-as", "", "also compare with this `file`, the template as sam_expand.py expands it")
	flags.Func("parameter", "a parameter as `Name=value`; may be given more than once", func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("must be Name=value")
		}
		o.parameters[name] = value
		return nil
	})
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return o, errors.New("one template, please")
	}
	o.file = flags.Arg(0)
	return o, nil
}

func run(arguments []string, out, errs io.Writer, now time.Time) int {
	o, err := parse(arguments, errs)
	if err != nil {
		return 2
	}
	data, err := os.ReadFile(o.file)
	if err != nil {
		fmt.Fprintln(errs, "templatecheck:", err)
		return 2
	}
	stack, err := o.deployedAs()
	if err != nil {
		fmt.Fprintln(errs, "templatecheck:", err)
		return 2
	}
	mistakes := 0
	for _, p := range lint.Template(data, lint.Options{Stack: stack, Deploy: o.deploy, Now: now}) {
		if p.Severity == lint.Mistake {
			mistakes++
		}
		fmt.Fprintln(errs, p.In(o.file))
	}
	if o.sameAs != "" {
		for _, difference := range lint.Same(o.file, o.sameAs, stack) {
			mistakes++
			fmt.Fprintln(errs, difference)
		}
	}
	if mistakes > 0 {
		return 1
	}
	fmt.Fprintln(out, o.file+": no mistakes")
	return 0
}

// deployedAs is what the template is deployed as: what is given, before what is saved.
func (o options) deployedAs() (cfn.Options, error) {
	saved, err := samconfig.Read(filepath.Join(filepath.Dir(o.file), "samconfig.toml"), o.env)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cfn.Options{}, err
	}
	stack := cfn.Options{StackName: cmp.Or(o.stack, saved.Stack, "cronbearer"), Parameters: map[string]string{}}
	maps.Copy(stack.Parameters, saved.Parameters)
	maps.Copy(stack.Parameters, o.parameters)
	return stack, nil
}
