package token_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

func TestKeySelectsAMember(t *testing.T) {
	t.Parallel()
	const good = "17|Zk3vQ0p8WnXr5TsbLq2e"
	tests := map[string]struct{ text, key string }{
		"name":                    {text: `{"api_key":"17|Zk3vQ0p8WnXr5TsbLq2e"}`, key: "api_key"},
		"pointer":                 {text: `{"data":{"keys":["x","17|Zk3vQ0p8WnXr5TsbLq2e"]}}`, key: "/data/keys/1"},
		"name with a slash":       {text: `{"a/b":"17|Zk3vQ0p8WnXr5TsbLq2e"}`, key: "/a~1b"},
		"name with a dot":         {text: `{"api.key":"17|Zk3vQ0p8WnXr5TsbLq2e"}`, key: "api.key"},
		"token itself":            {text: `{"token":"17|Zk3vQ0p8WnXr5TsbLq2e"}`, key: "token"},
		"normalized as any token": {text: `{"api_key":" 'Bearer 17|Zk3vQ0p8WnXr5TsbLq2e' \n"}`, key: "api_key"},
		"byte order mark":         {text: "\ufeff\n" + `{"api_key":"17|Zk3vQ0p8WnXr5TsbLq2e"}`, key: "api_key"},
		"members of another program": {
			text: `{"Token":5,"api_key":"17|Zk3vQ0p8WnXr5TsbLq2e","host":"db.example.com","expires_at":{}}`, key: "api_key",
		},
		"what mints, but null":         {text: `{"oauth2":null,"api_key":"17|Zk3vQ0p8WnXr5TsbLq2e"}`, key: "api_key"},
		"what mints, but further down": {text: `{"x":{"oauth2":{}},"api_key":"17|Zk3vQ0p8WnXr5TsbLq2e"}`, key: "api_key"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scrub := &redact.Scrubber{}
			d, err := token.Parse(tt.text, tt.key, scrub)
			if err != nil || d.Token.Reveal() != good || d.Minted() || len(d.Warnings) > 0 {
				t.Fatalf("got %q, %v, warnings %q", d.Token.Reveal(), err, d.Warnings)
			}
			if got := scrub.Scrub("x " + good); strings.Contains(got, "Zk3v") {
				t.Errorf("not scrubbed: %s", got)
			}
		})
	}
}

func TestKeyThatSelectsNoToken(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text, key string
		want      []string
	}{
		"plain text":  {text: canary, key: "api_key", want: []string{"is plain text"}},
		"broken JSON": {text: `{"api_key":"` + canary, key: "api_key", want: []string{"not valid JSON"}},
		"no such member": {text: `{"b":"` + canary +
			`","a":1}`, key: "api_key", want: []string{`no string at Key "api_key": the secret has a, b`}},
		"a number": {text: `{"api_key":1234567890}`, key: "api_key", want: []string{"no string at Key"}},
		"an object": {text: `{"api_key":{"x":"` + canary +
			`"}}`, key: "api_key", want: []string{"no string at Key"}},
		"null": {text: `{"api_key":null}`, key: "api_key", want: []string{"no string at Key"}},
		"another case": {text: `{"Api_Key":"` + canary +
			`"}`, key: "api_key", want: []string{"the secret has Api_Key"}},
		"below a scalar":    {text: `{"api_key":"` + canary + `"}`, key: "/api_key/0", want: []string{"no string at Key"}},
		"malformed pointer": {text: `{"api_key":"` + canary + `"}`, key: "/~2", want: []string{"Key: the pointer"}},
		"unusable": {text: `{"api_key":"` + canary +
			` x"}`, key: "api_key", want: []string{"white space inside"}},
		"duplicate key": {text: `{"api_key":"` + canary +
			`","api_key":"abcdefgh"}`, key: "api_key", want: []string{"duplicate key"}},
		"oauth2": {text: `{"oauth2":{"client_secret":"` + canary +
			`"}}`, key: "/oauth2/client_secret", want: []string{"the secret has oauth2"}},
		"rotate": {text: `{"token":"` + canary +
			`","rotate":{}}`, key: "token", want: []string{"the secret has rotate"}},
		"login as text": {text: `{"login":"{}","a":"` + canary +
			`"}`, key: "a", want: []string{"the secret has login"}},
		"jwt and aws_identity": {text: `{"jwt":{},"aws_identity":{},"a":"` + canary +
			`"}`, key: "a", want: []string{"has jwt", "has aws_identity"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := token.Parse(tt.text, tt.key, &redact.Scrubber{})
			wantProblems(t, err, tt.want...)
		})
	}
}

func TestMemberNamesAreListedWithoutValuesAndWithinLimits(t *testing.T) {
	t.Parallel()
	members := map[string]any{"not a name": 1, strings.Repeat("x", 41): 1, canary + " " + canary: 1}
	for name := range strings.FieldsSeq("a b c d e f g h i j k l") {
		members[name] = canary
	}
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	_, err = token.Parse(string(text), "api_key", &redact.Scrubber{})
	wantProblems(t, err, "the secret has a, b, c, d, e, f, g, h, i, j and 5 more")
	_, err = token.Parse(`{"`+canary+` ":1}`, "api_key", &redact.Scrubber{})
	wantProblems(t, err, "the secret has 1 members")
}

func TestHostsBindATokenSelectedByKey(t *testing.T) {
	t.Parallel()
	target := &url.URL{Scheme: "https", Host: "example.com"}
	tests := map[string]struct {
		hosts         string
		bound, allows bool
		warns         bool
	}{
		"list":                    {hosts: `["example.com"]`, bound: true, allows: true},
		"string":                  {hosts: `"example.com"`, bound: true, allows: true},
		"another host":            {hosts: `["example.net"]`, bound: true},
		"nothing":                 {hosts: `[]`, bound: true},
		"null":                    {hosts: `null`},
		"of another program":      {hosts: `"postgres://db.example.com"`, warns: true},
		"object":                  {hosts: `{"a":"b"}`, warns: true},
		"list with one bad entry": {hosts: `["example.com",5]`, warns: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := token.Parse(`{"api_key":"abcdefgh","hosts":`+tt.hosts+`}`, "api_key", &redact.Scrubber{})
			if err != nil || (d.Hosts != nil) != tt.bound || (len(d.Warnings) > 0) != tt.warns {
				t.Fatalf("bound %t, want %t; warnings %q; %v", d.Hosts != nil, tt.bound, d.Warnings, err)
			}
			if tt.bound && d.Hosts.Allows(target) != tt.allows {
				t.Errorf("allows %s: %t", target, !tt.allows)
			}
		})
	}
}

func TestExpiryOfAMemberIsTheJWTs(t *testing.T) {
	t.Parallel()
	d, err := token.Parse(`{"api_key":"`+jwtWith(`{"exp":1801353600}`)+
		`","expires_at":5}`, "api_key", &redact.Scrubber{})
	if err != nil || !d.Expiry.Equal(time.Unix(1801353600, 0)) || len(d.Warnings) > 0 {
		t.Errorf("expires %s, warnings %q, %v", d.Expiry, d.Warnings, err)
	}
}
