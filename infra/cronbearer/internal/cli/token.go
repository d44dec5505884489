package cli

import "github.com/spf13/cobra"

func newTokenCommand(a *App) *cobra.Command {
	return group("token <command>", tokens, "Check, store and renew tokens",
		`Check a secret before it is stored, and keep the tokens of the template.

No command prints a token, and none accepts one as an argument: a secret is read
from a file, from standard input, or at a prompt that shows nothing.`,
		newTokenCheckCommand(a),
		newTokenSetCommand(a),
		newTokenShowCommand(a),
		newTokenRotateCommand(a),
		newTokenUsersCommand(a),
	)
}
