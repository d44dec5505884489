package awsclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cronbearer/cronbearer/internal/awsclient"
)

// answer is a RoundTripper made of a function.
type answer func(*http.Request) (*http.Response, error)

func (f answer) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// failing breaks off after what it has.
type failing struct{ io.Reader }

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestWhatAWSClientRejects(t *testing.T) {
	t.Parallel()
	ok := func(body io.Reader) answer {
		return func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body), ContentLength: -1}, nil
		}
	}
	for name, c := range map[string]struct {
		transport answer
		says      string
	}{
		"an answer over 1 MiB": {transport: ok(strings.NewReader(strings.Repeat(" ", 1<<20+
			1))), says: "larger than 1 MiB"},
		"an answer that is cut off": {
			transport: ok(failing{strings.NewReader("{")}), says: "read the answer: unexpected EOF",
		},
		"no connection": {transport: func(*http.Request) (*http.Response, error) {
			return nil, errors.New("connection refused")
		}, says: "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(
				t.Context(), http.MethodPost, "https://secretsmanager.example.com/", http.NoBody,
			)
			if err != nil {
				t.Fatal(err)
			}
			response, err := awsclient.NewClient(c.transport, time.Minute).Do(request)
			if err == nil {
				_ = response.Body.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %s", err, c.says)
			}
		})
	}
}

func TestAnswerOf1MiBIsTaken(t *testing.T) {
	t.Parallel()
	client := awsclient.NewClient(answer(func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(strings.Repeat(" ", 1<<20))),
			ContentLength: 1 << 20,
		}, nil
	}), time.Minute)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://secretsmanager.example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || len(body) != 1<<20 {
		t.Errorf("%d bytes, error %v", len(body), err)
	}
}

// The time holds for the whole answer: one that trickles must not keep a run from its report.
func TestTimeHoldsUntilTheAnswerIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := awsclient.NewClient(answer(func(r *http.Request) (*http.Response, error) {
			body, writer := io.Pipe()
			context.AfterFunc(r.Context(), func() { _ = writer.CloseWithError(r.Context().Err()) })
			return &http.Response{StatusCode: http.StatusOK, Body: body, ContentLength: -1}, nil
		}), 5*time.Second)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://secretsmanager.example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		response, err := client.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != 5*time.Second {
			t.Errorf("error %v after %s", err, time.Since(started))
		}
	})
}
