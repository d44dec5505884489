package faults_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
)

// part is how much of an answer a breakage lets through.
type part int

const (
	nothing part = iota // no complete head
	head                // a head with status 200, and a body that is not complete or has no end
	whole               // a complete answer
)

// named is a breakage, and what it lets through.
type named struct {
	breakage

	name    string
	gives   part
	status  int  // of a head
	unasked bool // it is compressed as no one asked for, and reads as something else
}

const (
	ok200 = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	pause = 150 * time.Millisecond
	flood = 8 << 20
)

// place is where a fault is tried. In make test each of those that can befall any server is tried at one place, in
// make faults at all.
type place int

const (
	atTarget place = iota
	atTargetWithRule
	atIssuer
	atSecrets
	atMetrics
	atReminders
	atIdentity
	secretsInRotation
	issuerInRotation
	testInRotation
	metricsInRotation
	places
)

// share returns what is tried at a place.
func share[T any](all []T, p place) []T {
	if *everything {
		return all
	}
	var list []T
	for i := int(p); i < len(all); i += int(places) {
		list = append(list, all[i])
	}
	return list
}

// broken are the ways in which any server can fail on the wire. What is whole has a body that
// cannot be read.
func broken(t *testing.T) []named {
	t.Helper()
	conn := func(name string, do func(net.Conn)) named { return named{name: name, breakage: breakage{conn: do}} }
	serve := func(name string, gives part, h http.HandlerFunc) named {
		return named{name: name, gives: gives, status: http.StatusOK, breakage: breakage{serve: h}}
	}
	after := func(text string, do func(net.Conn)) http.HandlerFunc {
		return wire(func(c net.Conn) {
			_, _ = io.WriteString(c, text)
			time.Sleep(20 * time.Millisecond) // a reset would take back what was sent just before
			do(c)
		})
	}
	leave := func(net.Conn) {}
	list := []named{
		conn("closed at once", leave),
		conn("reset at once", reset),
		conn("silent", hang),
		conn("closed in the handshake", func(c net.Conn) { _, _ = c.Read(make([]byte, 5)) }),
		conn("reset in the handshake", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 5))
			reset(c)
		}),
		conn("handshake cut off", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4<<10))
			_, _ = c.Write([]byte("\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"))
			hang(c)
		}),
		conn("handshake refused", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4<<10))
			_, _ = c.Write([]byte("\x15\x03\x01\x00\x02\x02\x28"))
		}),
		conn("handshake is noise", func(c net.Conn) {
			noise := make([]byte, 4<<10)
			_, _ = rand.Read(noise)
			_, _ = c.Write(noise)
		}),
		conn("plain HTTP", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4<<10))
			_, _ = io.WriteString(c, ok200+"Content-Length: 2\r\n\r\n{}")
		}),
		conn("another protocol", func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n") }),
		serve("closed after the request", nothing, wire(leave)),
		serve("reset after the request", nothing, wire(reset)),
		serve("no answer", nothing, hangRequest),
		serve("status line cut off", nothing, says("HTTP/1.1 2")),
		serve("head cut off", nothing, says(ok200+"X-Long: 1")),
		serve("head reset", nothing, after(ok200+"X-Long: 1", reset)),
		serve("head without end", nothing, after(ok200, hang)),
		serve("head drips", nothing, drips(ok200+"\r\n", pause)),
		serve("a flood of headers", nothing, floods(ok200, "X-Flood: 0123456789abcdef\r\n", flood, "\r\n{}")),
		serve("a header without end", nothing, floods(ok200+"X-Flood: ", "0123456789abcdef", flood, "\r\n\r\n{}")),
		serve("a flood of 103", nothing, floods("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", flood, "")),
		serve("a flood of 100", nothing, floods("", "HTTP/1.1 100 Continue\r\n\r\n", flood, "")),
		serve("199 and the end", nothing, says("HTTP/1.1 199 Warning\r\n\r\n")),
		serve("noise", nothing, says("\x00\xff\x13\x37 nothing of HTTP \r\n\r\n")),
		serve("HTTP/0.9", nothing, says("<html>hello</html>")),
		serve("HTTP/2 unasked", nothing, says("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
		serve("status of four digits", nothing, says("HTTP/1.1 2000 OK\r\n\r\n")),
		serve("status of two digits", nothing, says("HTTP/1.1 20 OK\r\n\r\n")),
		serve("status of letters", nothing, says("HTTP/1.1 2xx OK\r\n\r\n")),
		serve("status below zero", nothing, says("HTTP/1.1 -20 OK\r\n\r\n")),
		serve("header without a name", nothing, says(ok200+"no colon here\r\n\r\n{}")),
		serve("header with a zero byte", nothing, says(ok200+"X-\x00: 1\r\n\r\n{}")),
		serve("two lengths", nothing, says(ok200+"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")),
		serve("length below zero", nothing, says(ok200+"Content-Length: -2\r\n\r\n{}")),
		serve("unknown transfer coding", nothing, says(ok200+"Transfer-Encoding: gzip\r\n\r\n{}")),

		serve("body cut off", head, says(ok200+"Content-Length: 100\r\n\r\n{\"ok\"")),
		serve("body reset", head, after(ok200+"Content-Length: 100\r\n\r\n{\"ok\"", reset)),
		serve("body stops", head, after(ok200+"Content-Length: 100\r\n\r\n{\"ok\"", hang)),
		serve("body drips", head, wire(func(c net.Conn) {
			_, err := io.WriteString(c, ok200+"Content-Length: 100\r\n\r\n")
			for ; err == nil; time.Sleep(pause) {
				_, err = io.WriteString(c, " ")
			}
		})),
		serve("bad chunk", head, says(ok200+"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"ok\"\r\nzz\r\n")),
		serve("chunk cut off", head, says(ok200+"Transfer-Encoding: chunked\r\n\r\nff\r\n{\"ok\"")),
		serve("chunk of any size", head, says(ok200+"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n{\"ok\"")),
		serve("a flood of chunk extensions", head, floods(
			ok200+"Transfer-Encoding: chunked\r\n\r\n", "1;x=0123456789abcdef0123456789abcdef\r\n \r\n", flood, "0\r\n\r\n",
		)),
		serve("a flood of trailers", head, floods(
			ok200+"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", "X-Flood: 0123456789abcdef\r\n", flood, "\r\n",
		)),
		serve("body without end", head, floods(ok200+"\r\n", "0123456789abcdef", 64<<20, "")),
		serve("a flood of zeros", head, floods(ok200+"\r\n", strings.Repeat("\x00", 1<<10), flood, "")),
		serve("not the compression that it says", whole, says(ok200+"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}")),
		serve("a compression bomb", whole, zipped(bomb(), "gzip")),
		serve("compression cut off", whole, zipped(bomb()[:200], "gzip")),
		serve("unknown compression", whole, zipped([]byte("\x01\x02\x03"), "zstd")),
		serve("compressed twice", whole, zipped(bomb(), "gzip, gzip")),
	}
	for i, b := range list {
		list[i].unasked = b.name == "unknown compression" || b.name == "compressed twice"
	}
	return append(list, wrongTLS(t)...)
}

func zipped(body []byte, encoding string) http.HandlerFunc {
	return answers(http.StatusOK, string(body), "Content-Type", "application/json", "Content-Encoding", encoding)
}

// bomb is a document of JSON with a great many spaces, compressed.
var bomb = sync.OnceValue(func() []byte {
	const size = 32 << 20
	var text bytes.Buffer
	w := gzip.NewWriter(&text)
	block := bytes.Repeat([]byte(" "), 64<<10)
	for range size / len(block) {
		_, _ = w.Write(block) // into memory
	}
	_, _ = io.WriteString(w, `{"ok":true}`)
	_ = w.Close()
	return text.Bytes()
})

// wrongTLS are the ways in which a server is not to be trusted.
func wrongTLS(t *testing.T) []named {
	t.Helper()
	var list []named
	add := func(name string, config *tls.Config) {
		config.NextProtos = []string{"http/1.1"}
		list = append(list, named{name: name, breakage: breakage{tls: config}})
	}
	authority, err := trusted()
	must(t, err)
	expired, err := authority.ExpiredConfig()
	must(t, err)
	add("a certificate that has expired", expired)
	other, err := authority.ServerConfig("other.example.com")
	must(t, err)
	add("a certificate of another name", other)
	old, err := authority.ServerConfig()
	must(t, err)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	add("TLS 1.1", old)
	mutual, err := authority.ServerConfig()
	must(t, err)
	mutual.ClientAuth = tls.RequireAnyClientCert
	add("a certificate of the client is wanted", mutual)
	stranger, err := pki.New()
	must(t, err)
	config, err := stranger.ServerConfig()
	must(t, err)
	add("a certificate of an unknown authority", config)
	for name, change := range map[string]func(*x509.Certificate){
		"a certificate that signs itself": func(*x509.Certificate) {},
		"a certificate with 100 KB of names": func(c *x509.Certificate) {
			for i := range 4000 {
				c.DNSNames = append(c.DNSNames, fmt.Sprintf("host-%d.example.com", i))
			}
		},
	} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Unix(0, 0),
			NotAfter: time.Now().Add(time.Hour),
		}
		change(template)
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		must(t, err)
		add(name, &tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		})
	}
	return list
}

// odd are complete answers that no server should give, or that say no.
func odd() []named {
	var list []named
	for _, status := range []int{
		201, 204, 205, 206, 226, 299, 300, 304, 305, 399, 400, 401, 402, 403, 404, 405, 407, 408, 409, 410, 411, 412, 413,
		414, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 507, 508, 511,
		520, 599, 600, 700, 999,
	} {
		text := fmt.Sprintf("HTTP/1.1 %d Odd\r\nContent-Length: 0\r\n\r\n", status)
		list = append(list, named{
			name: fmt.Sprint("status ", status), gives: whole, status: status, breakage: breakage{serve: says(text)},
		})
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		for name, to := range map[string]string{
			"HTTP": "http://STRANGER/", "a stranger": "https://STRANGER/?a=b", "itself": "/", "nothing": "",
			"noise": "https://%zz:port\\", "a stranger's name": "//STRANGER",
		} {
			list = append(list, named{
				name: fmt.Sprintf("%d to %s", status, name), gives: whole, status: status,
				breakage: breakage{serve: func(w http.ResponseWriter, r *http.Request) {
					answers(status, "", "Location", strings.ReplaceAll(to, "STRANGER", r.Header.Get(strangerHeader)))(w, r)
				}},
			})
		}
	}
	return list
}
