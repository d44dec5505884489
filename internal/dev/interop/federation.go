package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// elsewhere is an audience that a JWT may have and that no server here is.
const elsewhere = "https://elsewhere.example.com"

// trust makes the server trust the issuer of this cloud's AWS account, whose keys are its own though other clouds have
// the issuer too.
func (w *world) trust() error {
	if w.STS.Issuer() == "" {
		if _, err := w.EnableFederation(); err != nil {
			return fmt.Errorf("enable federation: %w", err)
		}
	}
	keys, err := w.STS.JWKS()
	if err != nil {
		return fmt.Errorf("the keys of STS: %w", err)
	}
	return w.suite.server.setIssuer(w.STS.Issuer(), keys)
}

// trustOwn makes the server trust the check's own issuers.
func (s *suite) trustOwn() (err error) {
	for _, algorithm := range algorithms {
		k := s.keys["issuer-"+algorithm]
		err = errors.Join(err, s.server.setIssuer(issuerOf(k), publicOf(k)))
	}
	return err
}

func issuerOf(k key) string { return "https://" + k.id + ".example.com" }

// role is the subject of AWS's JWTs.
func (w *world) role() string {
	return "arn:aws:iam::" + w.Stack.AccountID + ":role/" + w.Stack.Ref("CallerRole")
}

// unsigned is a subject token that is signed when its trial is run: the servers accept each once. Its issuer is
// issuer-ES256.
type unsigned struct {
	signer   key
	audience string
}

func (u unsigned) sign(s *suite) (string, error) {
	private, err := jwt.ParseECPrivateKeyFromPEM([]byte(u.signer.pem))
	if err != nil {
		return "", fmt.Errorf("a subject token: %w", err)
	}
	now, issuer := time.Now(), s.keys["issuer-ES256"]
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": issuerOf(issuer), "sub": account, "aud": u.audience, "jti": rand.Text(), "iat": now.Unix(),
		"exp": now.Add(10 * time.Minute).Unix(),
	})
	token.Header["kid"] = issuer.id
	signed, err := token.SignedString(private)
	if err != nil {
		return "", fmt.Errorf("a subject token: %w", err)
	}
	s.secrets = append(s.secrets, signed)
	return signed, nil
}

// exchange is a secret of the grant token_exchange.
func (s *suite) exchange(client string, pairs ...any) map[string]any {
	oauth2 := and(
		s.withPassword(client, "basic"), "grant", "token_exchange", "subject_token",
		unsigned{s.keys["issuer-ES256"], s.server.issuer},
	)
	if s.passwords[client] == "" {
		delete(oauth2, "client_secret")
		oauth2["auth"] = "none"
	}
	return and(oauth2, pairs...)
}

// exchangeOfIdentity is one whose subject token AWS signs.
func (s *suite) exchangeOfIdentity() map[string]any {
	oauth2 := s.exchange("basic", "assertion", "aws_identity")
	delete(oauth2, "subject_token")
	return oauth2
}

// bearerOfIdentity is a jwt_bearer whose assertion AWS signs.
func (s *suite) bearerOfIdentity() map[string]any {
	return and(s.withPassword("basic", "basic"), "grant", "jwt_bearer", "assertion", "aws_identity")
}

func (s *suite) awsIdentity(pairs ...any) map[string]any {
	return and(map[string]any{"audience": s.server.issuer, "lifetime": "2m"}, pairs...)
}

// exchanges are the trials of token_exchange whose result is the same with both servers.
func (w *world) exchanges() []trial {
	s := w.suite
	return []trial{
		{
			name: "token_exchange of a trusted issuer's JWT", oauth2: s.exchange("basic"),
			granted: answer{Client: "basic", Account: account},
		},
		{
			name: "token_exchange, auth none", oauth2: s.exchange("public"),
			granted: answer{Client: "public", Account: account},
		},
		{
			name: "token_exchange for an audience, with scope and requested_token_type",
			oauth2: s.exchange(
				"basic", "audience", api, "scope", "reports:read", "requested_token_type",
				"urn:ietf:params:oauth:token-type:access_token",
			),
			granted: answer{Client: "basic", Account: account, Scope: "reports:read", Audience: []string{api}},
		},
		{
			name:    "token_exchange for a resource (RFC 8707), by parameters",
			oauth2:  s.exchange("basic", "parameters", map[string]any{"resource": api}),
			granted: answer{Account: account, Audience: []string{api}},
		},
		{
			name:   "token_exchange for an unknown resource fails: parameters arrive",
			oauth2: s.exchange("basic", "parameters", map[string]any{"resource": elsewhere}), fails: &transientKind,
			words: "invalid_target",
		},
		{
			name:   "token_exchange of a JWT that another key signed fails",
			oauth2: s.exchange("basic", "subject_token", unsigned{s.keys["client-ES256"], s.server.issuer}), fails: &mistakeKind,
			words: "invalid_request",
		},
		{
			name:   "token_exchange of a JWT for another audience fails",
			oauth2: s.exchange("basic", "subject_token", unsigned{s.keys["issuer-ES256"], elsewhere}), fails: &mistakeKind,
			words: "invalid_request",
		},
		{
			name:   "token_exchange of an unknown subject_token_type fails",
			oauth2: s.exchange("basic", "subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), fails: &mistakeKind,
			words: "invalid_request",
		},
		{
			name:   "token_exchange with a wrong client secret is rejected",
			oauth2: s.exchange("basic", "client_secret", "wrong-wrong-wrong"), fails: &rejectedKind, words: "invalid_client",
		},
		{
			name: "token_exchange of a JWT that AWS signed", oauth2: s.exchangeOfIdentity(), identity: s.awsIdentity(),
			granted: answer{Client: "basic", Account: w.role()},
		},
		{
			name:   "token_exchange of a JWT that AWS signed for another audience fails",
			oauth2: s.exchangeOfIdentity(), identity: s.awsIdentity("audience", elsewhere), fails: &mistakeKind,
			words: "invalid_request",
		},
	}
}

// ownToken exchanges an access token of the server's own, which its library verifies itself.
func (w *world) ownToken() []check {
	return []check{{"caller binary: token_exchange of the server's own access token", func(ctx context.Context) error {
		g, err := w.suite.ask(ctx, w.suite.withPassword("body", "body"))
		if err != nil {
			return err
		}
		oauth2 := w.suite.exchange(
			"basic", "subject_token", g.Token.Reveal(), "subject_token_type", "urn:ietf:params:oauth:token-type:access_token",
		)
		if err := w.try(ctx, trial{oauth2: oauth2, granted: answer{Client: "basic", Account: "body"}}); err != nil {
			return err
		}
		return w.try(
			ctx,
			trial{
				oauth2: and(oauth2, "subject_token", "no-token-of-this-server"), fails: &mistakeKind, words: "invalid_request",
			},
		)
	}}}
}
