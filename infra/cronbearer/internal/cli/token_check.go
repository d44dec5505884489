package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/secret"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/hosts"
)

type tokenCheckDocument struct {
	view.Versioned

	Kind      string           `json:"kind,omitempty"      jsonschema:"absent if it cannot be read"`
	Bytes     int              `json:"bytes"`
	JWT       bool             `json:"jwt"`
	Issuer    string           `json:"issuer,omitempty"`
	From      string           `json:"from,omitempty"      jsonschema:"the host from which tokens are obtained"`
	ExpiresAt *time.Time       `json:"expiresAt,omitempty" jsonschema:"absent if it is not known"`
	Hosts     []string         `json:"hosts,omitempty"     jsonschema:"absent: those of AllowedHosts"`
	Removed   []string         `json:"removed"`
	Warnings  []secret.Problem `json:"warnings"`
	Problems  []secret.Problem `json:"problems"`
}

// tokenCheckOptions are the flags of token check.
type tokenCheckOptions struct{ key, of string }

func newTokenCheckCommand(a *App) *cobra.Command {
	o := &tokenCheckOptions{}
	c := &cobra.Command{
		Use: "check <file>", Short: "Say what the caller would understand of a secret", Args: arguments("<file>"),
		Long: `Read a secret with the caller's own parser before it is stored, and say what it
would understand: the kind, the issuer, the expiry and the hosts, what it would
remove, and every mistake with its fix. Nothing is stored, no request is made,
and no value is printed. <file> is - for standard input.

A token that another application keeps in a JSON secret is found by its Key: the
name of a member, or a JSON pointer. With --of a token of the template, Key is
the template's, and the jobs are named that call a host which the secret does
not allow.`,
		Example: `  cronbearer token check secret.json
  cronbearer token check - < token.txt
  cronbearer token check vault.json --key /data/token
  cronbearer token check secret.json --of ExampleApi`,
		RunE: func(_ *cobra.Command, files []string) error { return a.tokenCheck(files[0], *o) },
	}
	flags := c.Flags()
	flags.StringVar(&o.key, "key", "", "the `Key` of the token in the template")
	flags.StringVar(&o.of, "of", "", "the `name` of the token in the template")
	c.MarkFlagsMutuallyExclusive("key", "of")
	a.describes("token check", tokenCheckDocument{})
	return c
}

func (a *App) tokenCheck(file string, o tokenCheckOptions) error {
	data, err := a.readSecret(file)
	if err != nil {
		return err
	}
	key := o.key
	if o.of != "" {
		if key, err = a.keyOf(o.of); err != nil {
			return err
		}
	}
	r := secret.Read(data, key, a.Now())
	if o.of != "" && r.Hosts != nil {
		if err := a.addNotAllowed(&r, o.of); err != nil {
			return err
		}
	}
	if a.IO.JSON {
		err = a.IO.WriteJSON(tokenCheckDocument{
			Versioned: view.V1, Kind: r.Kind, Bytes: r.Bytes, JWT: r.JWT, Issuer: r.Issuer, From: r.From,
			ExpiresAt: moment(r.Expires), Hosts: entries(r.Hosts), Removed: append([]string{}, r.Removed...),
			Warnings: append([]secret.Problem{}, r.Warnings...), Problems: append([]secret.Problem{}, r.Problems...),
		})
	} else {
		a.printSecret(r, key)
	}
	if err == nil && len(r.Problems) > 0 {
		return exit.Silent(exit.No)
	}
	return err
}

// readSecret reads a file, or standard input. No error repeats the argument: it may be the token itself.
func (a *App) readSecret(file string) ([]byte, error) {
	const limit = secret.MaxBytes + 1
	if file == "-" {
		if a.IO.InTTY {
			return nil, exit.Usagef("standard input is a terminal, which would show the secret: name a file, or pipe it")
		}
		data, err := io.ReadAll(io.LimitReader(a.IO.In, limit))
		if err != nil {
			return nil, exit.Failed("SecretUnreadable", "standard input cannot be read")
		}
		return data, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, notOpened(err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, notOpened(err)
	}
	return data, nil
}

func notOpened(err error) error {
	e := exit.Failed("SecretUnreadable", "the file cannot be read")
	if errors.Is(err, fs.ErrNotExist) {
		e.Text = "there is no such file"
		e.Fix = "if the argument was the token itself: it is in the shell's history now, so revoke it"
	} else if path, ok := errors.AsType[*fs.PathError](err); ok {
		e.Text += ": " + path.Err.Error()
	}
	return e
}

// keyOf is the Key of a token of the template.
func (a *App) keyOf(name string) (string, error) {
	data, err := a.ReadTemplate()
	if err != nil {
		return "", err
	}
	stack, _ := cfn.Parse(data, cfn.Options{Guess: true})
	if stack == nil {
		e := exit.Failed("InvalidTemplate", "%s cannot be read", a.Template)
		e.Fix = "cronbearer check"
		return "", e
	}
	row, ok := stack.Mappings["Tokens"][name]
	if !ok {
		return "", exit.Failed("NoSuchToken", "%s has no token of that name", a.Template)
	}
	key, _ := row["Key"].(string)
	return key, nil
}

// addNotAllowed adds the jobs that call a host which the secret does not allow.
func (a *App) addNotAllowed(r *secret.Report, name string) error {
	problems, err := lint.File{Path: a.Template, Env: a.Env, Options: lint.Options{
		Now: a.Now(), SecretHosts: map[string]hosts.List{name: *r.Hosts},
	}}.NotAllowed(name)
	for _, p := range problems {
		r.Warnings = append(r.Warnings, secret.Problem{Text: p.Where() + ": " + p.Text, Fix: p.Fix})
	}
	if err != nil {
		return unreadable(err)
	}
	return nil
}

// printSecret prints a report, a line each for programs.
func (a *App) printSecret(r secret.Report, key string) {
	if r.Kind != "" {
		a.field("understood", understood(r, key))
	}
	for _, what := range r.Removed {
		a.field("removed", what)
	}
	if r.Kind != "" {
		a.field("expires", a.expires(r))
		a.field("goes to", destination(r.Hosts))
	}
	for _, p := range r.Warnings {
		a.problem("warning", p)
	}
	for _, p := range r.Problems {
		a.problem("error", p)
	}
	if len(r.Problems) > 0 {
		a.IO.Notef("The caller could not use this secret: %s.", view.Count(len(r.Problems), "mistake"))
	}
}

// secretMargin is where the values begin, for people.
const secretMargin = 12

func (a *App) field(name, value string) {
	if !a.IO.OutTTY {
		a.IO.Println(name + "\t" + value)
		return
	}
	wrapped := strings.TrimLeft(view.Wrap(value, secretMargin, a.IO.TextWidth()), " ")
	a.IO.Println(name + strings.Repeat(" ", secretMargin-utf8.RuneCountInString(name)) + wrapped)
}

func (a *App) problem(severity string, p secret.Problem) {
	text := p.Text
	switch {
	case p.Fix == "":
	case a.IO.OutTTY:
		text += "\nFix: " + p.Fix
	default:
		text += ": " + p.Fix
	}
	a.field(severity, text)
}

// understood says in words how the caller understands a secret.
func understood(r secret.Report, key string) string {
	value := fmt.Sprintf("a token of %d bytes", r.Bytes)
	if r.JWT {
		value = fmt.Sprintf("a JWT of %d bytes", r.Bytes)
	}
	if r.Issuer != "" {
		value += ", issued by " + r.Issuer
	}
	return map[string]string{
		secret.PlainText:   value + ", in plain text",
		secret.InJSON:      value + ", in JSON",
		secret.Member:      value + ", at Key " + key,
		secret.OAuth2:      "how the caller obtains a token from " + r.From + " (oauth2)",
		secret.Login:       "how the caller obtains a token from " + r.From + " (login)",
		secret.JWT:         "how the caller signs a token (jwt)",
		secret.AWSIdentity: "how the caller obtains a token from AWS (aws_identity)",
		secret.Refreshed:   value + ", which the rotator renews at " + r.From + " (refresh_token)",
		secret.Rotated:     value + ", which the rotator renews at " + r.From + " (rotate)",
	}[r.Kind]
}

func (a *App) expires(r secret.Report) string {
	switch {
	case r.Expires.IsZero():
		return "not known: write expires_at, and an alarm warns before"
	case a.IO.OutTTY:
		const day = 24 * time.Hour
		text := r.Expires.In(a.IO.Zone).Format("2 Jan 2006 15:04 MST")
		if left := r.Expires.Sub(a.Now()); left >= day {
			text += ", in " + view.Count(int(left/day), "day")
		}
		return text
	default:
		return r.Expires.UTC().Format(time.RFC3339)
	}
}

func destination(list *hosts.List) string {
	switch {
	case list == nil:
		return "the hosts of AllowedHosts, as the secret names none"
	case len(list.Entries()) == 0:
		return "nowhere: its hosts are empty"
	default:
		return strings.Join(list.Entries(), ", ") + ", and nowhere else"
	}
}

func entries(list *hosts.List) []string {
	if list == nil {
		return nil
	}
	return list.Entries()
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
