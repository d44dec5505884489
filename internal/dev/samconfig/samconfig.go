// Package samconfig reads what SAM CLI has saved of a deployment, samconfig.toml: the stack's name, its region and its
// parameters, by environment. It is for `make deploy` and `make validate`, and writes nothing: the file is SAM CLI's
// and the user's.
package samconfig

import (
	"fmt"
	"maps"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
)

// Config is one environment of samconfig.toml as `sam deploy` reads it: its deploy.parameters over its
// global.parameters. An environment inherits nothing from the default one.
type Config struct {
	Env        string
	Values     map[string]any
	Stack      string // "" if it is not saved
	Parameters map[string]string
}

// Default is the environment that SAM CLI uses unless another is named.
const Default = "default"

// StackName is what `make deploy` names the stack: what is saved or, for a first deployment, a name of the
// environment's own.
func (c Config) StackName() string {
	switch {
	case c.Stack != "":
		return c.Stack
	case c.Env == "" || c.Env == Default:
		return "cronbearer"
	default:
		return "cronbearer-" + c.Env
	}
}

// Read reads an environment of the file. One that is not there is empty, and so is one of a file that is not there, of
// which the error says so.
func Read(path, env string) (Config, error) {
	var file map[string]any
	if _, err := toml.DecodeFile(path, &file); err != nil {
		return Config{Env: env}, fmt.Errorf("%s, where SAM CLI saves its answers: %w", path, err)
	}
	c := Config{Env: env, Values: map[string]any{}}
	for _, command := range []string{"global", "deploy"} {
		maps.Copy(c.Values, table(table(table(file, env), command), "parameters"))
	}
	c.Stack, _ = c.Values["stack_name"].(string)
	c.Parameters = overrides(c.Values["parameter_overrides"])
	return c, nil
}

func table(of map[string]any, name string) map[string]any {
	inner, _ := of[name].(map[string]any)
	return inner
}

// overrides reads parameter_overrides in each form that SAM CLI accepts: Name=value, Name="value" or
// ParameterKey=Name,ParameterValue=value, as one text or a list of them, or a table.
func overrides(v any) map[string]string {
	values := map[string]string{}
	switch v := v.(type) {
	case string:
		for _, word := range words(v) {
			name, value, _ := strings.Cut(word, "=")
			if key, rest, ok := strings.Cut(value, ",ParameterValue="); ok && name == "ParameterKey" {
				name, value = key, rest
			}
			values[name] = value
		}
	case []any:
		for _, item := range v {
			maps.Copy(values, overrides(item))
		}
	case map[string]any:
		for name, value := range v {
			values[name] = fmt.Sprint(value)
		}
	}
	return values
}

// words splits a text at white space that is not in double quotes, and removes the quotes. A backslash takes the next
// character as it is.
func words(text string) []string {
	var list []string
	var word strings.Builder
	quoted, escaped, open := false, false, false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == '"':
			quoted, open = !quoted, true
		case unicode.IsSpace(r) && !quoted:
			if open {
				list = append(list, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteRune(r)
			open = true
		}
	}
	if open {
		list = append(list, word.String())
	}
	return list
}
