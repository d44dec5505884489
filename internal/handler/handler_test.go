package handler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/cronbearer/cronbearer/internal/handler"
)

const (
	sessionToken = "canary-session-token-0123456789"
	functionARN  = "arn:aws:lambda:eu-west-1:123456789012:function:f:live"
)

type failedError struct{ handler.Text }

// invoke runs one invocation of a function, and returns what Lambda gets and the lines of the log.
func invoke(
	t *testing.T, function func(*handler.Handler, handler.Invocation) (json.RawMessage, error),
) (result []byte, lines []map[string]any, err error) {
	t.Helper()
	var out bytes.Buffer
	var h *handler.Handler
	lookup := func(name string) (string, bool) { return sessionToken, name == "AWS_SESSION_TOKEN" }
	h = handler.New(lookup, &out, func(_ context.Context, call handler.Invocation) (json.RawMessage, error) {
		return function(h, call)
	})
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{
		AwsRequestID: "r-1", InvokedFunctionArn: functionARN,
	})
	result, err = h.Invoke(ctx, []byte("{}"))
	for line := range strings.Lines(out.String()) {
		record := map[string]any{}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines = append(lines, record)
	}
	if strings.Contains(out.String(), "canary") {
		t.Errorf("the log has a credential: %s", out.String())
	}
	return result, lines, err
}

func TestInvocationHasWhatLambdaSaysOfIt(t *testing.T) {
	t.Parallel()
	result, lines, err := invoke(t, func(h *handler.Handler, call handler.Invocation) (json.RawMessage, error) {
		if string(call.Event) != "{}" || call.RequestID != "r-1" || call.FunctionARN != functionARN || call.Started.IsZero() {
			t.Errorf("%+v", call)
		}
		h.Log.InfoContext(t.Context(), "run", "n", 1)
		return json.RawMessage(`{"a":1}`), nil
	})
	if string(result) != `{"a":1}` || err != nil || len(lines) != 1 ||
		lines[0]["message"] != "run" || lines[0]["level"] != "INFO" || lines[0]["n"] != 1.0 {
		t.Errorf("%s, %v, %v", result, err, lines)
	}
}

func TestTypedErrorIsReturnedInPlaceOfTheResult(t *testing.T) {
	t.Parallel()
	result, lines, err := invoke(t, func(*handler.Handler, handler.Invocation) (json.RawMessage, error) {
		return json.RawMessage(`{}`), &failedError{"because"}
	})
	if _, ok := errors.AsType[*failedError](err); !ok || result != nil || len(lines) != 0 || err.Error() != "because" {
		t.Errorf("%s, %v, %v", result, err, lines)
	}
}

func TestPanicIsAnInternalErrorWithItsStackAndWithoutCredentials(t *testing.T) {
	t.Parallel()
	result, lines, err := invoke(t, func(*handler.Handler, handler.Invocation) (json.RawMessage, error) {
		panic("bad " + sessionToken)
	})
	if _, ok := errors.AsType[*handler.InternalError](err); !ok || result != nil || len(lines) != 1 ||
		!strings.Contains(lines[0]["stack"].(string), "handler_test.go") || strings.Contains(err.Error(), "canary") {
		t.Errorf("%s, %v, %v", result, err, lines)
	}
}

func TestValueThatIsNoJSONIsAnInternalError(t *testing.T) {
	t.Parallel()
	_, lines, err := invoke(t, func(h *handler.Handler, _ handler.Invocation) (json.RawMessage, error) {
		return h.JSON(func() {})
	})
	if _, ok := errors.AsType[*handler.InternalError](err); !ok || len(lines) != 0 {
		t.Errorf("%v, %v", err, lines)
	}
}

type environment struct{ err error }

func (e environment) Begin() error { return e.err }

func TestBadConfigurationComesBeforeTheEnvironment(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	if err := handler.Begin(nil, bad); !errors.Is(err, bad) {
		t.Error(err)
	}
	if err := handler.Begin(environment{bad}, nil); !errors.Is(err, bad) ||
		!strings.HasPrefix(err.Error(), "environment variable CRONBEARER_TEST_CLOCK: ") {
		t.Error(err)
	}
	if err := handler.Begin(environment{}, nil); err != nil {
		t.Error(err)
	}
}
