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
	c := &cobra.Command{
		Use: "rights [<command>]", Short: "Print the IAM policy that a command needs", GroupID: reference,
		Long: `Print the IAM policy that a command needs, or that all of them need together,
for your stack: the name comes from --stack, CRONBEARER_STACK or samconfig.toml.

No policy reads a stored secret. Anyone who may invoke the caller can make it
call any allowed host with any token of the stack, and cannot read one.

infra/operator.yaml deploys three managed policies made from the same table: to
look, to operate, and to keep tokens.`,
		Example: `  cronbearer rights token set
  cronbearer rights --stack billing`,
		RunE: func(_ *cobra.Command, arguments []string) error {
			permissions := rights.Table()
			if len(arguments) > 0 {
				name := strings.Join(arguments, " ")
				if permissions = rights.Of(name); len(permissions) == 0 {
					return exit.Usagef("no command %q needs an account; these do: %s", name, strings.Join(accountCommands(), ", "))
				}
			}
			stack, err := a.stackName(a.account)
			if err != nil {
				return err
			}
			policy := rights.Policy(permissions, map[string]string{
				"StackName": stack, "AWS::Partition": "aws", "AWS::Region": "*", "AWS::AccountId": "*",
			})
			if a.IO.JSON {
				return a.IO.WriteJSON(rightsDocument{Versioned: view.V1, Policy: policy})
			}
			return a.IO.WriteJSON(policy)
		},
	}
	c.Flags().StringVar(&a.account.Stack, "stack", "", "the `name` of the stack")
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
