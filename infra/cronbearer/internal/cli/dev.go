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
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/local"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/sandbox"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/when"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
)

// devOptions are the flags of dev.
type devOptions struct {
	listen, target, once string
	secrets              []string
}

func newDevCommand(a *App) *cobra.Command {
	var o devOptions
	c := &cobra.Command{
		Use: "dev [--target <url>] [--secret <token>=<file>]... [--once <job>]", GroupID: writing, Args: arguments(),
		Short: "Run your own template on this machine, on a clock that you move",
		Long: `Run your own template on this machine: the real functions on a model of AWS, and
a virtual clock that stands still until you move it. The APIs that the jobs call
are invented; with --target your own endpoint receives the calls, and with
--secret a token has your own secret, which is read again when the file changes.
The template is deployed again when it is saved, unless it has mistakes.

The other commands use its account from another shell with --local, so that
they, and the runbooks, can be tried without an AWS account.

Keys at a terminal, or lines on standard input:
` + devKeys() + `
It is a model, not AWS.`,
		Example: `  cronbearer dev
  cronbearer dev --target https://localhost:3000 --secret ExampleApi=token.txt
  cronbearer dev --once HourlySync`,
		RunE: func(c *cobra.Command, _ []string) error { return a.dev(c.Context(), o) },
	}
	flags := c.Flags()
	flags.StringVar(&o.listen, "listen", "127.0.0.1:7341", "the `address` for the other commands, on loopback")
	flags.StringVar(&o.target, "target", "", "the `URL` of your own endpoint, on loopback")
	flags.StringArrayVar(&o.secrets, "secret", nil, "`token=file`: the secret of a token")
	flags.StringVar(&o.once, "once", "", "run one `job`, print its run and stop")
	return c
}

// devVerb is one thing to do, by its key and by its word.
type devVerb struct {
	key        byte
	word, text string
}

var devVerbs = []devVerb{
	{' ', "next", "to the next event"},
	{'h', "hour", "an hour on"},
	{'d', "day", "a day on"},
	{'k', "kill", "kill a token"},
	{'p', "put", "put a new token, or your own secret again"},
	{'5', "break", "let the APIs answer 500, or heal them"},
	{'m', "emails", "show the emails"},
	{'r', "run", "run a job now"},
	{'q', "quit", "stop"},
}

func devKeys() string {
	var b strings.Builder
	for _, v := range devVerbs {
		key := string(v.key)
		if v.key == ' ' {
			key = "space"
		}
		fmt.Fprintf(&b, "  %-6s %-7s %s\n", key, v.word, v.text)
	}
	return b.String()
}

// devSession is a running dev.
type devSession struct {
	app     *App
	options devOptions
	target  *url.URL
	files   map[string]string    // of secrets, by token
	changed map[string]time.Time // of files, by path

	sandbox *sandbox.Sandbox
	account atomic.Pointer[local.Server]
	mu      sync.Mutex
	emails  []sandbox.Event
}

func (a *App) dev(ctx context.Context, o devOptions) error {
	if a.IO.JSON {
		return exit.Usagef("dev prints no JSON; rehearse does")
	}
	d := &devSession{app: a, options: o, files: map[string]string{}, changed: map[string]time.Time{}}
	if err := d.parse(); err != nil {
		return err
	}
	if _, err := a.ReadTemplate(); err != nil {
		return err
	}
	if err := d.deploy(ctx, a.Now().UTC().Truncate(time.Minute)); err != nil {
		return err
	}
	defer func() { _ = d.sandbox.Close() }() // what is left is in the system's folder for what is temporary
	if o.once != "" {
		return d.once(ctx)
	}
	stop, err := d.serve(ctx)
	if err != nil {
		return err
	}
	defer stop()
	return d.loop(ctx)
}

func (d *devSession) parse() error {
	if d.options.target != "" {
		u, err := url.Parse(d.options.target)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !loopback(u.Hostname()) {
			return exit.Usagef("--target must be an http:// or https:// URL on this machine, such as https://localhost:3000")
		}
		d.target = u
	}
	for _, text := range d.options.secrets {
		token, file, ok := strings.Cut(text, "=")
		if !ok || token == "" || file == "" {
			return exit.Usagef("--secret is written <token>=<file>")
		}
		d.files[token] = file
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// deploy runs the template from a time on.
func (d *devSession) deploy(ctx context.Context, start time.Time) error {
	secrets := map[string]string{}
	for token, file := range d.files {
		data, err := d.app.readSecret(file)
		if err != nil {
			return err
		}
		secrets[token] = string(data)
		d.touched(file)
	}
	d.touched(d.app.Template)
	s, err := d.app.sandbox(ctx, sandbox.Options{Start: start, Secrets: secrets, Target: d.target, Observe: d.observe})
	if err != nil {
		return err
	}
	if d.sandbox != nil {
		_ = d.sandbox.Close() // its place is taken
	}
	d.sandbox = s
	d.account.Store(local.NewServer(s.Cloud))
	jobs, tokens := len(s.Jobs()), len(s.Tokens())
	d.say(start, fmt.Sprintf("deployed: %s, %s", view.Count(tokens, "token"), view.Count(jobs, "job")))
	for _, left := range s.PassedOver() {
		d.app.IO.Notef("the model leaves out %s", left)
	}
	return nil
}

// touched remembers a file's time and reports whether it is another one.
func (d *devSession) touched(file string) bool {
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	before, known := d.changed[file]
	d.changed[file] = info.ModTime()
	return known && !info.ModTime().Equal(before)
}

func (d *devSession) say(at time.Time, text string) {
	d.app.IO.Println(at.In(d.app.IO.Zone).Format("Mon 15:04:05") + "  " + text)
}

// observe prints what happens. It is called by the sandbox, one event at a time.
func (d *devSession) observe(e sandbox.Event) {
	switch e.Kind {
	case sandbox.KindRun:
		d.say(e.At, runText(e))
	case sandbox.KindEmail:
		d.mu.Lock()
		d.emails = append(d.emails, e)
		d.mu.Unlock()
		state, _, _ := strings.Cut(e.Subject, ":")
		d.say(e.At, strings.TrimSpace("email "+state+" "+e.Alarm)+" to "+e.Recipient)
	case sandbox.KindFault, sandbox.KindRotation:
		if e.Text != "" {
			d.say(e.At, e.Text)
		}
	}
}

func runText(e sandbox.Event) string {
	status := ""
	if e.Status != 0 {
		status = fmt.Sprintf("%d  ", e.Status)
	}
	if e.Outcome == "" {
		return e.Job + "  " + e.ErrorType
	}
	return strings.TrimSpace(e.Job + "  " + status + e.Outcome + "  " + e.Verdict)
}

// serve answers the other commands.
func (d *devSession) serve(ctx context.Context) (stop func(), err error) {
	host, _, err := net.SplitHostPort(d.options.listen)
	if err != nil || !loopback(host) {
		return nil, exit.Usagef("--listen must be an address on this machine, such as 127.0.0.1:7341")
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", d.options.listen)
	if err != nil {
		e := exit.Failed("NotListening", "%v", err)
		e.Fix = "is another cronbearer dev running? choose another --listen"
		return nil, e
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			d.account.Load().ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = server.Serve(listener) }() // until it is closed
	d.app.IO.Printf("For other shells: export CRONBEARER_LOCAL=http://%s\n", listener.Addr())
	return func() { _ = server.Close() }, nil
}

// pollEvery is how often the template and the secrets are looked at while nothing is typed.
const pollEvery = 500 * time.Millisecond

// loop does what is typed until it is over.
func (d *devSession) loop(ctx context.Context) error {
	verbs := make(chan string)
	ended := make(chan error, 1)
	restore, err := d.read(ctx, verbs, ended)
	if err != nil {
		return err
	}
	defer restore()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return exit.From(ctx.Err())
		case err := <-ended:
			return err
		case <-ticker.C:
			d.reload(ctx)
		case verb := <-verbs:
			d.reload(ctx)
			quit, err := d.do(ctx, verb)
			if err != nil {
				d.app.IO.Println("✗ " + err.Error())
			}
			if quit || ctx.Err() != nil {
				return nil
			}
		}
	}
}

// read passes on what is typed: keys at a terminal, which is in raw mode until restore is called, lines otherwise.
func (d *devSession) read(ctx context.Context, verbs chan<- string, ended chan<- error) (restore func(), err error) {
	file, ok := d.app.IO.In.(*os.File)
	if !ok || !d.app.IO.InTTY {
		go readLines(ctx, d.app.IO.In, verbs, ended)
		return func() {}, nil
	}
	before, err := term.MakeRaw(int(file.Fd()))
	if err != nil {
		return nil, fmt.Errorf("the terminal: %w", err)
	}
	out := d.app.IO.Out
	d.app.IO.Out = &rawWriter{out}
	d.app.IO.Println(devLine())
	go readKeys(ctx, file, verbs, ended)
	return func() {
		d.app.IO.Out = out
		_ = term.Restore(int(file.Fd()), before) // there is nothing else to do about it
	}, nil
}

func devLine() string {
	var parts []string
	for _, v := range devVerbs {
		key := string(v.key)
		if v.key == ' ' {
			key = "space"
		}
		parts = append(parts, key+" "+v.word)
	}
	return "» " + strings.Join(parts, " · ")
}

// rawWriter writes line ends as a terminal in raw mode needs them.
type rawWriter struct{ to io.Writer }

func (w *rawWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, strings.ReplaceAll(string(p), "\n", "\r\n")); err != nil {
		return 0, err
	}
	return len(p), nil
}

func readLines(ctx context.Context, in io.Reader, verbs chan<- string, ended chan<- error) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			select {
			case verbs <- text:
			case <-ctx.Done():
				return
			}
		}
	}
	ended <- lines.Err()
}

func readKeys(ctx context.Context, in io.Reader, verbs chan<- string, ended chan<- error) {
	const interrupt, end = 0x03, 0x04
	key := make([]byte, 1)
	for {
		if _, err := in.Read(key); err != nil || key[0] == interrupt || key[0] == end {
			ended <- nil
			return
		}
		for _, v := range devVerbs {
			if v.key != key[0] {
				continue
			}
			select {
			case verbs <- v.word:
			case <-ctx.Done():
				return
			}
		}
	}
}

// do performs one verb: "next", "hour", "advance 3h", "kill ExampleApi", "run HourlySync" and so on.
func (d *devSession) do(ctx context.Context, line string) (quit bool, err error) {
	verb, name, _ := strings.Cut(line, " ")
	name = strings.TrimSpace(name)
	s := d.sandbox
	const longest = 8 * 24 * time.Hour
	switch verb {
	case "next":
		err = s.Step(ctx, s.Now().Add(longest))
	case "hour":
		err = s.Run(ctx, s.Now().Add(time.Hour))
	case "day":
		err = s.Run(ctx, s.Now().Add(view.Day))
	case "advance":
		duration, ok := when.Duration(name)
		if !ok {
			return false, fmt.Errorf("%q is not a duration: write 90m, 3h, 7d", name)
		}
		err = s.Run(ctx, s.Now().Add(duration))
	case "kill":
		err = d.one(name, s.Tokens(), func(token string) error {
			return s.Apply(sandbox.Fault{Kind: sandbox.Kill, Name: token})
		})
	case "put":
		err = d.one(name, s.Tokens(), d.put)
	case "break":
		err = d.toggle()
	case "emails":
		d.showEmails()
	case "run":
		var jobs []string
		for _, j := range s.Jobs() {
			jobs = append(jobs, j.Name)
		}
		err = d.one(name, jobs, func(job string) error { return d.run(ctx, job) })
	case "quit":
		return true, nil
	default:
		err = fmt.Errorf("there is no %q: next, hour, day, advance <duration>, kill, put, break, emails, run, quit", verb)
	}
	return false, err
}

// one does something with the named thing or, without a name, with the first of all.
func (d *devSession) one(name string, all []string, do func(string) error) error {
	if name == "" && len(all) > 0 {
		name = all[0]
	}
	if slices.Contains(all, name) {
		return do(name)
	}
	return fmt.Errorf("there is no %q; there are %s", name, strings.Join(all, ", "))
}

// put stores a new token, and the user's own secret where there is one.
func (d *devSession) put(token string) error {
	for _, fault := range d.sandbox.On() {
		if fault.Kind == sandbox.Kill && fault.Name == token {
			return d.sandbox.Restore(fault)
		}
	}
	text := ""
	if file, ok := d.files[token]; ok {
		data, err := d.app.readSecret(file)
		if err != nil {
			return err
		}
		text = string(data)
	}
	return d.sandbox.Store(token, text)
}

// toggle lets all APIs answer 500, or heals them.
func (d *devSession) toggle() error {
	healed := false
	var problems []error
	for _, fault := range d.sandbox.On() {
		if fault.Kind == sandbox.ServerError {
			healed = true
			problems = append(problems, d.sandbox.Restore(fault))
		}
	}
	if healed {
		return errors.Join(problems...)
	}
	done := map[string]bool{}
	for _, j := range d.sandbox.Jobs() {
		if j.Host != "" && !done[j.Host] {
			done[j.Host] = true
			problems = append(problems, d.sandbox.Apply(sandbox.Fault{Kind: sandbox.ServerError, Name: j.Host}))
		}
	}
	return errors.Join(problems...)
}

func (d *devSession) showEmails() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.emails) == 0 {
		d.app.IO.Println("no email yet")
	}
	for _, e := range d.emails {
		d.app.IO.Printf(
			"%s  to %s\n%s\n\n%s\n\n", e.At.In(d.app.IO.Zone).Format("Mon 15:04:05"), e.Recipient, e.Subject, e.Text,
		)
	}
}

// run makes a run outside of the job's schedule. The sandbox's observer prints it.
func (d *devSession) run(ctx context.Context, job string) error {
	event, err := d.event(job)
	if err != nil {
		return err
	}
	_, err = d.sandbox.Invoke(ctx, "Caller", event)
	return err
}

func (d *devSession) event(job string) ([]byte, error) {
	s, _, err := d.app.templateStart(job, "")
	if err != nil {
		return nil, err
	}
	return s.Event(d.sandbox.Now()), nil
}

// once runs one job and prints the request, the answer and what the run made of it.
func (d *devSession) once(ctx context.Context) error {
	event, err := d.event(d.options.once)
	if err != nil {
		return err
	}
	if err := d.app.dryRequest(ctx, event, d.sandbox.Now()); err != nil {
		return err
	}
	run, err := d.sandbox.Invoke(ctx, "Caller", event)
	if err != nil {
		return err
	}
	if run.Message != "" {
		d.app.IO.Println(view.Wrap(d.sandbox.Public(run.Message), 0, d.app.IO.TextWidth()))
	}
	if run.Failed {
		return exit.Silent(exit.No)
	}
	return nil
}

// reload deploys a saved template again, and stores a saved secret.
func (d *devSession) reload(ctx context.Context) {
	for token, file := range d.files {
		if d.touched(file) {
			if err := d.put(token); err != nil {
				d.app.IO.Println("✗ " + err.Error())
			}
		}
	}
	if !d.touched(d.app.Template) {
		return
	}
	problems, err := lint.File{Path: d.app.Template, Env: d.app.Env, Options: lint.Options{Now: d.sandbox.Now()}}.Check()
	mistakes := 0
	for _, p := range problems {
		if p.Severity == lint.Mistake {
			mistakes++
			d.app.IO.Println(p.In(d.app.Template))
		}
	}
	if err == nil && mistakes == 0 {
		err = d.deploy(ctx, d.sandbox.Now())
	}
	if err != nil {
		d.app.IO.Println("✗ " + err.Error())
	} else if mistakes > 0 {
		d.app.IO.Println("✗ the template of before stays deployed")
	}
}
