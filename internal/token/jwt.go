package token

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/keys"
)

// JWT is a JSON Web Token that is signed here: the token itself, or what a login shows.
type JWT struct {
	key      *keys.Key
	claims   jwt.MapClaims // but for those that each token has of its own
	lifetime time.Duration
}

const (
	defaultLifetime = 10 * time.Minute
	minLifetime     = time.Minute
	maxLifetime     = time.Hour
	// jwtEarly is how far iat is back: GitHub recommends a minute against clocks that differ.
	jwtEarly = time.Minute
)

func (p *secretParser) jwt(object jsondoc.Value) *JWT {
	const where = "jwt."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	j := &JWT{claims: jwt.MapClaims{}, lifetime: p.lifetime(f, where, defaultLifetime)}
	for name, text := range map[string]string{"iss": f.String("issuer"), "sub": f.String("subject")} {
		if text != "" {
			j.claims[name] = text
		}
	}
	switch audience := p.strings(f, where, "audience"); len(audience) {
	case 0:
	case 1:
		j.claims["aud"] = audience[0]
	default:
		j.claims["aud"] = audience
	}
	if claims, ok := f.Object("claims"); ok {
		p.addClaims(j.claims, claims)
	}
	keyID, algorithm := f.String("key_id"), f.String("algorithm")
	if privateKey, ok := p.secretPEM(f, where, "private_key"); ok {
		j.key = p.key(where, privateKey, keyID, algorithm, "")
	} else {
		p.problems.Addf("jwt.private_key is missing: it signs the token")
	}
	return j
}

// lifetime reads a duration from a minute to an hour.
func (p *secretParser) lifetime(f *jsondoc.Fields, where string, def time.Duration) time.Duration {
	text := f.String("lifetime")
	if text == "" {
		return def
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < minLifetime || d > maxLifetime {
		p.problems.Addf("%slifetime must be a duration from 1m to 1h, such as 9m", where)
		return def
	}
	return d
}

// strings reads one string, or a list of strings.
func (p *secretParser) strings(f *jsondoc.Fields, where, name string) []string {
	v, _ := f.Any(name)
	switch {
	case v.Kind <= jsondoc.Null, v.Kind == jsondoc.String && v.Text == "":
		return nil
	case v.Kind == jsondoc.String:
		return []string{v.Text}
	case v.Kind != jsondoc.Array:
		p.problems.Addf("%s%s must be a string or a list of strings, not %s", where, name, v.Kind)
	}
	list := make([]string, 0, len(v.Items))
	for i, item := range v.Items {
		if item.Kind != jsondoc.String || item.Text == "" {
			p.problems.Addf("%s%s: entry %d must be a string", where, name, i+1)
		}
		list = append(list, item.Text)
	}
	return list
}

// addClaims adds the user's claims to those that have members of their own.
func (p *secretParser) addClaims(claims jwt.MapClaims, more jsondoc.Value) {
	p.scrubNamed(more, false)
	for i, m := range more.Members {
		_, set := claims[m.Name]
		switch {
		case set:
			p.problems.Addf("jwt.claims: claim %d is set by another member of jwt: remove one", i+1)
		case m.Name == "iat", m.Name == "exp", m.Name == "jti":
			p.problems.Addf("jwt.claims: %s is set for each token anew: remove it, and write lifetime", m.Name)
		default:
			claims[m.Name] = json.RawMessage(m.Value.AppendJSON(nil, nil))
		}
	}
}

// signJWT signs a token with a jti of its own.
func (x *Exchanger) signJWT(j *JWT, now time.Time) (string, error) {
	claims := jwt.MapClaims{"jti": rand.Text(), "iat": now.Add(-jwtEarly).Unix(), "exp": now.Add(j.lifetime).Unix()}
	maps.Copy(claims, j.claims)
	signed, err := j.key.Sign(claims)
	x.scrub.Add(signed)
	if err == nil && len(signed) > bearer.MaxLength {
		err = errors.New("the signed JWT is longer than 8192 bytes: jwt.claims has too much")
	}
	return signed, err
}
