package cli

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/awsapi"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/invoke"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/local"
	"github.com/cronbearer/cronbearer/internal/dev/samconfig"
)

// AccountOptions are the flags of the commands that need an account.
type AccountOptions struct {
	Profile, Region, Stack string
	// Local is the address of a simulated account.
	Local string
}

// localAddress is where `cronbearer dev` listens unless it is set otherwise.
const localAddress = "http://127.0.0.1:7341"

// needsAccount adds to a command the flags of an account.
func (a *App) needsAccount(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(
		&a.account.Stack, "stack", "", "the `name` of the stack (CRONBEARER_STACK, then samconfig.toml)",
	)
	return a.readsAccount(c)
}

// readsAccount adds those of an account without a stack.
func (a *App) readsAccount(c *cobra.Command) *cobra.Command {
	flags := c.Flags()
	flags.StringVar(&a.account.Profile, "profile", "", "the `name` of an AWS profile (AWS_PROFILE)")
	flags.StringVar(&a.account.Region, "region", "", "the AWS `Region` (AWS_REGION)")
	flags.StringVar(&a.account.Local, "local", "", "use the account of a running cronbearer dev (CRONBEARER_LOCAL)")
	flags.Lookup("local").NoOptDefVal = localAddress
	return c
}

// dial returns AWS's clients, or those of a simulated account.
func dial(ctx context.Context, o AccountOptions, command string) (account.Clients, error) {
	if o.Local != "" {
		return local.Dial(ctx, o.Local, command)
	}
	return awsapi.New(ctx, awsapi.Options{Profile: o.Profile, Region: o.Region})
}

// session is an open account: the clients of one command, and the stack.
type session struct {
	account.Clients

	Stack   *account.Stack
	command string
	now     func() time.Time
}

// accountDocument is embedded in the JSON document of a command that needs an account.
type accountDocument struct {
	Stack     string `json:"stack"`
	Account   string `json:"account"`
	Region    string `json:"region"`
	Principal string `json:"principal"`
}

func (s *session) document() accountDocument {
	return accountDocument{
		Stack: s.Stack.Name, Account: s.Stack.AccountID, Region: s.Stack.Region, Principal: s.Stack.Principal,
	}
}

// open finds the stack and says where it is: the first line for people, on standard error when the output is piped.
func (a *App) open(ctx context.Context, c *cobra.Command) (*session, error) {
	stack, err := a.stackName(a.account)
	if err != nil {
		return nil, err
	}
	s, err := a.connect(ctx, strings.TrimPrefix(c.CommandPath(), "cronbearer "))
	if err != nil {
		return nil, err
	}
	if s.Stack, err = account.FindStack(ctx, s.Clients, stack); err != nil {
		return nil, s.explained(err)
	}
	a.sayWhere(s, s.Stack.Where())
	return s, nil
}

// connect opens the account for a command, as the table of rights names it.
func (a *App) connect(ctx context.Context, command string) (*session, error) {
	options := a.account
	options.Local = cmp.Or(options.Local, a.Getenv("CRONBEARER_LOCAL"))
	clients, err := a.Dial(ctx, options, command)
	if err != nil {
		return nil, err
	}
	s := &session{Clients: clients, command: command, now: a.Now}
	if clients.Now != nil {
		s.now = clients.Now
	}
	return s, nil
}

// sayWhere says where a command works.
func (a *App) sayWhere(s *session, where string) {
	if s.Simulated {
		where += " (simulated)"
	}
	if a.IO.OutTTY && !a.IO.JSON {
		a.IO.Println(where)
	} else {
		a.IO.Notef("%s", where)
	}
}

// stackName returns the name of the stack: the flag, CRONBEARER_STACK, samconfig.toml, in that order.
func (a *App) stackName(o AccountOptions) (string, error) {
	if name := cmp.Or(o.Stack, a.Getenv("CRONBEARER_STACK")); name != "" {
		return name, nil
	}
	saved, err := samconfig.Read(a.samconfigPath(), a.Env)
	if err != nil && !isNotExist(err) {
		return "", &exit.Error{Status: exit.No, Code: "SamconfigUnreadable", Text: err.Error(), Err: err}
	}
	return saved.StackName(), nil
}

// samconfigPath returns the path of the samconfig.toml next to the template.
func (a *App) samconfigPath() string {
	return filepath.Join(filepath.Dir(a.Template), "samconfig.toml")
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// explained adds who was denied, and which command prints the policy.
func (s *session) explained(err error) error {
	if e, ok := errors.AsType[*exit.Error](err); ok && e.Code == "AccessDenied" {
		who := ""
		if s.Stack != nil {
			who = " (you are " + s.Stack.Principal + ")"
		}
		e.Text += who + "."
		e.Fix = "The policy: cronbearer rights " + s.command
	}
	return err
}

// invoke runs an event. How long it took on a virtual clock says nothing, so it is left out there.
func (s *session) invoke(ctx context.Context, event []byte) (invoke.Result, error) {
	r, err := invoke.Run(ctx, s.Lambda, s.Stack, event)
	if s.Simulated {
		r.DurationMS = 0
	}
	return r, s.explained(err)
}
