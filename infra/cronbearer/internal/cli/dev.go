package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/devsession"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/page"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/render"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/sandbox"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
)

type devOptions struct {
	page                 bool
	target, once, listen string
	secrets              []string
}

func newDevCommand(a *App) *cobra.Command {
	var o devOptions
	c := &cobra.Command{
		Use: "dev [--page] [--target <url>] [--secret <token>=<file>]...", GroupID: writing, Args: arguments(),
		Short: "Run your template on this machine, on a clock that you move",
		Long: `Run your own template with the real functions on a model of AWS, on a clock that
stands still until you move it. It prints what happens: runs, faults, emails.
The template is read again when it is saved; while it has mistakes, they are
printed and the one before runs on. Other commands use the account from another
shell with --local.

At a terminal a key is a command. Without one, each line of standard input is:
` + devsession.Help + `

With --target your own endpoint receives the requests of all jobs in place of
the invented APIs. It is on this machine, and its certificate is not verified.
With --secret a token's secret is your own file, which is stored again when it
changes.

--once runs one job and prints the request without the token, and how it went.
It exits with 1 unless the job succeeded.

It is a model, not AWS.`,
		Example: `  # Any free port
  cronbearer dev --page --listen 127.0.0.1:0
  cronbearer dev --once HourlySync --target https://localhost:3000
  cronbearer dev --once HourlySync`,
		RunE: func(c *cobra.Command, _ []string) error {
			if a.IO.JSON {
				return exit.Usagef("dev has no JSON: run one job with cronbearer run <job> --local --json")
			}
			return a.dev(c.Context(), o)
		},
	}
	flags := c.Flags()
	flags.BoolVar(&o.page, "page", false, "serve a page that shows it, on this machine only")
	flags.StringVar(&o.target, "target", "", "the `url` of your own endpoint")
	flags.StringArrayVar(&o.secrets, "secret", nil, "a secret of your own, as `token=file`, repeatable")
	flags.StringVar(&o.once, "once", "", "run a `job` and print how it went")
	flags.StringVar(&o.listen, "listen", strings.TrimPrefix(localAddress, "http://"), "the `address` of account and page")
	return c
}

func (a *App) dev(ctx context.Context, o devOptions) error {
	target, err := targetURL(o.target)
	if err != nil {
		return err
	}
	secrets := map[string]string{}
	for _, text := range o.secrets {
		token, file, ok := strings.Cut(text, "=")
		if !ok || token == "" || file == "" {
			return exit.Usagef("--secret is written <token>=<file>")
		}
		secrets[token] = file
	}
	if _, err := a.ReadTemplate(); err != nil {
		return err
	}
	d := &devSession{App: a}
	d.session, err = devsession.New(ctx, devsession.Options{
		Template: a.Template, Secrets: secrets, Check: a.mistakes, Event: d.event, Reloaded: d.reloaded,
		Open: func(ctx context.Context, so sandbox.Options) (*sandbox.Sandbox, error) {
			so.Target = target
			return a.sandbox(ctx, so)
		},
		Changed: func() {
			if d.page != nil {
				d.page.Changed()
			}
		},
	}, a.Now().UTC().Truncate(time.Minute))
	if unknown, ok := errors.AsType[*sandbox.UnknownTokenError](err); ok {
		return exit.Usagef("--secret: %v", unknown)
	}
	if err != nil {
		return exit.From(err)
	}
	defer d.session.Close() //nolint:errcheck // what is left is in the system's folder for what is temporary
	if o.once != "" {
		return d.once(ctx, o.once)
	}
	return d.serve(ctx, o, target)
}

// targetURL reads --target.
func targetURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // the invented APIs answer
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, exit.Usagef("--target must be a URL such as https://localhost:3000")
	case (u.Scheme == "https" || u.Scheme == "http") && isLoopback(u.Hostname()):
		return u, nil
	}
	return nil, exit.Usagef("--target must be an http:// or https:// URL on this machine, such as https://localhost:3000")
}

func runText(e sandbox.Event) string {
	if e.Outcome == "" {
		return e.Job + "  " + e.ErrorType
	}
	status := ""
	if e.Status != 0 {
		status = fmt.Sprintf("%d  ", e.Status)
	}
	return strings.TrimSpace(e.Job + "  " + status + e.Outcome + "  " + e.Verdict)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// mistakes are those of `check`, a line each.
func (a *App) mistakes() ([]string, error) {
	problems, err := lint.File{Path: a.Template, Env: a.Env, Options: lint.Options{Now: a.Now()}}.Check()
	var lines []string
	for _, p := range problems {
		if p.Severity == lint.Mistake {
			lines = append(lines, p.In(a.Template))
		}
	}
	return lines, err
}

// devSession prints what happens, line by line.
type devSession struct {
	*App

	session *devsession.Session
	page    *page.Server

	printing sync.Mutex
	quiet    bool // before the first command, and for --once
}

// say prints lines; at a terminal in raw mode a line break does not return the carriage.
func (d *devSession) say(format string, arguments ...any) {
	d.printing.Lock()
	defer d.printing.Unlock()
	text := fmt.Sprintf(format, arguments...)
	if d.IO.InTTY {
		text = strings.ReplaceAll(text, "\n", "\r\n") + "\r"
	}
	d.IO.Println(text)
}

func (d *devSession) event(e sandbox.Event) {
	line := ""
	switch e.Kind {
	case sandbox.KindRun:
		line = runText(e)
	case sandbox.KindEmail:
		state, _, _ := strings.Cut(e.Subject, ":")
		line = "email " + state + " " + e.Alarm + " to " + e.Recipient
	case sandbox.KindRotation:
		line = "rotation of " + e.Token + ": " + e.Outcome
	case sandbox.KindFault:
		line = e.Text
	}
	if line == "" || d.quiet {
		return
	}
	d.say("%s  %s", e.At.In(d.IO.Zone).Format("Mon 15:04:05"), line)
}

func (d *devSession) reloaded(mistakes []string) {
	if len(mistakes) == 0 {
		d.say("%s was read again: %s", d.Template, d.deployed())
		return
	}
	d.say("%s\n%s has mistakes: the one before runs on.", strings.Join(mistakes, "\n"), d.Template)
}

func (d *devSession) deployed() string {
	s := d.session.Sandbox()
	return fmt.Sprintf("%s, %s",
		view.Count(len(s.Tokens()), "token"), view.Count(len(s.Jobs()), "job"))
}

// once runs one job.
func (d *devSession) once(ctx context.Context, job string) error {
	d.quiet = true
	box := d.session.Sandbox()
	schedule, err := render.Find(box.Stack, job)
	if err != nil {
		return exit.Failed("NoJob", "%v", err)
	}
	request, err := render.NewRequest(schedule.Event(box.Now()), box.Now(), idempotencyHeader)
	if err != nil {
		return exit.Failed("InvalidJob", "the caller would reject the event: %v", err)
	}
	d.IO.Printf("%s\n", strings.TrimRight(request.Text(ctx), "\n"))
	run, err := devsession.Run(ctx, box, job)
	if err != nil {
		return exit.From(err)
	}
	d.IO.Println()
	if run.Result.Status != 0 {
		d.IO.Printf("answer   %d %s\n", run.Result.Status, http.StatusText(run.Result.Status))
	}
	d.IO.Printf("verdict  %s\noutcome  %s\n", orDash(run.Result.Verdict), orDash(run.Result.Outcome))
	if run.ErrorType != "" {
		d.IO.Printf("error    %s: %s\n", run.ErrorType, box.Public(run.Message))
	}
	if run.Result.Outcome != "succeeded" {
		return exit.Silent(exit.No)
	}
	return nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// serve answers other shells and the page, and carries commands out until the user quits.
func (d *devSession) serve(ctx context.Context, o devOptions, target *url.URL) error {
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil || !isLoopback(host) {
		return exit.Usagef("--listen must be an address on this machine, such as 127.0.0.1:7341")
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if err != nil {
		e := exit.Failed("AddressInUse", "%v", err)
		e.Fix = "choose another one with --listen 127.0.0.1:0"
		return e
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", d.session)
	address := "http://" + listener.Addr().String()
	if o.page {
		d.page = page.NewServer(d.session.Document, d.session.Do)
		mux.Handle("/", d.page)
	}
	const slow = 10 * time.Second
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: slow, BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go server.Serve(listener) //nolint:errcheck // it ends with Close
	defer server.Close()      //nolint:errcheck // the process ends
	d.IO.Println("The real functions on a model of AWS (not AWS), on a clock of its own.")
	if o.page {
		d.IO.Println("Page " + address)
	}
	d.IO.Printf("For other shells: export CRONBEARER_LOCAL=%s\n", address)
	if target != nil && isLoopback(target.Hostname()) {
		d.IO.Printf("%s receives the requests; its certificate is not verified.\n", target)
	}
	d.IO.Printf("%s  deployed: %s\n", d.session.Sandbox().Now().In(d.IO.Zone).Format("Mon 15:04:05"), d.deployed())
	if file, ok := d.IO.In.(*os.File); ok && d.IO.InTTY {
		return d.keys(ctx, file)
	}
	return d.lines(ctx, o.page)
}

// interval is how often the files are looked at.
const interval = 500 * time.Millisecond

// lines reads a command per line. At the end of the input it quits, unless there is a page to serve.
func (d *devSession) lines(ctx context.Context, stay bool) error {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(d.IO.In); scanner.Scan(); {
			select {
			case lines <- strings.TrimSpace(scanner.Text()):
			case <-ctx.Done():
				return
			}
		}
	}()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return exit.From(ctx.Err())
		case <-ticker.C:
			d.complain(d.session.Reload(ctx))
		case line, open := <-lines:
			switch {
			case !open && stay:
				lines = nil
			case !open, line == "quit":
				return nil
			case line == "emails":
				d.emails()
			case line != "" && !strings.HasPrefix(line, "#"):
				if err := d.session.Do(ctx, line); err != nil {
					d.say("✗ %s: %v", line, err)
				}
			}
		}
	}
}

func (d *devSession) complain(err error) {
	if err != nil {
		d.say("%v", err)
	}
}

func (d *devSession) emails() {
	list := d.session.Emails()
	if len(list) == 0 {
		d.say("No email was sent.")
	}
	for _, e := range list {
		d.say("%s  to %s\n%s\n\n%s\n", e.At.In(d.IO.Zone).Format("Mon 15:04:05"), e.Recipient, e.Subject, e.Text)
	}
}

// keyHelp is printed at the start and for ?.
const keyHelp = "space next event · h hour · d day · k kill token · p put a new token\n" +
	"5 break or heal an API · m emails · r run a job · q quit"

// keys reads a key per command, from a terminal in raw mode, which is restored on every way out.
func (d *devSession) keys(ctx context.Context, file *os.File) error {
	before, err := term.MakeRaw(int(file.Fd()))
	if err != nil {
		return fmt.Errorf("the terminal: %w", err)
	}
	defer term.Restore(int(file.Fd()), before) //nolint:errcheck // there is nothing else to do about it
	pressed := make(chan byte)
	go func() {
		defer close(pressed)
		for one := make([]byte, 1); ; {
			if _, err := io.ReadFull(file, one); err != nil {
				return
			}
			select {
			case pressed <- one[0]:
			case <-ctx.Done():
				return
			}
		}
	}()
	d.say("%s", keyHelp)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return exit.From(ctx.Err())
		case <-ticker.C:
			d.complain(d.session.Reload(ctx))
		case key, open := <-pressed:
			if !open || key == 'q' || key == 0x03 || key == 0x04 { // ^C and ^D
				return nil
			}
			d.press(ctx, key, pressed)
		}
	}
}

func (d *devSession) press(ctx context.Context, key byte, pressed <-chan byte) {
	box := d.session.Sandbox()
	command := ""
	switch key {
	case ' ':
		command = "next"
	case 'h':
		command = "hour"
	case 'd':
		command = "day"
	case 'k':
		command = d.choose("kill", box.Tokens(), pressed)
	case 'p':
		command = d.choose("put", box.Tokens(), pressed)
	case 'r':
		var jobs []string
		for _, j := range box.Jobs() {
			jobs = append(jobs, j.Name)
		}
		command = d.choose("run", jobs, pressed)
	case '5':
		command = d.breakOrHeal(box, pressed)
	case 'm':
		d.emails()
	default:
		d.say("%s", keyHelp)
	}
	if command != "" {
		d.complain(d.session.Do(ctx, command))
		d.say("» %s", d.session.Sandbox().Now().In(d.IO.Zone).Format("Mon 15:04:05"))
	}
}

func (d *devSession) breakOrHeal(box *sandbox.Sandbox, pressed <-chan byte) string {
	command := d.choose("break", box.Hosts(), pressed)
	host := strings.TrimPrefix(command, "break ")
	if slices.Contains(box.On(), sandbox.Fault{Kind: sandbox.ServerError, Name: host}) {
		return "heal " + host
	}
	return command
}

// choose asks for one of several by a key; one alone is not asked for.
func (d *devSession) choose(verb string, names []string, pressed <-chan byte) string {
	const keys = "123456789abcdefghijklmnopqrstuvwxyz"
	if len(names) == 1 {
		return verb + " " + names[0]
	}
	for i, name := range names {
		if i < len(keys) {
			d.say("  %c %s", keys[i], name)
		}
	}
	d.say("%s which?", verb)
	key := <-pressed
	if i := strings.IndexByte(keys, key); key != 0 && i >= 0 && i < len(names) {
		return verb + " " + names[i]
	}
	return ""
}
