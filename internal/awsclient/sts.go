package awsclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

	"github.com/cronbearer/cronbearer/internal/config"
)

const stsTimeout = 5 * time.Second

// STS obtains JWTs of the function's own identity (AWS Security Token Service API Reference, GetWebIdentityToken). It
// signs this one request itself, as service/sts would add 166 kB to the zip. It does not retry.
type STS struct {
	endpoint url.URL
	region   string
	http     client
	signer   *v4.Signer
}

// NewSTS returns an STS.
func NewSTS(s config.Settings, transport http.RoundTripper) *STS {
	return &STS{endpoint: stsURL(s), region: s.Region, http: client{transport, stsTimeout}, signer: v4.NewSigner()}
}

// stsURL is where STS is called. The action has regional endpoints only. They are named as those of Secrets Manager
// are, in all partitions, but for FIPS in AWS GovCloud, where all of STS is (AWS FIPS endpoints by service).
func stsURL(s config.Settings) url.URL {
	if s.STSEndpoint != "" {
		if own, err := url.Parse(s.STSEndpoint); err == nil {
			return *own
		}
	}
	s.SecretsEndpoint = ""
	u := SecretsManagerURL(s)
	u.Host = "sts" + strings.TrimPrefix(u.Host, "secretsmanager")
	if s.UseDualStack { // Secrets Manager has both address families under its usual name
		u.Host = strings.Replace(u.Host, ".amazonaws.com.cn", ".api.amazonwebservices.com.cn", 1)
		u.Host = strings.Replace(u.Host, ".amazonaws.com", ".api.aws", 1)
	}
	if strings.HasPrefix(s.Region, "us-gov-") {
		u.Host = strings.Replace(u.Host, "sts-fips.", "sts.", 1)
	}
	return u
}

// Host is where STS is called.
func (s *STS) Host() string { return s.endpoint.Host }

// WebIdentityToken returns a JWT that AWS signs. An error of AWS is a smithy.APIError.
func (s *STS) WebIdentityToken(
	ctx context.Context, audiences []string, algorithm string, lifetime time.Duration,
) (string, error) {
	form := url.Values{
		"Action": {"GetWebIdentityToken"}, "Version": {"2011-06-15"},
		"SigningAlgorithm": {algorithm}, "DurationSeconds": {strconv.Itoa(int(lifetime.Seconds()))},
	}
	for i, audience := range audiences {
		form.Set("Audience.member."+strconv.Itoa(i+1), audience)
	}
	body := form.Encode()
	endpoint := s.endpoint
	if endpoint.Path == "" {
		endpoint.Path = "/"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.String(), strings.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("create the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	own, err := credentials(ctx)
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256([]byte(body))
	if err := s.signer.SignHTTP(ctx, own, request, hex.EncodeToString(hash[:]), "sts", s.region, time.Now()); err != nil {
		return "", fmt.Errorf("sign the request: %w", err)
	}
	response, err := s.http.Do(request)
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

// webIdentityToken reads the one element of the XML that matters. An error without a code, such as a proxy's, is named
// by its status; it is never permanent.
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

// element returns the text of an XML element without children.
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
