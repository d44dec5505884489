package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/docs/providers"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/invoke"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/secret"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/internal/bearer"
)

type tokenSetDocument struct {
	view.Versioned
	accountDocument

	Token     string     `json:"token"`
	Secret    string     `json:"secret"`
	VersionID string     `json:"versionId"`
	Kind      string     `json:"kind"`
	Bytes     int        `json:"bytes"`
	Removed   []string   `json:"removed"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Hosts     []string   `json:"hosts,omitempty"`
	// PreviousAgeSeconds is the age of the version that was replaced; absent if there was none.
	PreviousAgeSeconds *float64 `json:"previousAgeSeconds,omitempty"`
	// Run is the job that was tried.
	Run *invoke.Result `json:"run,omitempty"`
}

// tokenSetOptions are the flags of token set.
type tokenSetOptions struct {
	file, provider, try string
	yes                 bool
}

func newTokenSetCommand(a *App) *cobra.Command {
	var o tokenSetOptions
	c := &cobra.Command{
		Use: "set <token>", Short: "Store a new token", Args: arguments("<token>"),
		Long: `Store a new token in the secret of a token of the stack. It is typed at a prompt
that shows nothing, or read from a file or standard input (--file -); never from
an argument. The caller's own parser reads it first: what it would reject is not
stored, and what is in the way, such as "Bearer " or a line break, is removed.

It shows the account, what is replaced and how old that is, and asks. The whole
secret is replaced, whatever it holds; the version before stays as AWSPREVIOUS.
A stored value is never read: no policy of the tool has GetSecretValue.

Then it offers to try a job that only reads (GET or HEAD). --try names a job to
run without being asked.

--provider asks field by field for the secret of a provider, from the forms of
docs/providers: entra-id, okta, github and more. A form other than the first of
a page is chosen by its number, as in entra-id/2.`,
		Example: `  cronbearer token set ExampleApi
  cronbearer token set ExampleApi --file token.txt --yes
  cronbearer token set ExampleApi --file - --yes --try HourlySync < token.txt
  cronbearer token set ExampleApi --provider entra-id`,
		RunE: func(c *cobra.Command, names []string) error {
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			return s.explained(a.tokenSet(c.Context(), s, names[0], o))
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.file, "file", "", "read the secret from a `file`, - for standard input")
	flags.StringVar(&o.provider, "provider", "", "ask for the secret of a `provider` field by field")
	flags.StringVar(&o.try, "try", "", "run a `job` afterwards")
	flags.BoolVar(&o.yes, "yes", false, "do not ask")
	c.MarkFlagsMutuallyExclusive("file", "provider")
	a.describes("token set", tokenSetDocument{})
	return a.needsAccount(c)
}

// deployedToken is a token of the stack, as its jobs and its secret show it.
type deployedToken struct {
	name, key string
	jobs      []account.Job
	secret    account.Secret
	alarm     account.Alarm
}

// tokenOf returns the token of a secret that is named in a token's place, by its name in the template, its whole name
// or its ARN: an alarm of a rotation and an error of the rotator know no other. A token of that name comes first.
func (s *session) tokenOf(jobs []account.Job, name string) string {
	found := name
	for _, j := range jobs {
		if j.Token == name {
			return name
		}
		id := s.Stack.SecretID(j.Secret)
		const suffix = len("-AbCdEf") // that Secrets Manager adds to the name in an ARN
		_, ofARN, _ := strings.Cut(name, ":secret:")
		if name == j.Secret || name == id || len(ofARN) == len(id)+suffix && strings.HasPrefix(ofARN, id+"-") {
			found = j.Token
		}
	}
	return found
}

// deployed finds a token by its name.
func (s *session) deployed(ctx context.Context, name string) (deployedToken, error) {
	t := deployedToken{name: name}
	jobs, err := account.FindJobs(ctx, s.Scheduler, s.Stack)
	if err != nil {
		return t, err
	}
	t.name = s.tokenOf(jobs, name)
	if t.jobs, err = s.jobsOf(jobs, t.name); err != nil {
		return t, err
	}
	t.key = t.jobs[0].SecretKey
	if t.secret, err = account.FindSecret(ctx, s.SecretsManager, s.Stack.SecretID(t.jobs[0].Secret)); err != nil {
		return t, err
	}
	alarms, err := account.FindAlarms(ctx, s.CloudWatch, s.Stack)
	for _, one := range alarms {
		if one.Kind == "TokenRejected" && one.Of == t.name {
			t.alarm = one
		}
	}
	return t, err
}

func (a *App) tokenSet(ctx context.Context, s *session, name string, o tokenSetOptions) error {
	t, err := s.deployed(ctx, name)
	if err != nil {
		return err
	}
	if !a.IO.JSON {
		a.IO.Printf("Secret %s\n", t.secret.ID)
	}
	if t.key != "" && o.file == "" {
		return &exit.Error{
			Status: exit.No, Code: "KeyedSecret",
			Text: fmt.Sprintf(
				"the token is the member %s of a secret that may hold more, and a prompt would replace all of it", t.key,
			),
			Fix: "change it where it is kept, or store the whole secret with --file",
		}
	}
	value, err := a.newSecret(ctx, o)
	if err != nil {
		return err
	}
	report, err := a.understand(s, value, t.key)
	if err != nil {
		return err
	}
	if err := a.confirmSet(ctx, s, t, report, o.yes); err != nil {
		return err
	}
	version, err := store(ctx, s, t.secret, normalized(value, report))
	if err != nil {
		return err
	}
	run, tried := a.tryToken(ctx, s, t, o)
	if err := a.reportSet(s, t, report, version, run); err != nil {
		return err
	}
	return tried // the token is stored whatever became of the run, and that was said
}

// newSecret reads the value: from a file, from a form, or at the prompt.
func (a *App) newSecret(ctx context.Context, o tokenSetOptions) ([]byte, error) {
	switch {
	case o.file != "":
		return a.readSecret(o.file)
	case o.provider != "":
		return a.fillForm(ctx, o.provider)
	}
	text, err := a.IO.Secret(ctx, "Paste the token and press Enter; nothing is shown")
	if err != nil {
		return nil, err
	}
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		return nil, exit.Failed("Empty", "nothing was typed")
	case strings.HasPrefix(trimmed, "cronbearer ") || strings.HasPrefix(trimmed, "aws "):
		return nil, exit.Failed("NotAToken", "that is a command, not a token: nothing was stored")
	case strings.HasPrefix(trimmed, "{") && !json.Valid([]byte(trimmed)):
		e := exit.Failed("SeveralLines", "JSON over several lines does not fit a prompt")
		e.Fix = "pass --file <file>, or --file - for standard input"
		return nil, e
	}
	return []byte(text), nil
}

// understand returns what the caller would understand, and rejects what it would.
func (a *App) understand(s *session, value []byte, key string) (secret.Report, error) {
	report := secret.Read(value, key, s.now())
	if !a.IO.JSON {
		a.printSecret(report, key)
	}
	if len(report.Problems) > 0 {
		if a.IO.JSON {
			return report, exit.Failed("InvalidSecret", "the caller could not use this secret: %s", report.Problems[0].Text)
		}
		return report, exit.Silent(exit.No)
	}
	return report, nil
}

// normalized is what is stored: a plain token without what copying added, and JSON as it is.
func normalized(value []byte, r secret.Report) string {
	if r.Kind == secret.PlainText {
		if token, err := bearer.Normalize(string(value)); err == nil {
			return token
		}
	}
	return string(value)
}

// confirmSet says what would be replaced, and asks.
func (a *App) confirmSet(
	ctx context.Context, s *session, t deployedToken, r secret.Report, yes bool,
) error {
	now := s.now()
	question := "Create the secret?"
	if !t.secret.Missing {
		question = "Replace it?"
		if !a.IO.JSON {
			text := "The secret there"
			if !t.secret.Stored.IsZero() {
				text += " was stored " + view.Ago(t.secret.Stored, now)
			} else {
				text += " has no current version"
			}
			if t.alarm.Firing() {
				text += " and has been rejected since " + view.Time(t.alarm.RejectedSince(), now, a.IO.Zone)
			}
			a.IO.Println(view.Wrap(text+".", 0, a.IO.TextWidth()))
		}
	}
	if t.secret.Rotated {
		question = "The rotator renews this secret. " + question
	}
	if !r.Expires.IsZero() && r.Expires.Before(now) {
		question = "The token has expired already. " + question
	}
	if !t.secret.Deleted.IsZero() {
		return &exit.Error{
			Status: exit.No, Code: "SecretDeleted", Text: "the secret is scheduled for deletion",
			Fix: "aws secretsmanager restore-secret --secret-id " + t.secret.ID,
		}
	}
	return a.IO.Confirm(ctx, question, yes)
}

// store writes the value, with an id of its own so that a retry of the SDK stores it once.
func store(ctx context.Context, s *session, there account.Secret, value string) (version string, err error) {
	id := uuid.NewString()
	if there.Missing {
		out, err := s.SecretsManager.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
			Name: &there.ID, SecretString: &value, ClientRequestToken: &id,
		})
		if err != nil {
			return "", account.Explain("secretsmanager:CreateSecret", "secret:"+there.ID, err)
		}
		return aws.ToString(out.VersionId), nil
	}
	out, err := s.SecretsManager.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &there.ID, SecretString: &value, ClientRequestToken: &id,
	})
	if err != nil {
		return "", account.Explain("secretsmanager:PutSecretValue", "secret:"+there.ID, err)
	}
	return aws.ToString(out.VersionId), nil
}

// harmless returns a job that only reads or, if there is none, the first.
func (t deployedToken) harmless() account.Job {
	for _, j := range t.jobs {
		if j.ReadsOnly() {
			return j
		}
	}
	return t.jobs[0]
}

// tryToken runs a job with the new token: the one that --try names, or one that only reads, if the answer is yes.
func (a *App) tryToken(ctx context.Context, s *session, t deployedToken, o tokenSetOptions) (*invoke.Result, error) {
	var job *account.Job
	for _, j := range t.jobs {
		if j.Name == o.try || o.try == "" && j.ReadsOnly() && job == nil {
			job = &j
		}
	}
	switch {
	case o.try != "" && job == nil:
		return nil, exit.Usagef("--try: no job %s uses the token %s", o.try, t.name)
	case job == nil || o.try == "" && !a.IO.CanPrompt():
		return nil, nil
	case o.try == "":
		answer, err := a.IO.Ask(ctx, "Try it with "+job.Name+"? [Y/n]", "--try")
		if answer = strings.ToLower(answer); err != nil || answer != "" && answer != "y" && answer != "yes" {
			return nil, nil //nolint:nilerr // no answer is a no: the token is stored
		}
	}
	event, err := invoke.WithoutMaxAge(job.Event(s.now()))
	if err != nil {
		return nil, err
	}
	r, err := s.invoke(ctx, event)
	if err != nil {
		return nil, err
	}
	return &r, nil
}

func (a *App) reportSet(s *session, t deployedToken, r secret.Report, version string, run *invoke.Result) error {
	if a.IO.JSON {
		d := tokenSetDocument{
			Versioned: view.V1, accountDocument: s.document(), Token: t.name, Secret: t.secret.ID, VersionID: version,
			Kind: r.Kind, Bytes: r.Bytes, Removed: append([]string{}, r.Removed...), ExpiresAt: moment(r.Expires),
			Hosts: entries(r.Hosts), Run: run,
		}
		if !t.secret.Stored.IsZero() {
			d.PreviousAgeSeconds = aws.Float64(s.now().Sub(t.secret.Stored).Truncate(time.Second).Seconds())
		}
		if err := a.IO.WriteJSON(d); err != nil {
			return err
		}
	} else {
		a.printSet(t, version, run)
	}
	if run != nil && !run.OK() {
		return exit.Silent(exit.No)
	}
	return nil
}

func (a *App) printSet(t deployedToken, version string, run *invoke.Result) {
	const enough = 8
	a.IO.Printf(
		"✓ stored, version %s. Jobs use it within 5 minutes, at once after a 401\n", version[:min(enough, len(version))],
	)
	switch {
	case run == nil:
		a.IO.Printf("Next: cronbearer run %s\n", t.harmless().Name)
	case run.OK():
		a.IO.Printf("✓ %s: %s. The alarm clears within two minutes\n", run.Job, run.Line())
	case run.Rejected():
		a.IO.Printf("✗ %s: %s. The new token is rejected, too\n", cmp.Or(run.Job, "the run"), run.Line())
	default:
		a.IO.Printf("✗ %s: %s\n", cmp.Or(run.Job, "the run"), run.Line())
		a.IO.Println(view.Wrap(run.Error, 2, a.IO.TextWidth())) //nolint:mnd // an indent
		if run.TokenVersion != version {
			a.IO.Printf("It may have used the version before. In 5 minutes: cronbearer run %s\n", run.Job)
		}
	}
}

// fillForm asks for what a provider's form leaves open.
func (a *App) fillForm(ctx context.Context, choice string) ([]byte, error) {
	name, number, _ := strings.Cut(choice, "/")
	forms, err := providers.Forms(name)
	if err != nil || len(forms) == 0 {
		return nil, exit.Usagef(
			"--provider: there is no form for %q; there are %s", name, strings.Join(providers.Names(), ", "),
		)
	}
	n := 1
	if number != "" {
		if n, err = strconv.Atoi(number); err != nil || n < 1 || n > len(forms) {
			return nil, exit.Usagef("--provider: %s has the forms 1 to %d", name, len(forms))
		}
	}
	if number == "" && len(forms) > 1 && a.IO.CanPrompt() {
		for i, f := range forms {
			a.IO.Printf("  %d  %s\n", i+1, f.Title)
		}
		answer, err := a.IO.Ask(ctx, "Which form [1]", "--provider "+name+"/<number>")
		if err != nil {
			return nil, err
		}
		if n, err = strconv.Atoi(cmp.Or(answer, "1")); err != nil || n < 1 || n > len(forms) {
			return nil, exit.Failed("NoForm", "there is no form %q", answer)
		}
	}
	text := forms[n-1].Text
	for _, placeholder := range forms[n-1].Placeholders() {
		value, err := a.placeholderValue(ctx, placeholder)
		if err != nil {
			return nil, err
		}
		quoted, err := json.Marshal(value)
		if err != nil { // a string
			return nil, err
		}
		text = strings.ReplaceAll(text, placeholder, string(quoted[1:len(quoted)-1]))
	}
	return []byte(text), nil
}

// placeholderValue asks for the value of one placeholder.
func (a *App) placeholderValue(ctx context.Context, placeholder string) (string, error) {
	name := strings.Trim(placeholder, "<>")
	switch {
	case providers.File(name):
		path, err := a.IO.Ask(ctx, "File with the "+name, "--file")
		if err != nil {
			return "", err
		}
		data, err := a.readSecret(path)
		return string(data), err
	case providers.Secret(name):
		return a.IO.Secret(ctx, name+" (nothing is shown)")
	}
	return a.IO.Ask(ctx, name, "--file")
}
