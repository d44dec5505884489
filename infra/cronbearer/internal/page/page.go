// Package page shows a sandbox in a browser: a lane per job, a bar per alarm, and the emails. Write makes one
// self-contained HTML file of what has happened; Server serves the same page on loopback, with buttons, and sends each
// new state as a server-sent event. It is plain HTML, CSS and SVG without a build step, and loads nothing from
// elsewhere. It decides nothing: a button sends the command line that `cronbearer dev` reads from a terminal.
//
// Any page in the user's browser can send requests to loopback. So the server answers to its own names only (a name
// that was rebound by DNS is another one), and a command needs the page's own origin and a token that only it has.
package page

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/sandbox"
)

// A Document is what the page shows.
type Document struct {
	Stack  string    `json:"stack"`
	Start  time.Time `json:"start"`
	Now    time.Time `json:"now"`
	Live   bool      `json:"live"` // there is someone to send commands to
	Jobs   []Job     `json:"jobs"`
	Tokens []Token   `json:"tokens"`
	// Events, the oldest first.
	Events []sandbox.Event `json:"events"`
	// Mistakes of the template as it is on disk; the one before runs on.
	Mistakes []string `json:"mistakes"`
}

// A Job has a lane.
type Job struct {
	Name     string `json:"name"`
	Schedule string `json:"schedule"`
}

// A Token can be killed, unless it is the user's own.
type Token struct {
	Name    string     `json:"name"`
	Killed  bool       `json:"killed"`
	Own     bool       `json:"own"`
	Expires *time.Time `json:"expires,omitempty"`
}

// JobsOf returns the lanes of a sandbox.
func JobsOf(s *sandbox.Sandbox) []Job {
	jobs := []Job{}
	for _, j := range s.Jobs() {
		schedule := j.Schedule
		if j.Disabled {
			schedule += ", disabled"
		}
		jobs = append(jobs, Job{j.Name, schedule})
	}
	return jobs
}

//go:embed page.html
var html string

//go:embed page.css
var css string

//go:embed page.js
var script string

// policy lets the page run its own script and style, known by their hashes, and talk to its own server.
func policy() string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; script-src " +
		hash(script) + "; style-src " + hash(css)
}

// Write writes the page as one file.
func Write(w io.Writer, d Document) error { return write(w, d, "") }

func write(w io.Writer, d Document, csrf string) error {
	data, err := marshal(d)
	if err != nil {
		return err
	}
	t, err := template.New("page").Parse(html)
	if err != nil {
		return err //nolint:wrapcheck // of a file that is embedded
	}
	return t.Execute(w, map[string]any{ //nolint:wrapcheck // the writer's
		"Stack": d.Stack, "Policy": policy(), "CSRF": csrf,
		// The two are constants, and the document's <, > and & are escaped by json.Marshal.
		"CSS": template.CSS(css), "JS": template.JS(script), "Document": template.JS(data), //nolint:gosec // see above
	})
}

// marshal writes empty lists as such: the script goes through them.
func marshal(d Document) ([]byte, error) {
	d.Jobs, d.Tokens = append([]Job{}, d.Jobs...), append([]Token{}, d.Tokens...)
	d.Events, d.Mistakes = append([]sandbox.Event{}, d.Events...), append([]string{}, d.Mistakes...)
	return json.Marshal(d)
}

// A Server serves the page.
type Server struct {
	snapshot func() Document
	do       func(ctx context.Context, command string) error
	csrf     string
	mux      http.ServeMux

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when there is news
}

// NewServer returns a Server that shows snapshot's document and passes commands on to do.
func NewServer(snapshot func() Document, do func(ctx context.Context, command string) error) *Server {
	s := &Server{snapshot: snapshot, do: do, csrf: rand.Text(), changed: make(chan struct{})}
	s.mux.HandleFunc("GET /{$}", s.page)
	s.mux.HandleFunc("GET /events", s.events)
	s.mux.HandleFunc("POST /do", s.command)
	return s
}

// Changed sends the document to the browsers.
func (s *Server) Changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) news() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	origin := r.Header.Get("Origin")
	if host != "127.0.0.1" && host != "localhost" || origin != "" && origin != "http://"+r.Host {
		http.Error(w, "this page answers to http://127.0.0.1 only", http.StatusForbidden)
		return
	}
	header := w.Header()
	header.Set("Content-Security-Policy", policy()+"; frame-ancestors 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	s.mux.ServeHTTP(w, r)
}

func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = write(w, s.snapshot(), s.csrf) // the browser is gone
}

// events sends the whole document each time: it is small, and a browser that missed one misses nothing.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		news := s.news()
		data, err := marshal(s.snapshot())
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-news:
		}
	}
}

// maxCommand bounds a command line, in bytes.
const maxCommand = 1024

func (s *Server) command(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Cronbearer")), []byte(s.csrf)) != 1 {
		http.Error(w, "the page is of another dev: reload it", http.StatusForbidden)
		return
	}
	line, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCommand))
	if err == nil {
		err = s.do(r.Context(), strings.TrimSpace(string(line)))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
