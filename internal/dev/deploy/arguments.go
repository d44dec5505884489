package main

import "github.com/cronbearer/cronbearer/internal/dev/samconfig"

// config is the environment that is deployed.
type config struct{ samconfig.Config }

// arguments are what `sam deploy` needs to know, as the environment has not saved it.
func (c config) arguments(env string) []string {
	list := []string{"deploy", "--config-env", env, "--language-extensions"}
	_, bucket := c.Values["s3_bucket"]
	_, resolved := c.Values["resolve_s3"]
	if !bucket && !resolved {
		list = append(list, "--resolve-s3")
	}
	if _, ok := c.Values["capabilities"]; !ok {
		list = append(list, "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")
	}
	if c.Stack == "" {
		list = append(list, "--stack-name", c.StackName())
	}
	if c.asks() {
		list = append(list, "--guided")
	}
	return list
}

// asks reports whether the answers of a first deployment are still missing.
func (c config) asks() bool { return c.Parameters["AllowedHosts"] == "" }
