package awsclient

import (
	"context"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// unread is a protocol that does not decode the answer of an operation without output, such as PutMetricData: there is
// nothing in it that is needed, and the SDK's CBOR reader panics on any member of it (docs/decisions). An error answer
// is decoded as usual.
type unread struct{ smithyhttp.ClientProtocol }

func (p unread) DeserializeResponse(
	ctx context.Context, operation *smithy.OperationSchema, types *smithy.TypeRegistry,
	response *smithyhttp.Response, out smithy.Deserializable,
) error {
	if operation.Output == nil && 200 <= response.StatusCode && response.StatusCode <= 299 {
		return nil
	}
	return p.ClientProtocol.DeserializeResponse( //nolint:wrapcheck // it replaces the SDK's
		ctx, operation, types, response, out,
	)
}
