// Command empty is the floor of every Go function on Lambda: aws-lambda-go with a handler that does nothing.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

type handler struct{}

//nolint:unparam // lambda.Handler has the error
func (handler) Invoke(context.Context, []byte) ([]byte, error) { return []byte("null"), nil }

func main() { lambda.Start(handler{}) }
