package notify_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
)

func parameter(key, value string) map[string]any {
	return map[string]any{"Key": key, "Value": value, "IsValueSecret": true}
}

// byKey are the properties of a connection that authorizes by a header, with parameters of each kind.
func byKey() map[string]any {
	return map[string]any{"AuthorizationType": "API_KEY", "AuthParameters": map[string]any{
		"ApiKeyAuthParameters": map[string]any{"ApiKeyName": "X-Api-Key", "ApiKeyValue": "fake-key"},
		"InvocationHttpParameters": map[string]any{
			"BodyParameters":        []any{parameter("routing_key", "fake-routing-key")},
			"HeaderParameters":      []any{parameter("X-Team", "ops"), parameter("User-Agent", "mine")},
			"QueryStringParameters": []any{parameter("from", "aws")},
		},
	}}
}

func destination(t *testing.T, endpoint string, connection map[string]any) *notify.Destination {
	t.Helper()
	c, err := notify.ParseConnection(connection)
	if err != nil {
		t.Fatal(err)
	}
	d, err := notify.ParseDestination("arn:destination", map[string]any{
		"InvocationEndpoint": endpoint, "HttpMethod": "POST", "ConnectionArn": "arn:connection",
	}, c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestCallHasTheConnectionsParameters, over those of the event and of the endpoint.
func TestCallHasTheConnectionsParameters(t *testing.T) {
	t.Parallel()
	var got string
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		got = fmt.Sprint(r.Method, " ", r.URL, " ", r.Header.Get("X-Api-Key"), " ", r.Header.Get("X-Team"), " ",
			r.Header.Get("User-Agent"), " ", r.Header.Get("Content-Type"), " ", string(body), err)
	}))
	t.Cleanup(server.Close)
	d := destination(t, server.URL+"/a?b=c&from=me", byKey())
	same := func(url string) string { return url }
	outcome := d.Call(t.Context(), server.Client(), same, `{"a":"<b> & c","routing_key":"mine"}`)
	if outcome != (notify.Outcome{}) {
		t.Fatalf("%+v", outcome)
	}
	want := `POST /a?b=c&from=aws fake-key ops Amazon/EventBridge/ApiDestinations application/json; charset=utf-8 ` +
		`{"a":"<b> & c","routing_key":"fake-routing-key"}<nil>`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got)\n%s", diff)
	}
}

// TestOutcomeSaysWhatIsRetried holds EventBridge's list of statuses.
func TestOutcomeSaysWhatIsRetried(t *testing.T) {
	t.Parallel()
	same := func(url string) string { return url }
	for status, retry := range map[int]bool{
		301: false, 400: false, 401: true, 403: false, 404: false, 407: true, 409: true, 410: false, 413: false, 429: true,
		500: true, 502: true, 503: true, 504: true,
	} {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://example.com/elsewhere")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
		}))
		client := server.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		got := destination(t, server.URL, byKey()).Call(t.Context(), client, same, "{}")
		if got.Code != "ERROR_FROM_TARGET" || got.Retry != retry || got.After != 7*time.Second ||
			!strings.Contains(got.Message, fmt.Sprint(status)) {
			t.Errorf("%d: %+v", status, got)
		}
		server.Close()
		got = destination(t, server.URL, byKey()).Call(t.Context(), client, same, "{}")
		if got.Code != "CONNECTION_FAILURE" || !got.Retry {
			t.Errorf("a closed server: %+v", got)
		}
	}
	for name, input := range map[string]string{
		"no JSON": `{"a":"b"c"}`, "no object": `["a"]`, "too long": `{"a":"` + strings.Repeat("a", 64<<10) + `"}`,
	} {
		got := destination(t, "https://localhost:1", byKey()).Call(t.Context(), http.DefaultClient, same, input)
		if got.Code != "INVALID_JSON" || got.Retry {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestConnectionThatAWSRejectsIsAnError.
func TestConnectionThatAWSRejectsIsAnError(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(properties, auth map[string]any){
		"another type":          func(properties, _ map[string]any) { properties["AuthorizationType"] = "BASIC" },
		"no such type":          func(properties, _ map[string]any) { properties["AuthorizationType"] = "NONE" },
		"no parameters":         func(properties, _ map[string]any) { delete(properties, "AuthParameters") },
		"two kinds":             func(_, auth map[string]any) { auth["BasicAuthParameters"] = map[string]any{} },
		"a line break in a key": func(_, auth map[string]any) { auth["ApiKeyAuthParameters"] = key("fake-key\n") },
		"an empty key":          func(_, auth map[string]any) { auth["ApiKeyAuthParameters"] = key("") },
		"an unknown property":   func(properties, _ map[string]any) { properties["KmsKeyIdentifier"] = "arn:key" },
		"OAuth without a grant": func(properties, auth map[string]any) {
			properties["AuthorizationType"] = "OAUTH_CLIENT_CREDENTIALS"
			delete(auth, "ApiKeyAuthParameters")
			auth["OAuthParameters"] = map[string]any{"HttpMethod": "POST", "AuthorizationEndpoint": "https://example.com"}
		},
	} {
		properties := byKey()
		auth, _ := properties["AuthParameters"].(map[string]any)
		edit(properties, auth)
		if _, err := notify.ParseConnection(properties); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	connection, err := notify.ParseConnection(byKey())
	if err != nil {
		t.Fatal(err)
	}
	for name, properties := range map[string]map[string]any{
		"plain HTTP":   {"InvocationEndpoint": "http://example.com", "HttpMethod": "POST"},
		"no method":    {"InvocationEndpoint": "https://example.com", "HttpMethod": "TRACE"},
		"its own name": {"InvocationEndpoint": "https://example.com", "HttpMethod": "POST", "Tags": "x"},
	} {
		if _, err := notify.ParseDestination("arn", properties, connection); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := notify.ParseDestination("arn", map[string]any{
		"InvocationEndpoint": "https://example.com", "HttpMethod": "POST",
	}, nil); err == nil {
		t.Error("a destination without a connection was accepted")
	}
}

func key(value string) map[string]any {
	return map[string]any{"ApiKeyName": "X-Api-Key", "ApiKeyValue": value}
}
