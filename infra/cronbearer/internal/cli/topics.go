package cli

import "github.com/spf13/cobra"

// topics are the pages of help that belong to no command.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{
			Use: "exit-codes", Short: "The exit codes and what they mean",
			Long: `  0    done, or all is well
  1    the answer is no: mistakes were found, a run failed, a drill did not
       reach its reader; with --exit-code also changes, or an alarm in ALARM
  2    the command line is wrong; the usage is on standard error
  3    AWS denied the request or was not reached: no credentials, no
       permission, no stack
  4    a question was answered no, or could not be asked
  130  interrupted`,
		},
		{
			Use: "secrets", Short: "How the tool handles tokens and other secrets",
			Long: `No flag and no argument accepts a secret: those end up in the shell's history
and in the list of processes. A secret is typed at a prompt that shows
nothing, or read from standard input or a file.

The tool never reads a stored value. No policy that it needs has
secretsmanager:GetSecretValue. What it prints about a token comes from the
file or the prompt that it was just given, or from the caller function, which
reports the token's verdict and expiry and never the token.

Tokens that import finds in a crontab or a workflow are written nowhere. The
lines that held them are named, so that you can revoke them.`,
		},
		{
			Use: "json", Short: "The output of --json",
			Long: `With --json a command prints one JSON document to standard output and nothing
else: no progress, no prompt. Each document has "version": 1; within a version
members are only added. Times are RFC 3339 in UTC, durations are seconds.
The JSON Schemas are in docs/cli/schema.

An error is one document on standard error:

  {"error":{"code":"TemplateUnreadable","message":"...","fix":"..."}}

"code" names the kind of error, "action" the AWS action that was denied.`,
		},
	}
}
