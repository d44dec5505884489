package oauth

import (
	"crypto/rand"
	"errors"
	"maps"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/keys"
)

// JWT is a JSON Web Token that is signed here: the token itself, or what a login presents.
type JWT struct {
	Key      *keys.Key
	Claims   jwt.MapClaims // except those that differ for each token
	Lifetime time.Duration
}

// MinLifetime is the shortest lifetime of a JWT that is obtained here.
const MinLifetime = time.Minute

// jwtEarly is how far iat is backdated: GitHub recommends a minute to allow for clock drift.
const jwtEarly = time.Minute

// Sign returns a JWT as a token. The error is an *Error.
func (c *Client) Sign(j *JWT) (Granted, error) {
	now := c.now()
	signed, err := c.signJWT(j, now)
	if err != nil {
		return Granted{}, permanent("the secret's", "jwt", "could not be signed: %s", err)
	}
	return Granted{Token: c.scrub.Keep(signed), Asked: now, Expiry: now.Add(j.Lifetime)}, nil
}

// signJWT signs a token with a jti of its own. The user's claims are copied over these three, but can never replace
// them: package token rejects such claims.
func (c *Client) signJWT(j *JWT, now time.Time) (string, error) {
	claims := jwt.MapClaims{"jti": rand.Text(), "iat": now.Add(-jwtEarly).Unix(), "exp": now.Add(j.Lifetime).Unix()}
	maps.Copy(claims, j.Claims)
	signed, err := j.Key.Sign(claims)
	c.scrub.Add(signed)
	if err == nil && len(signed) > bearer.MaxLength {
		err = errors.New("the signed JWT is longer than 8192 bytes: jwt.claims is too large")
	}
	return signed, err
}
