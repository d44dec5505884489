package awssim_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// operator does what the text of an error says, to the letter: the commands between backquotes, in their order, with an
// edit of the file that the text asks for between reading and storing.
type operator struct {
	t     *testing.T
	cloud *awssim.Cloud
	files map[string]string
	edit  func(text string) string // of what was read
}

var (
	commands = regexp.MustCompile("`(aws [^`]+)`")
	words    = regexp.MustCompile(`'([^']*)'|(\S+)`)
)

// follow runs the commands of a text; skip leaves out those that are an alternative to one before.
func (o *operator) follow(text string, skip ...string) {
	o.t.Helper()
	found := commands.FindAllStringSubmatch(text, -1)
	for _, command := range found {
		if len(skip) == 0 || !strings.Contains(command[1], skip[0]) {
			o.run(command[1])
		}
	}
}

// run is the AWS CLI, as far as our texts use it. What it does not know fails the test.
func (o *operator) run(command string) {
	o.t.Helper()
	var args []string
	for _, word := range words.FindAllStringSubmatch(command, -1) {
		args = append(args, word[1]+word[2])
	}
	if len(args) < 3 || args[0] != "aws" || args[1] != "secretsmanager" {
		o.t.Fatalf("no command of the CLI: %s", command)
	}
	options, output := map[string]string{}, ""
	for i := 3; i+1 < len(args); i += 2 {
		if args[i] == ">" {
			output = args[i+1]
			continue
		}
		options[args[i]] = args[i+1]
	}
	if len(args)%2 == 0 || options["--region"] != "eu-west-1" {
		o.t.Fatalf("an odd word, or no Region: %s", command)
	}
	id := options["--secret-id"] + options["--name"]
	value, isFile := strings.CutPrefix(options["--secret-string"], "file://")
	if isFile {
		text, there := o.files[value]
		if !there {
			o.t.Fatalf("no file %s for %s", value, command)
		}
		value = text + "\n" // as an editor leaves it
	}
	switch verb := args[2]; verb {
	case "get-secret-value":
		text, ok := o.cloud.Secrets.Value(id, "AWSCURRENT")
		if !ok || output == "" || options["--query"] != "SecretString" || options["--output"] != "text" {
			o.t.Fatalf("nothing to read: %s", command)
		}
		o.files[output] = o.edit(text)
	case "put-secret-value":
		_, there := o.cloud.Secrets.Secret(id)
		if _, err := o.cloud.Secrets.PutStaged(id, value); err != nil || !there || !isFile {
			o.t.Fatalf("%s: %v", command, err)
		}
	case "create-secret":
		if _, there := o.cloud.Secrets.Secret(id); there {
			o.t.Fatalf("it exists: %s", command)
		}
		_, err := o.cloud.Secrets.Put(id, value)
		must(o.t, err)
	case "restore-secret":
		must(o.t, o.cloud.Secrets.Restore(id))
	case "rotate-secret":
		must(o.t, o.cloud.Secrets.RotateSecret(o.t.Context(), id))
	default:
		o.t.Fatalf("unknown command: %s", command)
	}
}

// members changes members of a JSON object: a name such as login.body.password goes inwards.
func members(changes map[string]any) func(string) string {
	return func(text string) string {
		var object map[string]any
		if json.Unmarshal([]byte(text), &object) != nil {
			return "not JSON"
		}
		for name, value := range changes {
			at, path := object, strings.Split(name, ".")
			for _, outer := range path[:len(path)-1] {
				at = at[outer].(map[string]any) //nolint:forcetypeassert // a secret of this test
			}
			at[path[len(path)-1]] = value
		}
		changed, err := json.Marshal(object)
		if err != nil {
			return "not JSON"
		}
		return string(changed)
	}
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func pemOf(key *ecdsa.PrivateKey) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil { // a key of this test
		return err.Error()
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// TestAdviceFixesItsSecretAndNothingElseIsLost: for each kind of token, the run fails, an operator does what its error
// says, and the next run succeeds with a secret that has lost no member.
func TestAdviceFixesItsSecretAndNothingElseIsLost(t *testing.T) {
	t.Parallel()
	object := func(members map[string]any) string {
		text, err := json.Marshal(members)
		must(t, err)
		return string(text)
	}
	const tokenURL = "https://" + issuer + idp.TokenPath
	minted := object(map[string]any{"hosts": []string{host}, "oauth2": map[string]any{
		"grant": "client_credentials", "token_url": tokenURL, "client_id": clientID, "client_secret": clientSecret,
		"scope": "reports",
	}})
	oldKey, newKey := newECKey(t), newECKey(t)
	signed := object(map[string]any{"hosts": []string{host}, "oauth2": map[string]any{
		"grant": "client_credentials", "token_url": tokenURL, "client_id": clientID, "auth": "private_key_jwt",
		"algorithm": "ES256", "key_id": "1", "private_key": pemOf(oldKey),
	}})
	asserted := func(key *ecdsa.PrivateKey, id string) map[string]any {
		return map[string]any{"hosts": []string{host}, "oauth2": map[string]any{
			"grant": "jwt_bearer", "token_url": tokenURL, "issuer": "robot@example.com", "subject": "reports",
			"audience":  "urn:provider",
			"algorithm": "ES256", "key_id": id, "private_key": pemOf(key),
		}}
	}
	loggingIn := func(password string) map[string]any {
		return map[string]any{"hosts": []string{host, issuer}, "login": map[string]any{
			"call": "POST https://" + issuer + "/login", "body": map[string]any{"user": "reports", "password": password},
			"token": "/data/token",
		}}
	}
	signing := func(key *ecdsa.PrivateKey, id string) map[string]any {
		return map[string]any{"hosts": []string{host}, "jwt": map[string]any{
			"issuer": "team", "audience": "reports", "algorithm": "ES256", "key_id": id, "private_key": pemOf(key),
		}}
	}
	client := func(r *rig, secret string) *idp.Server {
		server := idp.New(r.Now)
		must(
			r.t,
			server.Register(
				idp.Client{
					ID: clientID, Auth: idp.AuthBasic, Secret: secret, Grants: []idp.Grant{idp.ClientCredentials},
					Scopes: []string{"reports"},
				},
			),
		)
		return server
	}
	for name, c := range map[string]struct {
		secret  string
		event   map[string]any
		prepare func(r *rig)      // before the secret is stored
		fails   func(r *rig)      // before the first run
		fixed   func(r *rig)      // what the operator does at the provider
		files   map[string]string // what the operator writes
		edit    map[string]any    // what the operator changes in what was read
		skip    string            // an alternative that does not apply
		outcome string
		want    map[string]any // members that the secret has afterwards, in addition to all that it had; nil: plain text
	}{
		"plain text": {
			secret: first, fails: func(r *rig) { r.api.Revoke(first) }, fixed: func(r *rig) { r.api.Accept(second) },
			files: map[string]string{"token.txt": second}, outcome: "token_rejected",
		},
		"JSON": {
			secret: object(
				map[string]any{"token": first, "expires_at": "2030-01-31", "hosts": []string{host}, "test": "GET https://" +
					host + "/me"},
			),
			fails: func(r *rig) { r.api.Revoke(first) }, fixed: func(r *rig) { r.api.Accept(second) },
			edit: map[string]any{"token": second}, outcome: "token_rejected", want: map[string]any{"token": second},
		},
		"member of another program's secret": {
			secret: object(map[string]any{"api_key": first, "user": "u", "note": "hands off"}),
			event:  map[string]any{"secretKey": "api_key"},
			fails:  func(r *rig) { r.api.Revoke(first) }, fixed: func(r *rig) { r.api.Accept(second) },
			edit: map[string]any{"api_key": second}, outcome: "token_rejected", want: map[string]any{"api_key": second},
		},
		"minted, the client lacks rights": {
			secret: minted,
			prepare: func(r *rig) {
				must(r.t, r.Host(issuer, client(r, clientSecret)))
				r.api.Rule(func(upstream.Request) (upstream.Answer, bool) { return upstream.Rejected, true })
			},
			fixed:   func(r *rig) { r.api.Rule(func(upstream.Request) (upstream.Answer, bool) { return upstream.OK, true }) },
			outcome: "token_rejected", want: map[string]any{},
		},
		"minted, the client's secret was replaced": {
			secret: minted,
			prepare: func(r *rig) {
				server := client(r, clientSecret+"-2")
				must(r.t, r.Host(issuer, server))
				r.api.Rule(func(q upstream.Request) (upstream.Answer, bool) { return upstream.OK, server.Valid(q.Token) })
			},
			edit: map[string]any{"oauth2.client_secret": clientSecret + "-2"}, outcome: "token_rejected",
			want: map[string]any{"oauth2": map[string]any{
				"grant": "client_credentials", "token_url": tokenURL, "client_id": clientID, "client_secret": clientSecret + "-2",
				"scope": "reports",
			}},
		},
		"private_key_jwt, the key was replaced": {
			secret: signed,
			prepare: func(r *rig) {
				server := idp.New(r.Now)
				must(r.t, r.Host(issuer, server))
				must(
					r.t,
					server.Register(
						idp.Client{ID: clientID, Auth: idp.AuthPrivateKeyJWT, Keys: []idp.Key{{ID: "2", Public: &newKey.PublicKey}}},
					),
				)
				r.api.Rule(func(q upstream.Request) (upstream.Answer, bool) { return upstream.OK, server.Valid(q.Token) })
			},
			edit: map[string]any{"oauth2.private_key": pemOf(newKey), "oauth2.key_id": "2"}, outcome: "token_rejected",
			want: map[string]any{"oauth2": map[string]any{
				"grant": "client_credentials", "token_url": tokenURL, "client_id": clientID, "auth": "private_key_jwt",
				"algorithm": "ES256", "key_id": "2", "private_key": pemOf(newKey),
			}},
		},
		"jwt_bearer, the key was replaced": {
			secret: object(asserted(oldKey, "1")),
			prepare: func(r *rig) {
				server := idp.New(r.Now)
				must(r.t, r.Host(issuer, server))
				must(
					r.t,
					server.Trust(
						idp.Issuer{
							ID: "robot@example.com", Audience: "urn:provider", Keys: []idp.Key{{ID: "2", Public: &newKey.PublicKey}},
							Life: time.Hour,
						},
					),
				)
				r.api.Rule(func(q upstream.Request) (upstream.Answer, bool) { return upstream.OK, server.Valid(q.Token) })
			},
			edit: map[string]any{"oauth2.private_key": pemOf(newKey), "oauth2.key_id": "2"}, outcome: "token_rejected",
			want: asserted(newKey, "2"),
		},
		"login, the password was replaced": {
			secret: object(loggingIn("fake-password-number-one")),
			prepare: func(r *rig) {
				must(r.t, r.Host(issuer, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					var body struct{ Password string }
					if err := json.NewDecoder(q.Body).Decode(&body); err != nil || body.Password != "fake-password-number-two" {
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					_, _ = io.WriteString(w, `{"data":{"token":"`+second+`"}}`)
				})))
				r.api.Revoke(first)
				r.api.Accept(second)
			},
			edit: map[string]any{"login.body.password": "fake-password-number-two"}, outcome: "token_rejected",
			want: loggingIn("fake-password-number-two"),
		},
		"jwt, the key was replaced": {
			secret: object(signing(oldKey, "1")),
			prepare: func(r *rig) {
				r.api.Rule(func(q upstream.Request) (upstream.Answer, bool) {
					_, err := jwt.NewParser(
						jwt.WithTimeFunc(r.Now), jwt.WithIssuer("team"), jwt.WithAudience("reports"),
					).Parse(q.Token,
						func(*jwt.Token) (any, error) { return &newKey.PublicKey, nil })
					if err != nil {
						return upstream.Rejected, true
					}
					return upstream.OK, true
				})
			},
			edit: map[string]any{"jwt.private_key": pemOf(newKey), "jwt.key_id": "2"}, outcome: "token_rejected",
			want: signing(newKey, "2"),
		},
		"renewed with itself": {
			secret: object(
				map[string]any{"token": first, "hosts": []string{host}, "rotate": map[string]any{"call": "POST https://" +
					host + "/rotate", "token": "/token"}},
			),
			fails: func(r *rig) { r.api.Revoke(first) }, fixed: func(r *rig) { r.api.Accept(second) },
			edit: map[string]any{"token": second}, outcome: "token_rejected", want: map[string]any{"token": second},
		},
		"malformed": {
			secret: object(map[string]any{"token": "two words", "hosts": []string{host}}),
			edit:   map[string]any{"token": first}, outcome: "token_unavailable", want: map[string]any{"token": first},
		},
		"missing": {
			event: map[string]any{"secret": "another"}, secret: first, files: map[string]string{"secret.txt": first},
			skip:    "put-secret-value",
			outcome: "token_unavailable",
		},
		"deleted": {
			secret: first, fails: func(r *rig) { must(r.t, r.Secrets.Delete(r.SecretID(secret))) }, outcome: "token_unavailable",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, awssim.Options{})
			if c.prepare != nil {
				c.prepare(r)
			}
			r.put(c.secret)
			before := object(map[string]any{})
			if text, ok := r.Secrets.Value(r.SecretID(secret), "AWSCURRENT"); ok {
				before = text
			}
			if c.fails != nil {
				c.fails(r)
			}
			failed := r.invoke(event(c.event))
			if failed.Result.Outcome != c.outcome {
				t.Fatalf("%+v\n%s", failed.Result, failed.Message)
			}
			o := &operator{t: t, cloud: r.Cloud, files: map[string]string{}, edit: members(c.edit)}
			maps.Copy(o.files, c.files)
			if c.fixed != nil {
				c.fixed(r)
			}
			if name != "minted, the client lacks rights" { // it has to change nothing in the secret
				skip := []string{}
				if c.skip != "" {
					skip = append(skip, c.skip)
				}
				o.follow(failed.Message, skip...)
			}
			again := r.invoke(event(c.event))
			if again.Result.Outcome != "succeeded" || again.Result.Verdict != "accepted" {
				t.Errorf("after the advice: %+v\n%s\nthe advice: %s", again.Result, again.Message, failed.Message)
			}
			r.lostNothing(before, c.want)
		})
	}
}

// lostNothing compares the secret of plain text, or each member of its object, with what it was before.
func (r *rig) lostNothing(before string, changed map[string]any) {
	r.t.Helper()
	after, ok := r.Secrets.Value(r.SecretID(secret), "AWSCURRENT")
	if !ok {
		r.t.Fatal("the secret has no value")
	}
	if changed == nil {
		if strings.HasPrefix(strings.TrimSpace(after), "{") {
			r.t.Errorf("the plain text became %s", after)
		}
		return
	}
	want, got := map[string]any{}, map[string]any{}
	if json.Unmarshal([]byte(before), &want) != nil || json.Unmarshal([]byte(after), &got) != nil {
		r.t.Fatalf("%s became %s", before, after)
	}
	text, err := json.Marshal(changed)
	must(r.t, err)
	if json.Unmarshal([]byte(r.Local(string(text))), &changed) != nil {
		r.t.Fatal("the changes are not JSON")
	}
	maps.Copy(want, changed)
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("members (-want +got):\n%s", diff)
	}
}

// TestAdviceOnARotatedTokenRunsItsRotation: the access token is dead, the refresh token is not.
func TestAdviceOnARotatedTokenRunsItsRotation(t *testing.T) {
	t.Parallel()
	r := startRenewal(t, awssim.Options{NoStarts: true})
	r.deploy()
	before := r.refreshToken("AWSCURRENT")
	must(t, r.Advance(t.Context(), 2*time.Hour))
	run, err := r.Invoke(t.Context(), "Caller", event(nil))
	must(t, err)
	if run.Result.Outcome != "token_rejected" || strings.Contains(run.Message, "put-secret-value") {
		t.Fatalf("%+v\n%s", run.Result, run.Message)
	}
	o := &operator{t: t, cloud: r.Cloud, files: map[string]string{}}
	o.follow(run.Message)
	again, err := r.Invoke(t.Context(), "Caller", event(nil))
	must(t, err)
	if again.Result.Outcome != "succeeded" {
		t.Errorf("%+v\n%s\n%s", again.Result, again.Message, fmt.Sprint(r.rotator()))
	}
	if after := r.refreshToken("AWSCURRENT"); after == "" || after == before {
		t.Error("the refresh token was not renewed")
	}
}
