package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/rights"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
)

type rightsDocument struct {
	view.Versioned

	Policy rights.Document `json:"policy"`
}

func newRightsCommand(a *App) *cobra.Command {
	var every bool
	c := &cobra.Command{
		Use: "rights [<command>] [--all-stacks]", Short: "Print the IAM policy that a command needs", GroupID: reference,
		Long: `Print the IAM policy that a command needs, or that all of them need together,
for your stack: the name comes from --stack, CRONBEARER_STACK or samconfig.toml.

No policy reads a stored secret. Anyone who may invoke the caller can make it
call any allowed host with any token of the stack, and cannot read one.

infra/operator.yaml deploys three managed policies made from the same table: to
look, to operate, and to keep tokens, in one stack. What looks at every stack of
the account is in none of them: token users, and status --all-stacks.`,
		Example: `  cronbearer rights token set
  cronbearer rights --stack billing
  cronbearer rights status --all-stacks`,
		RunE: func(_ *cobra.Command, arguments []string) error {
			permissions, name := rights.UpTo(rights.KeepTokens), strings.Join(arguments, " ")
			if every {
				if name != "status" {
					return exit.Usagef("--all-stacks is for status")
				}
				name = rights.AllStacks
			}
			if name != "" {
				if permissions = rights.Of(name); len(permissions) == 0 {
					return exit.Usagef("no command %q needs an account; these do: %s", name, strings.Join(accountCommands(), ", "))
				}
			}
			stack, err := a.stackName(a.account)
			if err != nil {
				return err
			}
			policy := rights.Policy(permissions, map[string]string{
				"StackName": rights.StackOf(name, stack), "AWS::Partition": "aws", "AWS::Region": "*", "AWS::AccountId": "*",
			})
			if a.IO.JSON {
				return a.IO.WriteJSON(rightsDocument{Versioned: view.V1, Policy: policy})
			}
			return a.IO.WriteJSON(policy)
		},
	}
	c.Flags().StringVar(&a.account.Stack, "stack", "", "the `name` of the stack")
	c.Flags().BoolVar(&every, "all-stacks", false, "the policy of status --all-stacks")
	a.describes("rights", rightsDocument{})
	return c
}

// accountCommands returns the commands that need an account, in order.
func accountCommands() []string {
	names := map[string]bool{}
	for _, p := range rights.Table() {
		for _, c := range p.Commands {
			names[c] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
