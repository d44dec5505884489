package secret

import (
	"regexp"
	"slices"
	"strings"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// fixes are what to do about the parser's problems that do not say it themselves, by words of theirs.
var fixes = []struct{ says, fix string }{
	{"not valid JSON", "correct the JSON at that byte; if it is not JSON, store the token alone, without the brace"},
	{"white space inside", "store the token alone, in one line: not the line of a file or of a command around it"},
	{"not visible ASCII", "copy the token again from its source, as plain text"},
	{"that a token cannot have", "store the token alone, without quotes, commas and angle brackets"},
	{"shorter than", "copy the whole of it"},
	{"longer than", "store the token alone"},
	{"the token is empty", "write the token"},
	{"no token after the word Bearer", "write the token after it"},
	{"a PEM block", "a private key obtains tokens: write it as private_key of jwt or oauth2 (docs/providers)"},
	{"looks like JSON", "write the JSON with its opening brace first, or fill in the placeholder"},
	{"appears twice before it", "store the token alone"},
	{"only = signs", "copy the token again from its source"},
	{"there is no string at Key", "write one of these names as Key, or a JSON pointer such as /data/token"},
	{"duplicate key", "remove one of the two"},
	{"is missing", "add it"},
	{"exclude each other", "keep one"},
	{"must be", "write that"},
	{"must begin", "write that"},
	{"unknown member", "rename it, or remove it"},
}

// commands begin what is pasted by mistake: the command instead of its output.
var commands = []string{"cronbearer ", "aws ", "curl ", "export ", "echo ", "gh ", "az ", "gcloud ", "vault ", "$ "}

func fixFor(problem, text string) string {
	if strings.Contains(problem, "white space inside") && slices.ContainsFunc(commands, func(c string) bool {
		return strings.HasPrefix(strings.ToLower(bearer.TrimBOM(text)), c)
	}) {
		return "that is a command, not a token: store what it prints"
	}
	if strings.Contains(problem, "unknown member expires_in:") || strings.Contains(problem, "unknown member expiresIn:") {
		return untilWhen
	}
	for _, f := range fixes {
		if strings.Contains(problem, f.says) {
			return f.fix
		}
	}
	return ""
}

// meant are the names that others give to members, by their source: their own documentation, their answers, the
// files that their consoles offer. Members that the parser itself treats as typos are not among them.
var meant = map[string]map[string]string{
	"": {
		"access_token":   "token",
		"accessToken":    "token",
		"bearer":         "token",
		"bearer_token":   "token",
		"bearerToken":    "token",
		"id_token":       "token",
		"idToken":        "token",
		"auth_token":     "token",
		"authToken":      "token",
		"api_token":      "token",
		"apiToken":       "token",
		"api_key":        "token",
		"apiKey":         "token",
		"apikey":         "token",
		"pat":            "token",
		"key":            "token",
		"value":          "token",
		"secret":         "token",
		"password":       "token",
		"authorization":  "token",
		"Authorization":  "token",
		"expires":        "expires_at",
		"expiry":         "expires_at",
		"expiration":     "expires_at",
		"exp":            "expires_at",
		"expires_on":     "expires_at",
		"expiresOn":      "expires_at",
		"expiry_date":    "expires_at",
		"expiryDate":     "expires_at",
		"valid_until":    "expires_at",
		"validUntil":     "expires_at",
		"not_after":      "expires_at",
		"notAfter":       "expires_at",
		"expirationDate": "expires_at",
		"expires_in":     "expires_at",
		"expiresIn":      "expires_at",
		"grant_type":     "oauth2.grant",
		"grantType":      "oauth2.grant",
		"client_id":      "oauth2.client_id",
		"clientId":       "oauth2.client_id",
		"client_secret":  "oauth2.client_secret",
		"clientSecret":   "oauth2.client_secret",
		"token_url":      "oauth2.token_url",
		"tokenUrl":       "oauth2.token_url",
		"token_uri":      "oauth2.token_url",
		"token_endpoint": "oauth2.token_url",
		"scope":          "oauth2.scope",
		"scopes":         "oauth2.scope",
		"audience":       "oauth2.audience",
		"refresh_token":  "oauth2.refresh_token",
		"refreshToken":   "oauth2.refresh_token",
		"private_key":    "oauth2.private_key",
		"client_email":   "oauth2.issuer",
		"privateKey":     "oauth2.private_key",
		"tenant_id":      "oauth2.token_url",
		"tenantId":       "oauth2.token_url",
		"username":       "login.body",
		"user":           "login.body",
		"rotation":       "rotate",
	},
	"oauth2": {
		"grant_type": "grant", "grantType": "grant", "token_uri": "token_url", "tokenUri": "token_url",
		"token_endpoint": "token_url", "tokenEndpoint": "token_url", "url": "token_url", "uri": "token_url",
		"endpoint": "token_url", "id": "client_id", "app_id": "client_id", "appId": "client_id", "secret": "client_secret",
		"app_secret": "client_secret", "password": "client_secret", "client_auth": "auth", "clientAuth": "auth",
		"auth_method": "auth", "authMethod": "auth", "auth_style": "auth", "authentication": "auth",
		"token_endpoint_auth_method": "auth", "resource": "parameters.resource", "key": "private_key",
		"kid": "key_id", "iss": "issuer", "sub": "subject", "aud": "audience", "alg": "algorithm", "cert": "certificate",
		"refresh": "refresh_token", "client_assertion_type": "auth", "params": "parameters", "extra": "parameters",
	},
	"jwt": {
		"iss": "issuer", "sub": "subject", "aud": "audience", "alg": "algorithm", "kid": "key_id", "key": "private_key",
		"secret": "private_key", "exp": "lifetime", "ttl": "lifetime", "expires_in": "lifetime", "payload": "claims",
	},
	"login": {
		"url": "call", "endpoint": "call", "request": "call", "method": "call", "data": "body", "json": "body",
		"payload": "body", "access_token": "token", "token_path": "token", "tokenPath": "token",
	},
	"rotate": {
		"url": "call", "endpoint": "call", "request": "call", "method": "call", "data": "body", "json": "body",
		"access_token": "token", "token_path": "token", "tokenPath": "token",
	},
	"aws_identity": {"aud": "audience", "audiences": "audience", "alg": "algorithm", "ttl": "lifetime"},
}

const untilWhen = "write the date as expires_at, such as 2027-01-31T00:00:00Z"

// follows reports whether a problem says that a member is missing which is there under another name.
func follows(problem, all string, named []alias) bool {
	missing, _, ok := strings.Cut(problem, " is missing")
	if !ok {
		return false
	}
	return strings.Contains(all, "did you mean "+missing+"?") || slices.ContainsFunc(named, func(a alias) bool {
		return a.right == missing
	})
}

// alias is a member under the name that someone else gives it.
type alias struct {
	Problem

	where, right string
}

// aliases finds the members under such names. Next to a Key all names are those of another application.
func aliases(whole jsondoc.Value, key string) []alias {
	if key != "" || whole.Kind != jsondoc.Object {
		return nil
	}
	var found []alias
	for _, m := range whole.Members {
		if right := meant[""][m.Name]; right != "" {
			found = append(found, named(m.Name, right, whole))
		}
		if m.Value.Kind != jsondoc.Object {
			continue
		}
		for _, inner := range m.Value.Members {
			if right := meant[m.Name][inner.Name]; right != "" {
				found = append(found, named(m.Name+"."+inner.Name, m.Name+"."+right, whole))
			}
		}
	}
	return found
}

func named(where, right string, whole jsondoc.Value) alias {
	a := alias{
		where:   where,
		right:   right,
		Problem: Problem{Text: where + " is named " + right + " here", Fix: "rename it to " + right},
	}
	switch {
	case where == "access_token" && whole.Get("token_type").Kind == jsondoc.String:
		a.Fix = "store the client as oauth2, so that the caller obtains tokens like this one: they live for minutes " +
			"or hours " +
			"(docs/providers/generic-oauth2.md)"
	case right == "token" && whole.Get("token").Kind == jsondoc.Absent:
		a.Fix = "rename it to token, or write Key: " + where + " into the token's block in template.yaml"
	case where == "expires_in" || where == "expiresIn":
		a.Text, a.Fix = where+" says how long and not until when", untilWhen
	case right == "oauth2.client_id" && whole.Get("oauth2").Kind == jsondoc.Absent,
		strings.HasPrefix(right, "oauth2.") && !strings.Contains(where, ".") && whole.Get("oauth2").Kind == jsondoc.Absent:
		a.Fix = `write {"oauth2": {…}} with it inside (docs/providers/generic-oauth2.md)`
	case strings.HasPrefix(right, "oauth2.") && !strings.Contains(where, "."):
		a.Fix = "move it into oauth2"
	case strings.HasSuffix(right, ".token_url") && strings.HasPrefix(where, "tenant"):
		a.Fix = "write it into token_url (docs/providers/entra-id.md)"
	case right == "login.body":
		a.Fix = "obtain the token by a login call (docs/providers/generic-login.md)"
	case strings.HasSuffix(where, ".method"):
		a.Fix = "write method and URL together, as in POST https://api.example.com/login"
	}
	return a
}

// blank is what the documentation writes for a value. A body may be XML.
var blank = regexp.MustCompile(`<[A-Za-z][A-Za-z0-9 _'’.,/-]*>|…`)

// placeholders names the members whose value was left as the documentation has it.
func placeholders(v jsondoc.Value, name string) []string {
	if strings.HasSuffix(name, ".body") {
		return nil
	}
	if v.Kind == jsondoc.String && blank.MatchString(v.Text) {
		return []string{name}
	}
	var found []string
	for _, item := range v.Items {
		found = append(found, placeholders(item, name)...)
	}
	for _, m := range v.Members {
		const longest = 40
		where := m.Name
		if !bearer.IsIdentifier(where) || len(where) > longest {
			where = "a member"
		}
		found = append(found, placeholders(m.Value, strings.TrimPrefix(name+"."+where, "."))...)
	}
	return slices.Compact(found)
}
