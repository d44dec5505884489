package main

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/cloudwatch"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

const (
	stackName  = "bench"
	tokenName  = "ExampleApi"
	secretName = "bench/example-api"
	tokenValue = "bench-Zk3vQ9xW7pLr2TfYb8Nd"
	region     = "us-east-1"
	oneMiB     = 1 << 20
)

// world is what surrounds a function: the simulator's Secrets Manager, CloudWatch and target, each on a TLS port of its
// own on loopback. One subject at a time uses it, so the counters are that subject's.
type world struct {
	secrets, cloudWatch, target string // host:port
	bundle                      string // PEM file: the machine's roots and the simulator's own
	dir                         string

	reads, puts, describes atomic.Int64

	tls     *tls.Config
	servers []*http.Server
}

// counts are the requests that AWS got.
type counts struct{ reads, puts, describes int64 }

func (w *world) counts() counts { return counts{w.reads.Load(), w.puts.Load(), w.describes.Load()} }

func (c counts) minus(o counts) counts {
	return counts{c.reads - o.reads, c.puts - o.puts, c.describes - o.describes}
}

func newWorld(dir string) (_ *world, err error) {
	w := &world{dir: dir, bundle: filepath.Join(dir, "roots.pem")}
	authority, err := pki.New()
	if err != nil {
		return nil, err
	}
	if w.tls, err = authority.ServerConfig(); err != nil {
		return nil, err
	}
	if err := os.WriteFile(w.bundle, append(systemBundle(), authority.PEM...), 0o600); err != nil {
		return nil, err
	}
	secretsAPI, err := newSecrets()
	if err != nil {
		return nil, err
	}
	metrics, err := newCloudWatch()
	if err != nil {
		return nil, err
	}
	api, err := newTarget()
	if err != nil {
		return nil, err
	}
	for address, handler := range map[*string]http.Handler{
		&w.secrets: w.counted(secretsAPI), &w.cloudWatch: w.counted(metrics), &w.target: api,
	} {
		if *address, err = w.serve(handler); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

// newSecrets holds the token for a month already: a token of the last hour would have its predecessor tried, too.
func newSecrets() (http.Handler, error) {
	now := time.Now().Add(-30 * 24 * time.Hour)
	store := secretsmanager.NewStore(secretsmanager.Config{Region: region, Now: func() time.Time { return now }})
	if _, err := store.Put(secretName, tokenValue); err != nil {
		return nil, err
	}
	now = time.Now()
	server := secretsmanager.NewServer(store)
	server.Keep(false)
	return server, nil
}

// newCloudWatch has the token's alarm, which fired an hour ago.
func newCloudWatch() (http.Handler, error) {
	samples := alarm.NewSamples()
	monitor := alarm.NewMonitor(samples)
	hourAgo := time.Now().Add(-time.Hour)
	fired := alarm.Alarm{
		Name: stackName + "-TokenRejected-" + tokenName, Namespace: "Bench", MetricName: "TokenRejected",
		Statistic: "Maximum",
		Period:    time.Minute, EvaluationPeriods: 1, ComparisonOperator: "GreaterThanOrEqualToThreshold", Threshold: 1,
		TreatMissingData: "ignore",
	}
	if err := monitor.Put(fired, hourAgo); err != nil {
		return nil, err
	}
	if _, err := monitor.SetState(fired.Name, alarm.InAlarm, "the bench's", "", hourAgo); err != nil {
		return nil, err
	}
	server := cloudwatch.NewServer(
		cloudwatch.Config{Region: region, AccountID: "123456789012", Partition: "aws", Samples: samples, Monitor: monitor},
	)
	server.Keep(false)
	return server, nil
}

func newTarget() (http.Handler, error) {
	bomb, err := zeros(256 * oneMiB)
	if err != nil {
		return nil, err
	}
	json := map[string]string{"Content-Type": "application/json"}
	answers := map[string]upstream.Answer{
		"/rejected": upstream.Rejected,
		"/large":    {Header: json, Size: 64 * oneMiB},
		"/list":     {Header: json, Body: `{"ok":true,"list":[0` + strings.Repeat(",0", oneMiB/2-64) + "]}"},
		"/bomb": {
			Header: map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip"}, Body: string(bomb),
		},
	}
	server := upstream.New(nil)
	server.Accept(tokenValue)
	server.Keep(false)
	server.Rule(func(r upstream.Request) (upstream.Answer, bool) {
		answer, ok := answers[r.Path]
		return answer, ok && r.Token == tokenValue // no subject may forget the token and be measured anyway
	})
	return server, nil
}

// counted counts by operation. The SDKs for Python and Node.js call CloudWatch in protocols that the simulator does not
// speak, and get the answer of a success.
func (w *world) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		switch {
		case operation == "GetSecretValue":
			w.reads.Add(1)
		case strings.HasSuffix(r.URL.Path, "/DescribeAlarms"):
			w.describes.Add(1)
		default:
			w.puts.Add(1)
		}
		if operation == "GetSecretValue" || strings.HasPrefix(r.URL.Path, "/service/") {
			next.ServeHTTP(out, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		if operation != "" {
			out.Header().Set("Content-Type", "application/x-amz-json-1.0")
			_, _ = io.WriteString(out, "{}")
			return
		}
		out.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(
			out,
			"<PutMetricDataResponse><ResponseMetadata><RequestId>x</RequestId></ResponseMetadata></PutMetricDataResponse>",
		)
	})
}

func (w *world) serve(handler http.Handler) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: time.Minute, TLSConfig: w.tls.Clone(),
		ErrorLog: log.New(io.Discard, "", 0), // subjects are killed in mid-connection
	}
	w.servers = append(w.servers, server)
	go func() { _ = server.ServeTLS(listener, "", "") }() // ends with close
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return "localhost:" + port, nil
}

func (w *world) close() {
	for _, s := range w.servers {
		_ = s.Close()
	}
}

// zeros packs n zero bytes: one MiB, repeated, as a gzip file may have many members (RFC 1952 section 2.2).
func zeros(n int) ([]byte, error) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(make([]byte, oneMiB)); err != nil {
		return nil, err
	}
	err = z.Close()
	return bytes.Repeat(packed.Bytes(), n/oneMiB), err
}

// systemBundle is this machine's own roots, which the subjects read as well as the simulator's.
func systemBundle() []byte {
	for _, name := range []string{
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
	} {
		if text, err := os.ReadFile(name); err == nil {
			return append(text, '\n')
		}
	}
	return nil
}
