package faults_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/fault"
)

// breakage is one thing that a server does wrong. One of its fields is set.
type breakage struct {
	conn  func(net.Conn)   // to each connection, before TLS
	tls   *tls.Config      // instead of the server's own
	serve http.HandlerFunc // instead of its answer
}

// door is a server of names and TLS that can be broken at each point of a request. It keeps all that was sent to it.
type door struct {
	address  string
	stranger string // where it may send its clients

	listener net.Listener
	config   *tls.Config
	accepted chan net.Conn
	good     http.Handler
	closed   chan struct{}

	mu     sync.Mutex
	broken *breakage
	only   func(*http.Request, []byte) bool // which requests; nil: all
	hits   int
	conns  map[net.Conn]bool
	heard  []heard
}

// heard is a request as it came. Its head is without the header that the secret belongs into.
type heard struct {
	head, body string
	operation  string // AWS's
}

// strangerHeader passes the stranger's address to a breakage.
const strangerHeader = "X-Test-Stranger"

// newDoor listens on loopback. belongs is the header that may hold a secret here.
func newDoor(t *testing.T, config *tls.Config, belongs string, good http.Handler) *door {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	d := &door{
		address: "localhost:" + port, listener: listener, config: config, accepted: make(chan net.Conn), good: good,
		closed: make(chan struct{}), conns: map[net.Conn]bool{},
	}
	server := &http.Server{
		Handler: d.handler(belongs), ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute,
	}
	go d.accept()
	go func() { _ = server.Serve(queue{d}) }() // until Close
	t.Cleanup(func() {
		close(d.closed)
		_ = server.Close()
		d.heal()
	})
	return d
}

func (d *door) accept() {
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		d.conns[conn] = true
		broken := d.broken
		if broken != nil && broken.serve == nil {
			d.hits++
		}
		d.mu.Unlock()
		switch {
		case broken != nil && broken.conn != nil:
			go func() {
				broken.conn(conn)
				_ = conn.Close()
			}()
			continue
		case broken != nil && broken.tls != nil:
			conn = tls.Server(conn, broken.tls)
		default:
			conn = tls.Server(conn, d.config)
		}
		select {
		case d.accepted <- conn:
		case <-d.closed:
			_ = conn.Close()
		}
	}
}

// queue is the listener of those connections that HTTP is spoken on.
type queue struct{ *door }

func (q queue) Accept() (net.Conn, error) {
	select {
	case conn := <-q.accepted:
		return conn, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

func (q queue) Close() error   { return q.listener.Close() }
func (q queue) Addr() net.Addr { return q.listener.Addr() }

func (d *door) handler(belongs string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what came of it
		var head strings.Builder
		_, _ = fmt.Fprintf(&head, "%s %s\n", r.Method, r.URL)
		for name, values := range r.Header {
			if name != belongs {
				_, _ = fmt.Fprintf(&head, "%s: %s\n", name, strings.Join(values, "\n"))
			}
		}
		d.mu.Lock()
		d.heard = append(d.heard, heard{head.String(), string(body), operationOf(r)})
		broken := d.broken
		if broken != nil && (broken.serve == nil || d.only != nil && !d.only(r, body)) {
			broken = nil
		}
		if broken != nil {
			d.hits++
		}
		d.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		if broken != nil {
			r.Header.Set(strangerHeader, d.stranger)
			broken.serve(w, r)
			return
		}
		d.good.ServeHTTP(w, r)
	}
}

// operationOf returns the name of AWS's operation.
func operationOf(r *http.Request) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndex(target, ".")+1:]
	}
	return r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
}

// smash breaks the server for the requests that only allows; nil: all. Connections that are open are closed first.
func (d *door) smash(b breakage, only func(*http.Request, []byte) bool) {
	d.cut()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken, d.only, d.hits = &b, only, 0
}

// heal repairs the server, and returns how often it was met while it was broken.
func (d *door) heal() int {
	d.mu.Lock()
	d.broken, d.only = nil, nil
	hits := d.hits
	d.mu.Unlock()
	d.cut()
	return hits
}

func (d *door) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for conn := range d.conns {
		_ = conn.Close()
		delete(d.conns, conn)
	}
}

// take returns what was heard since it was last asked for.
func (d *door) take() []heard {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.heard
	d.heard = nil
	return list
}

// hang keeps a connection, or a request, until it is given up.
func hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func hangRequest(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// reset ends a connection as a crashed peer does, without the end of its data.
func reset(conn net.Conn) {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// wire answers a request by bytes of one's own. What it does not close ends with it.
func wire(answer func(conn net.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			fault.HangUp()
		}
		answer(conn)
		_ = conn.Close()
	}
}

// says answers by these bytes.
func says(text string) http.HandlerFunc {
	return wire(func(conn net.Conn) { _, _ = io.WriteString(conn, text) })
}

// drips answers by one byte at a time.
func drips(text string, pause time.Duration) http.HandlerFunc {
	return wire(func(conn net.Conn) {
		for i := range len(text) {
			if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
				return
			}
			time.Sleep(pause)
		}
	})
}

// floods writes text before, then one text again and again, until size bytes are written, then after.
func floods(before, again string, size int, after string) http.HandlerFunc {
	return wire(func(conn net.Conn) {
		block := []byte(strings.Repeat(again, 1+(32<<10)/len(again)))
		_, err := io.WriteString(conn, before)
		for sent := 0; err == nil && sent < size; sent += len(block) {
			_, err = conn.Write(block)
		}
		if err == nil {
			_, _ = io.WriteString(conn, after)
		}
	})
}

// answers is a handler with this answer; header has names and values in turn.
func answers(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// answersAfter is a target that takes a while.
func answersAfter(d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if fault.Wait(r.Context(), d) {
			answers(http.StatusOK, `{"ok":true}`)(w, r)
		}
	}
}

var errNoHit = errors.New("the fault was never met")
