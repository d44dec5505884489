package caller

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/token"
)

// message is the error's text: which job, which token, what happened, what to do. It is the text of Lambda's error, the
// log line and the record in the queue of failed runs, so what it must not show is scrubbed by its callers.
func (f finding) message(s secretCommands) string {
	s.isJSON = s.key != "" || f.kind != token.UnknownKind && f.kind != token.PlainText
	name := f.Job
	if name == "" {
		name = "(unknown)"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "job %s: ", name)
	switch f.Outcome {
	case TokenRejected:
		fmt.Fprintf(
			&b, "token %s is rejected: %s.%s %s See docs/runbooks/token-rejected.md", f.Token, f.reason, f.quote(),
			f.advice(s),
		)
	case TokenUnavailable:
		fmt.Fprintf(
			&b, "no token %s to call with: %s. No call was made. %sSee docs/runbooks/token-rejected.md", f.Token, f.reason,
			f.unavailableAdvice(s),
		)
	case TargetFailed, Unreachable:
		says := "It says nothing about token " + f.Token
		if f.missesScope {
			says = fmt.Sprintf(
				"Grant token %s that right at its provider, or call what it may call: a new token with the same rights does not "+
					"help",
				f.Token,
			)
		}
		if f.probed {
			b.WriteString("the probe of its secret: ")
		}
		fmt.Fprintf(
			&b, "%s %s failed: %s.%s %s. See docs/runbooks/failed-runs.md", f.target.Method, f.target.Host(), f.reason,
			f.quote(), says,
		)
	default:
		if f.Token != "" {
			fmt.Fprintf(&b, "token %s: ", f.Token)
		}
		fmt.Fprintf(&b, "the job is not valid: %s. See docs/runbooks/failed-runs.md", f.reason)
	}
	return b.String()
}

// quote returns the target's message about a call that failed.
func (f finding) quote() string {
	if f.said == "" {
		return ""
	}
	return " The target says: " + strings.TrimSuffix(f.said, ".") + "."
}

// advice returns what fixes a rejected token. Only for a plain text secret is it to store a bare token: the JSON of a
// client or of a rotated token holds what a bare token would destroy, as a new version replaces all of it.
func (f finding) advice(s secretCommands) string {
	if s.key != "" {
		return fmt.Sprintf("The token is at Key %s of a JSON secret, which a new version replaces as a whole: read it "+
			"with %s, put a working token there, and store all of it with %s. If another program or AWS renews that secret, "+
			"renew it there instead.",
			jsondoc.Quote(s.key), s.read(), s.storeAll())
	}
	switch f.kind {
	case token.PlainText:
		return fmt.Sprintf(
			"Put a working one, and nothing else, into token.txt and store it with %s.", s.store("token.txt"),
		)
	case token.InJSON:
		return fmt.Sprintf("The secret is JSON, which a new version replaces as a whole: read it with %s, change its "+
			"token (and expires_at, if it has one), and store all of it with %s.",
			s.read(), s.storeAll())
	case token.ClientMinted:
		return s.minted(
			"the client is enabled and has the rights for this call (scope, audience, roles)",
			"client_id, client_secret, auth or scope",
		)
	case token.KeyMinted:
		return s.minted(
			"the client or issuer is enabled, knows the public key, and has the rights for this call (scope, subject, roles)",
			"private_key, key_id, issuer, subject or scope",
		)
	case token.LoginMinted:
		return s.minted("the account or app that login uses is enabled and has the rights for this call", "login")
	case token.Refreshed:
		return fmt.Sprintf("The rotator renews this token: start it with %s or %s. If that fails, re-authorize as "+
			"docs/runbooks/rotation-failed.md says: store no bare token, which would replace the refresh token.",
			s.tool("token rotate", ""), s.command("rotate-secret", ""))
	case token.SelfRenewed:
		return fmt.Sprintf("The rotator renews this token with the token itself, which is impossible with a dead one. If a "+
			"rotation failed, read docs/runbooks/rotation-failed.md first: the secret may hold a new token already. "+
			"Otherwise create one at the provider, read the secret with %s, change its token (and expires_at), and store all "+
			"of it with %s.",
			s.read(), s.storeAll())
	default:
		return s.minted("what it is obtained with is enabled and has the rights for this call", "the secret")
	}
}

// unavailableAdvice returns the commands that make a token available, if there are any. A reason that already says what
// to do gets no more. Every command is safe to run: none overwrites a value that the operator was not told to read
// first.
func (f finding) unavailableAdvice(s secretCommands) string {
	if malformed, ok := errors.AsType[*token.MalformedError](f.err); ok && len(malformed.Problems) > 0 {
		correct := "Read the secret"
		if s.key != "" {
			correct = "Choose another member with Key in template.yaml, or read the secret"
		}
		return fmt.Sprintf("%s with %s, correct it, and store all of it with %s. ", correct, s.read(), s.storeAll())
	}
	if failed, ok := errors.AsType[*oauth.Error](f.err); ok {
		if !failed.Permanent {
			return "The next run tries again. "
		}
		return fmt.Sprintf(
			"If the secret has to change, read it with %s and store all of it with %s. ", s.read(), s.storeAll(),
		)
	}
	api, ok := errors.AsType[smithy.APIError](f.err)
	if !ok {
		return ""
	}
	switch code := api.ErrorCode(); {
	case code == "InvalidRequestException":
		return fmt.Sprintf(
			"Restore it with %s; %s shows what is there. ", s.command("restore-secret", ""), s.tool("token show", ""),
		)
	case code == "ResourceNotFoundException" && !s.isARN():
		return fmt.Sprintf("Store it with %s. Or create it with %s, or store a value with %s. The file holds the token "+
			"alone, or the JSON that docs/providers shows. ",
			s.tool("token set", "--file secret.txt"),
			s.commandFor("create-secret", "--name", "--secret-string file://secret.txt"),
			s.command("put-secret-value", "--secret-string file://secret.txt"))
	default:
		return ""
	}
}

// secretCommands are the shell commands for a job's secret: the operator's tool's, and the AWS CLI's for whoever has no
// other. With an unknown kind the file is called secret.txt, as it may be either.
type secretCommands struct {
	token  string // its name
	id     string // name or ARN
	key    string // of the token in the secret; empty: none
	isJSON bool   // the secret is known to be an object
	stack  string // empty: unknown
	region string // of the function; empty: unknown
}

func (s secretCommands) isARN() bool { return strings.HasPrefix(s.id, "arn:") }

func (s secretCommands) command(verb, rest string) string {
	return s.commandFor(verb, "--secret-id", rest)
}

// commandFor quotes the id: a name may hold what a shell expands (!, =). The Region is written out, as the operator's
// shell may have another default.
func (s secretCommands) commandFor(verb, option, rest string) string {
	words := []string{"aws secretsmanager", verb, option, "'" + s.id + "'"}
	if rest != "" {
		words = append(words, rest)
	}
	if s.region != "" {
		words = append(words, "--region", s.region)
	}
	return "`" + strings.Join(words, " ") + "`"
}

// read writes the secret to a file and not to the terminal, whose scrollback would keep it.
func (s secretCommands) read() string {
	command := s.command("get-secret-value", "--query SecretString --output text")
	return strings.TrimSuffix(command, "`") + " > " + s.file() + "`"
}

func (s secretCommands) storeAll() string { return s.store(s.file()) }

// store replaces the whole secret by a file.
func (s secretCommands) store(file string) string {
	return s.tool("token set", "--file "+file) + " or " + s.command("put-secret-value", "--secret-string file://"+file)
}

// tool is a command of cronbearer, in any folder and with any default Region. The name of a token needs no quotes.
func (s secretCommands) tool(verb, rest string) string {
	words := []string{"cronbearer", verb, s.token}
	if rest != "" {
		words = append(words, rest)
	}
	if s.stack != "" {
		words = append(words, "--stack", s.stack)
	}
	if s.region != "" {
		words = append(words, "--region", s.region)
	}
	return "`" + strings.Join(words, " ") + "`"
}

func (s secretCommands) file() string {
	if s.isJSON {
		return "secret.json"
	}
	return "secret.txt"
}

func (s secretCommands) minted(check, members string) string {
	return fmt.Sprintf("The caller obtains this token itself, so there is none to store: check at the provider that "+
		"%s. If %s has to change, read the secret with %s and store all of it with %s.",
		check, members, s.read(), s.storeAll())
}
