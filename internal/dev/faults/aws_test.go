package faults_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
)

// common are the error codes that every service of AWS has (each one's "Common error types"), in the spellings of their
// protocols.
var common = []string{
	"AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature",
	"IncompleteSignatureException", "InternalFailure", "InternalServerError", "InvalidAction", "InvalidClientTokenId",
	"InvalidSignatureException", "MalformedHttpRequestException", "MissingAuthenticationToken",
	"MissingAuthenticationTokenException", "NotAuthorized", "OptInRequired", "RequestAbortedException",
	"RequestEntityTooLargeException", "RequestExpired", "RequestLimitExceeded", "RequestTimeTooSkewed",
	"RequestTimeout", "RequestTimeoutException", "ServiceUnavailable", "ServiceUnavailableException",
	"SignatureDoesNotMatch", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException",
	"UnknownOperationException", "UnrecognizedClientException", "ValidationError", "ValidationException",
	"ACodeOfTomorrow",
}

// codes are all error codes of a service: those of its model, as the SDK was generated from it, and the common ones.
func codes(t *testing.T, service string) []string {
	t.Helper()
	command := exec.CommandContext(
		t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+service+"/types",
	)
	command.Dir = awssimtest.Root()
	dir, err := command.Output()
	must(t, err)
	file, err := parser.ParseFile(
		token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "errors.go"), nil, parser.SkipObjectResolution,
	)
	must(t, err)
	var list []string
	for _, declared := range file.Decls {
		method, ok := declared.(*ast.FuncDecl)
		if !ok || method.Name.Name != "ErrorCode" {
			continue
		}
		ast.Inspect(method, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
				code, err := strconv.Unquote(text.Value)
				must(t, err)
				list = append(list, code)
			}
			return true
		})
	}
	if len(list) < 10 { //nolint:mnd // each has more
		t.Fatalf("only %d error codes of %s: %v", len(list), service, list)
	}
	list = append(list, common...)
	slices.Sort(list)
	return slices.Compact(list)
}

// failing answers in the form of a service's protocol.
type failing func(code, message string) http.HandlerFunc

func statusOf(code string) int {
	switch {
	case strings.HasPrefix(code, "Internal"):
		return http.StatusInternalServerError
	case strings.HasPrefix(code, "ServiceUnavailable"):
		return http.StatusServiceUnavailable
	case strings.HasPrefix(code, "AccessDenied"), strings.HasPrefix(code, "Expired"):
		return http.StatusForbidden
	default:
		return http.StatusBadRequest
	}
}

func asJSON(code, message string) http.HandlerFunc {
	text, _ := json.Marshal(map[string]string{"__type": code, "message": message}) // two strings
	return answers(statusOf(code), string(text), "Content-Type", "application/x-amz-json-1.1")
}

func asCBOR(code, message string) http.HandlerFunc {
	body := cbor.Encode(cbor.Map{
		"__type": cbor.String("com.amazonaws.cloudwatch#" + code), "message": cbor.String(message),
	})
	return answers(
		statusOf(code), string(body), "Content-Type", "application/cbor", "Smithy-Protocol", "rpc-v2-cbor",
		"X-Amzn-Query-Error", code+";Sender",
	)
}

func asXML(code, message string) http.HandlerFunc {
	const form = `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>`
	return answers(statusOf(code), fmt.Sprintf(form, code, message), "Content-Type", "text/xml")
}

// of reports whether a request is of an operation.
func of(operation string) func(*http.Request, []byte) bool {
	return func(r *http.Request, _ []byte) bool { return operationOf(r) == operation }
}
