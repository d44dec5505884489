package main

import (
	"fmt"
	"maps"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
)

// config is one environment of samconfig.toml as `sam deploy` reads it: its deploy.parameters over its global.parameters. An
// environment inherits nothing from the default one.
type config struct {
	values     map[string]any
	stack      string
	parameters map[string]string
}

func readConfig(path, env string) (config, error) {
	var file map[string]any
	if _, err := toml.DecodeFile(path, &file); err != nil {
		return config{}, fmt.Errorf("read what SAM CLI has saved: %w", err)
	}
	c := config{values: map[string]any{}}
	for _, command := range []string{"global", "deploy"} {
		maps.Copy(c.values, table(table(table(file, env), command), "parameters"))
	}
	c.stack, _ = c.values["stack_name"].(string)
	c.parameters = overrides(c.values["parameter_overrides"])
	return c, nil
}

func table(of map[string]any, name string) map[string]any {
	inner, _ := of[name].(map[string]any)
	return inner
}

// overrides reads parameter_overrides in each form that SAM CLI takes: Name=value, Name="value" or
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

// words splits a text at white space that is not in double quotes, and takes the quotes off. A backslash takes the next
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

// arguments are what `sam deploy` needs to be told, as the environment has not saved it.
func (c config) arguments(env string) []string {
	list := []string{"deploy", "--config-env", env, "--language-extensions"}
	_, bucket := c.values["s3_bucket"]
	_, resolved := c.values["resolve_s3"]
	if !bucket && !resolved {
		list = append(list, "--resolve-s3")
	}
	if _, ok := c.values["capabilities"]; !ok {
		list = append(list, "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")
	}
	if c.stack == "" {
		list = append(list, "--stack-name", stackOf(env))
	}
	if c.asks() {
		list = append(list, "--guided")
	}
	return list
}

// asks reports whether the answers of a first deployment are still missing.
func (c config) asks() bool { return c.parameters["AllowedHosts"] == "" }

func stackOf(env string) string {
	if env == "default" {
		return "cronbearer"
	}
	return "cronbearer-" + env
}
