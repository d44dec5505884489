package awsclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/internal/settings"
)

const stsTimeout = 5 * time.Second

// STS asks for JWTs of the function's own identity (AWS Security Token Service API Reference, GetWebIdentityToken). service/sts
// would add 166 kB to the zip. It does not retry.
type STS struct{ signed }

// NewSTS returns an STS.
func NewSTS(s settings.Settings, transport http.RoundTripper) *STS {
	return &STS{signed{"sts", s.Region, stsURL(s), client{transport, stsTimeout}, v4.NewSigner()}}
}

// stsURL is where STS is called. The action has regional endpoints only.
func stsURL(s settings.Settings) url.URL { return serviceURL(s, s.STSEndpoint, "sts") }

// Host is where STS is called.
func (s *STS) Host() string { return s.endpoint.Host }

// WebIdentityToken returns a JWT that AWS signs. An error that AWS answers with is a smithy.APIError.
func (s *STS) WebIdentityToken(ctx context.Context, audiences []string, algorithm string, lifetime time.Duration) (string, error) {
	form := url.Values{
		"Action": {"GetWebIdentityToken"}, "Version": {"2011-06-15"},
		"SigningAlgorithm": {algorithm}, "DurationSeconds": {strconv.Itoa(int(lifetime.Seconds()))},
	}
	for i, audience := range audiences {
		form.Set("Audience.member."+strconv.Itoa(i+1), audience)
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	response, err := s.post(ctx, "/", header, []byte(form.Encode()))
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return webIdentityToken(response.StatusCode, string(text))
}

func webIdentityToken(status int, text string) (string, error) {
	if status != http.StatusOK {
		code := element(text, "Code")
		if code == "" {
			code = "status " + strconv.Itoa(status)
		}
		return "", &smithy.GenericAPIError{Code: code, Message: element(text, "Message")}
	}
	token := element(text, "WebIdentityToken")
	if token == "" {
		return "", errors.New("the answer has no token")
	}
	return token, nil
}

// element is the text of an element of XML that holds no other.
func element(document, name string) string {
	_, rest, _ := strings.Cut(document, "<"+name+">")
	text, _, found := strings.Cut(rest, "</"+name+">")
	if !found {
		return ""
	}
	return strings.TrimSpace(unescapeXML.Replace(text))
}

// unescapeXML undoes the entities that XML itself has. The tables of package html would add 50 kB to the zip.
var unescapeXML = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&amp;", "&")
