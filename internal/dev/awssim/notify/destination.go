package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Destination is an API destination of EventBridge: an HTTPS endpoint with the connection that authorizes its calls
// (EventBridge User Guide, "API destinations").
type Destination struct {
	ARN, Endpoint, Method string
	Connection            *Connection
}

// Connection adds credentials and parameters to the calls of a destination. Dynamic references in it are resolved.
type Connection struct {
	headers map[string]string
	query   url.Values
	body    map[string]string
	oauth   *oauthClient
}

type oauthClient struct {
	endpoint, method string
	form             url.Values

	mu    sync.Mutex
	token string
}

// Limits and constants of a call.
const (
	maxPayload      = 64 << 10 // "An event payload cannot exceed 64 KB", the connection's parameters included
	maxResponse     = 1 << 20
	callTimeout     = 5 * time.Second
	destinationUser = "Amazon/EventBridge/ApiDestinations"
)

// Outcome is that of one call. Code is the ERROR_CODE of the dead letter; empty: delivered.
type Outcome struct {
	Code, Message string
	Retry         bool
	After         time.Duration // the response's Retry-After
}

// ParseDestination reads the resolved Properties of an AWS::Events::ApiDestination.
func ParseDestination(arn string, properties map[string]any, connection *Connection) (*Destination, error) {
	d := &Destination{
		ARN: arn, Endpoint: fmt.Sprint(properties["InvocationEndpoint"]), Method: fmt.Sprint(properties["HttpMethod"]),
		Connection: connection,
	}
	problems := []error{known("an API destination", properties,
		"Name", "Description", "ConnectionArn", "InvocationEndpoint", "HttpMethod", "InvocationRateLimitPerSecond")}
	if u, err := url.Parse(d.Endpoint); err != nil || u.Scheme != "https" || u.Host == "" {
		problems = append(problems, fmt.Errorf("InvocationEndpoint %s is not an HTTPS URL", d.Endpoint))
	}
	if !slices.Contains([]string{"GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "DELETE"}, d.Method) {
		problems = append(problems, fmt.Errorf("HttpMethod %s is none", d.Method))
	}
	if connection == nil {
		problems = append(problems, fmt.Errorf("connection %v does not exist", properties["ConnectionArn"]))
	}
	return d, errors.Join(problems...)
}

func known(what string, properties map[string]any, names ...string) error {
	for name := range properties {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%s: this model knows no %s", what, name)
		}
	}
	return nil
}

// ParseConnection reads the resolved Properties of an AWS::Events::Connection.
func ParseConnection(properties map[string]any) (*Connection, error) {
	c := &Connection{headers: map[string]string{}, query: url.Values{}, body: map[string]string{}}
	auth, _ := properties["AuthParameters"].(map[string]any)
	given := func(name string) map[string]any {
		v, _ := auth[name].(map[string]any)
		return v
	}
	problems := []error{
		known("a connection", properties, "Name", "Description", "AuthorizationType", "AuthParameters"),
		known("AuthParameters", auth,
			"ApiKeyAuthParameters", "BasicAuthParameters", "OAuthParameters", "InvocationHttpParameters"),
	}
	authorization := fmt.Sprint(properties["AuthorizationType"])
	needs := map[string]string{
		"API_KEY": "ApiKeyAuthParameters", "BASIC": "BasicAuthParameters", "OAUTH_CLIENT_CREDENTIALS": "OAuthParameters",
	}[authorization]
	for _, name := range []string{"ApiKeyAuthParameters", "BasicAuthParameters", "OAuthParameters"} {
		if (given(name) != nil) != (name == needs) {
			problems = append(problems, fmt.Errorf("AuthorizationType %s with %s, or without its own", authorization, name))
		}
	}
	var err error
	switch key, basic := given("ApiKeyAuthParameters"), given("BasicAuthParameters"); {
	case key != nil:
		c.headers[fmt.Sprint(key["ApiKeyName"])] = fmt.Sprint(key["ApiKeyValue"])
	case basic != nil:
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(fmt.Sprint(basic["Username"]), fmt.Sprint(basic["Password"]))
		c.headers["Authorization"] = r.Header.Get("Authorization")
	default:
		c.oauth, err = parseOAuth(given("OAuthParameters"))
		problems = append(problems, err)
	}
	invocation := given("InvocationHttpParameters")
	maps.Copy(c.headers, parameters(invocation["HeaderParameters"]))
	maps.Copy(c.body, parameters(invocation["BodyParameters"]))
	for name, value := range parameters(invocation["QueryStringParameters"]) {
		c.query.Set(name, value)
	}
	// The pattern of CloudFormation's property.
	text := regexp.MustCompile(`^[ \t]*[^\x00-\x1F\x7F]+([ \t]+[^\x00-\x1F\x7F]+)*[ \t]*$`)
	for name, value := range c.headers {
		if !text.MatchString(name) || !text.MatchString(value) {
			problems = append(problems, fmt.Errorf("header %s is empty or holds a control character", name))
		}
	}
	return c, errors.Join(problems...)
}

func parseOAuth(v map[string]any) (*oauthClient, error) {
	if v == nil {
		return nil, nil //nolint:nilnil // reported by the caller
	}
	client, _ := v["ClientParameters"].(map[string]any)
	more, _ := v["OAuthHttpParameters"].(map[string]any)
	o := &oauthClient{
		endpoint: fmt.Sprint(v["AuthorizationEndpoint"]), method: fmt.Sprint(v["HttpMethod"]),
		form: url.Values{
			"client_id": {fmt.Sprint(client["ClientID"])}, "client_secret": {fmt.Sprint(client["ClientSecret"])},
		},
	}
	for name, value := range parameters(more["BodyParameters"]) {
		o.form.Set(name, value)
	}
	if o.method != http.MethodPost || o.form.Get("grant_type") != "client_credentials" {
		return nil, fmt.Errorf("OAuthParameters with method %s and grant_type %s", o.method, o.form.Get("grant_type"))
	}
	return o, nil
}

func parameters(v any) map[string]string {
	all := map[string]string{}
	list, _ := v.([]any)
	for _, item := range list {
		one, _ := item.(map[string]any)
		all[fmt.Sprint(one["Key"])] = fmt.Sprint(one["Value"])
	}
	return all
}

// Call makes one call with what a rule's transformer left. URLs are those of the world; local returns them for this
// machine.
func (d *Destination) Call(ctx context.Context, client *http.Client, local func(string) string, input string) Outcome {
	body, err := d.payload(input)
	if err != nil {
		return Outcome{Code: "INVALID_JSON", Message: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, d.Method, local(d.Endpoint), strings.NewReader(body))
	if err != nil {
		return Outcome{Code: "INVALID_PARAMETER", Message: err.Error()}
	}
	query := request.URL.Query()
	maps.Copy(query, d.Connection.query)
	request.URL.RawQuery = query.Encode()
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	for name, value := range d.Connection.headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("User-Agent", destinationUser)
	request.Header.Set("Range", "bytes=0-1048575")
	if err := d.Connection.oauth.authorize(ctx, client, local, request); err != nil {
		return Outcome{Code: "CONNECTION_FAILURE", Message: err.Error(), Retry: true}
	}
	return d.outcome(client.Do(request))
}

// payload adds the connection's parameters to a body, over its own members.
func (d *Destination) payload(input string) (string, error) {
	var object map[string]any
	if !json.Valid([]byte(input)) {
		return "", errors.New("the input transformer's output is not valid JSON")
	}
	if len(d.Connection.body) > 0 {
		if err := json.Unmarshal([]byte(input), &object); err != nil {
			return "", errors.New("body parameters need an object")
		}
		for name, value := range d.Connection.body {
			object[name] = value
		}
		input = marshal(object)
	}
	if len(input) > maxPayload {
		return "", fmt.Errorf("the payload has %d bytes, of %d", len(input), maxPayload)
	}
	return input, nil
}

// outcome says what becomes of a response: EventBridge "retries events associated with error codes 401, 407, 409, 429,
// and 5xx", connections that fail and time-outs, and follows no redirect.
func (d *Destination) outcome(response *http.Response, err error) Outcome {
	if err != nil {
		return Outcome{Code: "CONNECTION_FAILURE", Message: err.Error(), Retry: true}
	}
	_, _ = io.CopyN(io.Discard, response.Body, maxResponse)
	_ = response.Body.Close()
	status := response.StatusCode
	if status >= 200 && status < 300 {
		return Outcome{}
	}
	o := Outcome{Code: "ERROR_FROM_TARGET", Message: "HTTP status code " + strconv.Itoa(status)}
	o.Retry = status >= 500 || slices.Contains([]int{401, 407, 409, 429}, status)
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		o.After = time.Duration(seconds) * time.Second
	}
	if status == http.StatusUnauthorized || status == http.StatusProxyAuthRequired {
		d.Connection.oauth.drop()
	}
	return o
}

// authorize adds a token, which it gets first if there is none. "OAUTH tokens are refreshed when a 401 or 407 response
// is returned": drop forgets it.
func (o *oauthClient) authorize(
	ctx context.Context, client *http.Client, local func(string) string, request *http.Request,
) error {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.token == "" {
		var err error
		if o.token, err = o.fetch(ctx, client, local(o.endpoint)); err != nil {
			return err
		}
	}
	request.Header.Set("Authorization", "Bearer "+o.token)
	return nil
}

func (o *oauthClient) fetch(ctx context.Context, client *http.Client, endpoint string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, o.method, endpoint, strings.NewReader(o.form.Encode()))
	if err != nil {
		return "", fmt.Errorf("authorization endpoint: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("authorization endpoint: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var grant struct {
		AccessToken string `json:"access_token"`
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil || json.Unmarshal(text, &grant) != nil || grant.AccessToken == "" {
		return "", fmt.Errorf("authorization endpoint: status %d without an access_token", response.StatusCode)
	}
	return grant.AccessToken, nil
}

func (o *oauthClient) drop() {
	if o != nil {
		o.mu.Lock()
		o.token = ""
		o.mu.Unlock()
	}
}
