package awsclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/dev/mutate"
)

// FuzzWebIdentityToken holds that what STS says is read as it was written, the token of a 200 and the code and message
// of anything else; and that an answer without them is an error, never an empty token.
func FuzzWebIdentityToken(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, seed := range [][2]string{
		{"eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "<GetWebIdentityTokenResponse/>"},
		{"a<b>&amp;\"'", "<Code>X</Code"},
		{"AccessDenied", "<WebIdentityToken></WebIdentityToken>"},
		{"", "</Code><Code>"},
		{"OutboundWebIdentityFederationDisabled", "<WebIdentityToken> x </WebIdentityToken>"},
	} {
		f.Add(200, seed[0], seed[1])
		f.Add(400, seed[0], seed[1])
	}
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;").Replace
	f.Fuzz(func(t *testing.T, status int, value, document string) {
		if token, err := awsclient.WebIdentityToken(status, document); (err == nil) != (token != "") ||
			err == nil && status != http.StatusOK {
			t.Errorf("%d %q: token %q, %v", status, document, token, err)
		}
		value = strings.TrimSpace(value)
		token, err := awsclient.WebIdentityToken(http.StatusOK, fmt.Sprintf(
			"<GetWebIdentityTokenResponse><GetWebIdentityTokenResult>\n<WebIdentityToken>%s</WebIdentityToken>"+
				"</GetWebIdentityTokenResult></GetWebIdentityTokenResponse>", escape(value)))
		if token != value || (err == nil) != (value != "") {
			t.Errorf("%q is read as %q, %v", value, token, err)
		}
		_, err = awsclient.WebIdentityToken(http.StatusForbidden, fmt.Sprintf(
			"<ErrorResponse><Error>\n<Code>%s</Code><Message>%s</Message></Error></ErrorResponse>",
			escape(value), escape(value)))
		said, ok := errors.AsType[smithy.APIError](err)
		if !ok || said.ErrorMessage() != value || said.ErrorCode() != value && value != "" {
			t.Errorf("%q is read as %v", value, err)
		}
	})
}
