package awsclient

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/cronbearer/cronbearer/internal/config"
)

const (
	// predialTime bounds how long a dead network may delay the start.
	predialTime = time.Second
	// predialAge is how long a connection opened ahead is used: Lambda may start an environment long before its first
	// run, and freezes it in between.
	predialAge = 5 * time.Second
)

// dialer opens TLS connections, some of them ahead of their use: a start has a full core for its handshakes, and a
// first run at 128 MB has a fourteenth of one.
type dialer struct {
	dial *net.Dialer
	tls  *tls.Config
	now  func() time.Time

	mu    sync.Mutex
	ahead map[string]opened // by address
}

type opened struct {
	conn net.Conn
	at   time.Time // wall-clock
}

// DialTLS is an http.Transport's DialTLSContext. A connection that is too old is closed unused: at its other end it may
// be gone, and a first request that fails costs more than a handshake.
func (d *dialer) DialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	o, ok := d.ahead[address]
	delete(d.ahead, address)
	d.mu.Unlock()
	if ok {
		if age := d.now().Round(0).Sub(o.at); 0 <= age && age < predialAge {
			return o.conn, nil
		}
		_ = o.conn.Close()
	}
	return d.open(ctx, network, address)
}

func (d *dialer) open(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return (&tls.Dialer{NetDialer: d.dial, Config: d.tls}).DialContext(ctx, network, address)
}

// predial opens one connection to each HTTPS endpoint, all at once, and waits for them for a second at most. One that
// cannot be opened is opened again when it is needed.
func (d *dialer) predial(endpoints []url.URL) {
	ctx, cancel := context.WithTimeout(context.Background(), predialTime)
	defer cancel()
	var wg sync.WaitGroup
	for _, e := range endpoints {
		if e.Scheme != "https" {
			continue
		}
		port := e.Port()
		if port == "" {
			port = "443"
		}
		address := net.JoinHostPort(e.Hostname(), port)
		wg.Go(func() {
			conn, err := d.open(ctx, "tcp", address)
			if err != nil {
				return
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			d.ahead[address] = opened{conn, d.now().Round(0)}
		})
	}
	wg.Wait()
}

// SecretsManagerURL is where Secrets Manager is called.
func SecretsManagerURL(s config.Settings) url.URL {
	base, fips, dualStack := endpoint(s, s.SecretsEndpoint)
	e, _ := secretsmanager.NewDefaultEndpointResolverV2().ResolveEndpoint(
		context.Background(), secretsmanager.EndpointParameters{
			Region: aws.String(s.Region), Endpoint: base,
			UseFIPS:      aws.Bool(fips == aws.FIPSEndpointStateEnabled),
			UseDualStack: aws.Bool(dualStack == aws.DualStackEndpointStateEnabled),
		},
	)
	return e.URI
}

// CloudWatchURL is where CloudWatch is called.
func CloudWatchURL(s config.Settings) url.URL {
	base, fips, dualStack := endpoint(s, s.CloudWatchEndpoint)
	e, _ := cloudwatch.NewDefaultEndpointResolverV2().ResolveEndpoint(
		context.Background(), cloudwatch.EndpointParameters{
			Region: aws.String(s.Region), Endpoint: base,
			UseFIPS:      aws.Bool(fips == aws.FIPSEndpointStateEnabled),
			UseDualStack: aws.Bool(dualStack == aws.DualStackEndpointStateEnabled),
		},
	)
	return e.URI
}
