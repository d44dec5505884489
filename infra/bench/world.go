package main

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

const (
	stackName  = "bench"
	tokenName  = "ExampleApi"
	secretName = "bench/example-api"
	// tokenValue is looked for in all that a subject writes.
	tokenValue = "bench-Zk3vQ9xW7pLr2TfYb8Nd"
	region     = "us-east-1"
	oneMiB     = 1 << 20
)

// world is what surrounds a function: Secrets Manager, CloudWatch and the target, each on a TLS port of its own on
// loopback. One subject at a time uses it, so the counters are that subject's.
type world struct {
	secrets, cloudWatch, target string // host:port
	bundle                      string // PEM file: the machine's roots and the stand-ins' own
	dir                         string

	reads, puts, describes, calls, handshakes atomic.Int64

	listeners []net.Listener
	bomb      []byte
}

// counts are what a phase of a run asked of the world.
type counts struct{ reads, puts, describes, calls, handshakes int64 }

func (w *world) counts() counts {
	return counts{w.reads.Load(), w.puts.Load(), w.describes.Load(), w.calls.Load(), w.handshakes.Load()}
}

func (c counts) minus(o counts) counts {
	return counts{c.reads - o.reads, c.puts - o.puts, c.describes - o.describes, c.calls - o.calls, c.handshakes - o.handshakes}
}

// aws is the number of requests to AWS.
func (c counts) aws() int64 { return c.reads + c.puts + c.describes }

func newWorld(dir string) (*world, error) {
	w := &world{dir: dir, bundle: filepath.Join(dir, "roots.pem")}
	certificate, root, err := issue()
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	if err := os.WriteFile(w.bundle, append(systemBundle(), root...), 0o600); err != nil {
		return nil, err
	}
	if w.bomb, err = zeros(256 * oneMiB); err != nil {
		return nil, err
	}
	for address, handler := range map[*string]http.HandlerFunc{&w.secrets: w.serveSecrets, &w.cloudWatch: w.serveCloudWatch, &w.target: w.serveTarget} {
		if *address, err = w.serve(certificate, handler); err != nil {
			w.close()
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	return w, nil
}

func (w *world) serve(certificate tls.Certificate, handler http.HandlerFunc) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // subjects are killed in mid-connection
		TLSConfig: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{certificate},
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				w.handshakes.Add(1)
				return nil, nil
			},
		},
	}
	w.listeners = append(w.listeners, listener)
	go func() { _ = server.ServeTLS(listener, "", "") }()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return "localhost:" + port, nil
}

func (w *world) close() {
	for _, l := range w.listeners {
		_ = l.Close()
	}
}

func (w *world) serveSecrets(out http.ResponseWriter, r *http.Request) {
	w.reads.Add(1)
	var in struct{ SecretId, VersionStage string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	out.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if in.VersionStage != "" && in.VersionStage != "AWSCURRENT" {
		out.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(out, `{"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret value"}`)
		return
	}
	_ = json.NewEncoder(out).Encode(map[string]any{
		"ARN": "arn:aws:secretsmanager:" + region + ":123456789012:secret:" + in.SecretId + "-a1b2c3", "Name": in.SecretId,
		"VersionId": "3f1f3a52-6f1c-4f7e-9d4e-8e6f5f9a1c11", "SecretString": tokenValue, "VersionStages": []string{"AWSCURRENT"},
		"CreatedDate": time.Now().Add(-30 * 24 * time.Hour).Unix(),
	})
}

// serveCloudWatch speaks the three protocols of the subjects' SDKs: RPC v2 CBOR, JSON and query.
func (w *world) serveCloudWatch(out http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	if name == "DescribeAlarms" {
		w.describes.Add(1)
	} else {
		w.puts.Add(1)
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/service/"):
		out.Header().Set("Content-Type", "application/cbor")
		out.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		answer := cbor.Map{}
		if name == "DescribeAlarms" {
			answer["MetricAlarms"] = cbor.List{cbor.Map{
				"AlarmName": cbor.String(stackName + "-TokenRejected-" + tokenName), "StateValue": cbor.String("ALARM"),
				"StateTransitionedTimestamp": &cbor.Tag{ID: 1, Value: cbor.Float64(time.Now().Add(-time.Hour).Unix())},
			}}
		}
		_, _ = out.Write(cbor.Encode(answer))
	case r.Header.Get("X-Amz-Target") != "":
		out.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(out, "{}")
	default:
		out.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(out, "<PutMetricDataResponse><ResponseMetadata><RequestId>x</RequestId></ResponseMetadata></PutMetricDataResponse>")
	}
}

func (w *world) serveTarget(out http.ResponseWriter, r *http.Request) {
	w.calls.Add(1)
	_, _ = io.Copy(io.Discard, r.Body)
	out.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer "+tokenValue {
		out.WriteHeader(http.StatusForbidden) // no subject may forget the token and be measured all the same
		return
	}
	switch r.URL.Path {
	case "/rejected":
		out.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		out.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(out, `{"error":"invalid_token"}`)
	case "/redirect":
		out.Header().Set("Location", "/accepted")
		out.WriteHeader(http.StatusFound)
	case "/large":
		large := bytes.Repeat([]byte{' '}, oneMiB)
		for range 64 {
			if _, err := out.Write(large); err != nil {
				return
			}
		}
	case "/list": // the JSON document with the most values for its size
		_, _ = io.WriteString(out, `{"ok":true,"list":[0`+strings.Repeat(",0", oneMiB/2-64)+"]}")
	case "/bomb":
		out.Header().Set("Content-Encoding", "gzip")
		_, _ = out.Write(w.bomb)
	default:
		_, _ = io.WriteString(out, `{"ok":true}`)
	}
}

// zeros packs n zero bytes: one MiB, again and again, as a gzip file may have many members (RFC 1952 section 2.2).
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

// issue makes a root and a certificate of localhost under it.
func issue() (tls.Certificate, []byte, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Bench root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), rootKey)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}), nil
}

// systemBundle is this machine's own roots, which the subjects read as well as the stand-ins' root.
func systemBundle() []byte {
	for _, name := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"} {
		if text, err := os.ReadFile(name); err == nil {
			return append(text, '\n')
		}
	}
	return nil
}

// runtimeAPI is the Lambda Runtime API of one process.
type runtimeAPI struct {
	server  *http.Server
	address string
	next    chan time.Time // when the process asked for work
	events  chan []byte
	answers chan answer

	mu   sync.Mutex
	sent time.Time // when the last event went out
	id   int
}

// answer is how an invocation ended.
type answer struct {
	took   time.Duration
	failed bool
	body   string
}

func newRuntimeAPI() (*runtimeAPI, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	api := &runtimeAPI{address: listener.Addr().String(), next: make(chan time.Time, 1), events: make(chan []byte), answers: make(chan answer, 1)}
	mux := http.NewServeMux()
	const invocation = "/2018-06-01/runtime/invocation/"
	mux.HandleFunc("GET "+invocation+"next", api.serveNext)
	mux.HandleFunc("POST "+invocation+"{id}/response", func(w http.ResponseWriter, r *http.Request) { api.serveAnswer(w, r, false) })
	mux.HandleFunc("POST "+invocation+"{id}/error", func(w http.ResponseWriter, r *http.Request) { api.serveAnswer(w, r, true) })
	api.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = api.server.Serve(listener) }()
	return api, nil
}

func (api *runtimeAPI) close() { _ = api.server.Close() }

func (api *runtimeAPI) serveNext(w http.ResponseWriter, r *http.Request) {
	api.next <- time.Now()
	select {
	case <-r.Context().Done():
	case event := <-api.events:
		api.mu.Lock()
		api.id++
		id := fmt.Sprintf("8476a536-e9f4-11e8-9739-%012d", api.id)
		api.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(2*time.Minute).UnixMilli()))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:"+region+":123456789012:function:bench")
		w.Header().Set("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0")
		api.mu.Lock()
		api.sent = time.Now()
		api.mu.Unlock()
		_, _ = w.Write(event)
	}
}

func (api *runtimeAPI) serveAnswer(w http.ResponseWriter, r *http.Request, failed bool) {
	body, _ := io.ReadAll(r.Body)
	end := time.Now()
	api.mu.Lock()
	took := end.Sub(api.sent)
	api.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
	api.answers <- answer{took, failed, string(body)}
}

var errStopped = errors.New("the process ended")

// waitForNext waits until the process asks for work.
func (api *runtimeAPI) waitForNext(ended <-chan struct{}, limit time.Duration) (time.Time, error) {
	select {
	case at := <-api.next:
		return at, nil
	case <-ended:
		return time.Time{}, errStopped
	case <-time.After(limit):
		return time.Time{}, fmt.Errorf("no request for work within %s", limit)
	}
}

// invoke sends an event and waits for the answer.
func (api *runtimeAPI) invoke(event []byte, ended <-chan struct{}, limit time.Duration) (answer, error) {
	api.events <- event
	select {
	case a := <-api.answers:
		return a, nil
	case <-ended:
		return answer{}, errStopped
	case <-time.After(limit):
		return answer{}, fmt.Errorf("no answer within %s", limit)
	}
}
