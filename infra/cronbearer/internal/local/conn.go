// Package local is the simulator's side of the operator's tool: a running `cronbearer dev`, or a test, is an account
// that the other commands use with --local. The two speak plain JSON on loopback, with the inputs and outputs of AWS's
// SDK; AWS's own protocols are checked elsewhere, against emulators that others wrote. A command may do what its policy
// allows (package rights) and nothing else, so that a missing statement is found here and not in an account.
//
// It is a model, not AWS.
package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
)

// conn is a connection of one command to a Server.
type conn struct {
	address, command string
	http             *http.Client
}

// Dial returns the clients of a simulated account for one command, which is named as in the policies: "token set".
// address is what `cronbearer dev` prints, http://127.0.0.1:7341. The clients' Now is the account's virtual clock.
func Dial(ctx context.Context, address, command string) (account.Clients, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" {
		return account.Clients{}, exit.Usagef(
			"the simulated account is http://127.0.0.1:<port>, as cronbearer dev prints it, not %q", address,
		)
	}
	c := &conn{address: u.Scheme + "://" + u.Host, command: command, http: &http.Client{Timeout: longest}}
	about, err := call[About](ctx, c, aboutAction, struct{}{})
	if err != nil {
		return account.Clients{}, err
	}
	clients := c.clients()
	clients.Region, clients.Simulated = about.Region, true
	clients.Now = func() time.Time { return about.Now }
	return clients, nil
}

// longest is how long an operation may take: a run of a slow target, or a rotation.
const longest = 15 * time.Minute

// About is what a Server says of itself.
type About struct {
	Region, StackName string
	Now               time.Time
}

// aboutAction is the model's own: it needs no permission.
const aboutAction = "local:About"

// Paths of the server.
const (
	callPath = "/api/call"
)

type request struct {
	Command string          `json:"command"`
	Action  string          `json:"action"`
	Input   json.RawMessage `json:"input"`
}

type response struct {
	Output json.RawMessage `json:"output,omitempty"`
	Error  *fault          `json:"error,omitempty"`
}

type fault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

func call[Out any](ctx context.Context, c *conn, action string, in any) (*Out, error) {
	input, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	body, err := json.Marshal(request{Command: c.command, Action: action, Input: input})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address+callPath, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &exit.Error{
			Status: exit.AWS, Code: "NotReached", Text: "no simulated account answers at " + c.address, Err: err,
			Fix: "start it with cronbearer dev, in another shell",
		}
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	return decode[Out](action, data)
}

func decode[Out any](action string, data []byte) (*Out, error) {
	var envelope response
	if err := json.Unmarshal(data, &envelope); err != nil {
		return nil, fmt.Errorf("%s: the answer cannot be read: %w", action, err)
	}
	if e := envelope.Error; e != nil {
		return nil, &smithy.OperationError{
			ServiceID: action, OperationName: action, Err: &smithy.GenericAPIError{Code: e.Code, Message: e.Message},
		}
	}
	if envelope.Output == nil {
		return nil, errors.New(action + ": the answer is empty")
	}
	out := new(Out)
	if err := json.Unmarshal(envelope.Output, out); err != nil {
		return nil, fmt.Errorf("%s: the answer cannot be read: %w", action, err)
	}
	return out, nil
}
