package sandbox

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/cronbearer/cronbearer/internal/dev/fault"
)

// proxy passes requests on to the user's own endpoint. One that cannot be reached hangs up, so that the run says
// "unreachable", as it would without the proxy. On this machine any certificate will do: it is the developer's own.
func proxy(target *url.URL) http.Handler {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if host := target.Hostname(); host == "localhost" || host == "127.0.0.1" || host == "::1" {
		transport.TLSClientConfig = &tls.Config{
			InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, //nolint:gosec // a loopback address only, see above
		}
	}
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = target.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { fault.HangUp() },
		ErrorLog:     slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
}
