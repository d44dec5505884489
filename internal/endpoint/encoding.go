package endpoint

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// decode undoes a body's content encoding (RFC 9110 section 8.4). net/http does that only for an
// encoding that it requested itself, not for one that a job's headers request: a rule would read compressed bytes,
// match nothing, and report a dead token as alive. It returns the encoding that is left.
func decode(response *http.Response) string {
	switch encoding := strings.ToLower(strings.TrimSpace(response.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
		return ""
	case "gzip", "x-gzip":
		response.Body = &gunzipped{ReadCloser: response.Body}
		return ""
	default:
		return encoding
	}
}

// gunzipped reads the gzip header with the first byte that is read, as that waits for the other side. An empty body, as
// HEAD has, stays empty. It limits nothing: readBody and drain do.
type gunzipped struct {
	io.ReadCloser

	reader *gzip.Reader
}

func (g *gunzipped) Read(p []byte) (int, error) {
	if g.reader == nil {
		reader, err := gzip.NewReader(g.ReadCloser)
		if err != nil {
			return 0, err //nolint:wrapcheck // io.EOF stays itself
		}
		g.reader = reader
	}
	return g.reader.Read(p) //nolint:wrapcheck // as above
}
