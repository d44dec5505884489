package token

import (
	"encoding/json"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/oauth"
)

// A minute to an hour covers what providers accept: ten minutes at most (GitHub Apps), twenty (App Store Connect), an
// hour (Snowflake's key pairs). Each documents its own limit.
const (
	defaultLifetime = 10 * time.Minute
	maxLifetime     = time.Hour
)

// jwt reads what all tokens of the secret share. What differs for each of them, iat, exp and jti, package oauth adds
// when it signs.
func (p *secretParser) jwt(object jsondoc.Value) *oauth.JWT {
	const where = "jwt."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	j := &oauth.JWT{Claims: jwt.MapClaims{}, Lifetime: p.lifetime(f, where, defaultLifetime)}
	for name, text := range map[string]string{"iss": f.String("issuer"), "sub": f.String("subject")} {
		if text != "" {
			j.Claims[name] = text
		}
	}
	// One audience is a string and not a list of one (RFC 7519 section 4.1.3 allows both): many verifiers expect it.
	switch audience := p.strings(f, where, "audience"); len(audience) {
	case 0:
	case 1:
		j.Claims["aud"] = audience[0]
	default:
		j.Claims["aud"] = audience
	}
	if claims, ok := f.Object("claims"); ok {
		p.addClaims(j.Claims, claims)
	}
	keyID, algorithm := f.String("key_id"), f.String("algorithm")
	if privateKey, ok := p.secretPEM(f, where, "private_key"); ok {
		j.Key = p.key(where, privateKey, keyID, algorithm, "")
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
	if err != nil || d < oauth.MinLifetime || d > maxLifetime {
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

// addClaims adds the user's claims to those that have their own members.
func (p *secretParser) addClaims(claims jwt.MapClaims, more jsondoc.Value) {
	p.scrubNamed(more, false)
	for i, m := range more.Members {
		_, set := claims[m.Name]
		switch {
		case set:
			p.problems.Addf("jwt.claims: claim %d is set by another member of jwt: remove one", i+1)
		case m.Name == "iat", m.Name == "exp", m.Name == "jti":
			p.problems.Addf("jwt.claims: %s is set for each token: remove it, and set lifetime", m.Name)
		default:
			// As it is written: a float64 would change the digits of a long number.
			claims[m.Name] = json.RawMessage(m.Value.AppendJSON(nil, nil))
		}
	}
}
