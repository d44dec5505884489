package awsclient_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/config"
)

func TestSTSEndpointIsRegional(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		settings config.Settings
		want     string
	}{
		"Region":    {settings: config.Settings{Region: "eu-west-1"}, want: "sts.eu-west-1.amazonaws.com"},
		"us-east-1": {settings: config.Settings{Region: "us-east-1"}, want: "sts.us-east-1.amazonaws.com"},
		"China":     {settings: config.Settings{Region: "cn-north-1"}, want: "sts.cn-north-1.amazonaws.com.cn"},
		"FIPS": {
			settings: config.Settings{Region: "us-east-2", UseFIPS: true}, want: "sts-fips.us-east-2.amazonaws.com",
		},
		"GovCloud": {settings: config.Settings{Region: "us-gov-west-1"}, want: "sts.us-gov-west-1.amazonaws.com"},
		"GovCloud, FIPS": {
			settings: config.Settings{Region: "us-gov-west-1", UseFIPS: true}, want: "sts.us-gov-west-1.amazonaws.com",
		},
		"dual stack": {
			settings: config.Settings{Region: "eu-west-1", UseDualStack: true}, want: "sts.eu-west-1.api.aws",
		},
		"dual stack, China": {
			settings: config.Settings{Region: "cn-north-1", UseDualStack: true},
			want:     "sts.cn-north-1.api.amazonwebservices.com.cn",
		},
		"its own": {
			settings: config.Settings{Region: "eu-west-1", STSEndpoint: "http://127.0.0.1:4566"}, want: "127.0.0.1:4566",
		},
		"that of secrets is": {
			settings: config.Settings{Region: "eu-west-1", SecretsEndpoint: "http://127.0.0.1:4566"},
			want:     "sts.eu-west-1.amazonaws.com",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := awsclient.NewSTS(tt.settings, nil).Host(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestWebIdentityTokenIsAskedForWithASignedRequest(t *testing.T) { //nolint:paralleltest // it sets the environment
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret-access-key")
	t.Setenv("AWS_SESSION_TOKEN", "session-token")
	var got url.Values
	var header http.Header
	status, body := http.StatusOK, "<GetWebIdentityTokenResponse>\n<GetWebIdentityTokenResult><WebIdentityToken> a.b.c "+
		"</WebIdentityToken><Expiration>x</Expiration></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		got, header = r.PostForm, r.Header
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	sts := awsclient.NewSTS(config.Settings{Region: "eu-west-1", STSEndpoint: server.URL}, http.DefaultTransport)
	ask := func() (string, error) {
		return sts.WebIdentityToken(t.Context(), []string{"a", "https://b.example.com"}, "ES384", 5*time.Minute)
	}
	token, err := ask()
	if err != nil || token != "a.b.c" {
		t.Fatalf("got %q, %v", token, err)
	}
	want := url.Values{
		"Action": {"GetWebIdentityToken"}, "Version": {"2011-06-15"}, "SigningAlgorithm": {"ES384"},
		"DurationSeconds":   {"300"},
		"Audience.member.1": {"a"}, "Audience.member.2": {"https://b.example.com"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if a := header.Get("Authorization"); !strings.HasPrefix(a, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") ||
		!strings.Contains(a, "/eu-west-1/sts/aws4_request") ||
		header.Get("X-Amz-Security-Token") != "session-token" {
		t.Errorf("header %v", header)
	}
	status, body = http.StatusForbidden, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no"+
		"t &amp; never</Message></Error></ErrorResponse>"
	_, err = ask()
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "AccessDenied" ||
		api.ErrorMessage() != "not & never" {
		t.Errorf("got %v", err)
	}
	status, body = http.StatusServiceUnavailable, "<html>"
	if _, err = ask(); err == nil || !strings.Contains(err.Error(), "status 503") {
		t.Errorf("got %v", err)
	}
	status, body = http.StatusOK, "<GetWebIdentityTokenResult></GetWebIdentityTokenResult>"
	if _, err = ask(); err == nil || !strings.Contains(err.Error(), "no token") {
		t.Errorf("got %v", err)
	}
}
