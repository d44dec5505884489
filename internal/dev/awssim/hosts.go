package awssim

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
)

// hosts is the one place where names of the world become names of this machine, and back. The functions resolve names
// by the real DNS and call no IP literals, so a host of the template, such as api.example.com, stands for localhost
// with a port of its own: in the events and ALLOWED_HOSTS that the functions get, and in the secrets that PutSecret
// puts. Public writes what comes back with the names of the world. Safe for concurrent use.
type hosts struct {
	authority *pki.Authority

	mu      sync.Mutex
	names   map[string]string // of the world → of this machine
	servers []*http.Server
}

func newHosts(authority *pki.Authority) *hosts {
	return &hosts{authority: authority, names: map[string]string{}}
}

// Host serves a host (name, or name:port) by a handler, such as an authorization server. Hosts that the template calls
// have a Target already. Secrets and events that name it come later.
func (h *hosts) Host(host string, handler http.Handler) error {
	host = strings.ToLower(host)
	address, err := h.serve(handler)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, taken := h.names[host]; taken {
		return fmt.Errorf("host %s exists already", host)
	}
	h.names[host] = address
	return nil
}

// Local returns a text with this machine's names in place of those of the world.
func (h *hosts) Local(text string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return rename(text, h.names)
}

// Public reverses Local.
func (h *hosts) Public(text string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	back := make(map[string]string, len(h.names))
	for world, here := range h.names {
		back[here] = world
	}
	return rename(text, back)
}

// Get reads a URL of the world, as someone outside does.
func (h *hosts) Get(url string) ([]byte, error) {
	client := http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: h.authority.Pool(), MinVersion: tls.VersionTLS12}},
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, h.Local(url), nil)
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("get %s: status %d", url, response.StatusCode)
	}
	return text, err
}

// allowed is ALLOWED_HOSTS for this machine. A wildcard becomes the hosts that it covers, as localhost has no names
// below it.
func (h *hosts) allowed(list string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var entries []string
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		parent, wildcard := strings.CutPrefix(entry, "*.")
		if !wildcard {
			entries = append(entries, rename(entry, h.names))
			continue
		}
		for _, host := range slices.Sorted(maps.Keys(h.names)) {
			if label, rest, ok := strings.Cut(host, "."); ok && label != "" && rest == parent {
				entries = append(entries, h.names[host])
			}
		}
	}
	return strings.Join(entries, ",")
}

// rename replaces whole host names, longest first: api.example.com is part of neither www.api.example.com nor
// api.example.com:8443.
func rename(text string, names map[string]string) string {
	order := slices.SortedFunc(maps.Keys(names), func(a, b string) int { return len(b) - len(a) })
	var b strings.Builder
	for i := 0; i < len(text); {
		replaced := false
		for _, from := range order {
			if strings.HasPrefix(text[i:], from) && (i == 0 || !isHostByte(text[i-1])) && endsHost(text[i+len(from):]) {
				b.WriteString(names[from])
				i += len(from)
				replaced = true
				break
			}
		}
		if !replaced {
			b.WriteByte(text[i])
			i++
		}
	}
	return b.String()
}

func isHostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.'
}

// endsHost reports whether the name ends where rest begins. A dot at the end of a sentence does not belong to it.
func endsHost(rest string) bool {
	if rest == "" {
		return true
	}
	if (rest[0] == '.' || rest[0] == ':') && len(rest) > 1 {
		return !isHostByte(rest[1]) || rest[1] == '.' || rest[1] == '-'
	}
	return rest[0] == '.' || rest[0] == ':' || !isHostByte(rest[0])
}

// serve answers on a port of this machine, over TLS, until close.
func (h *hosts) serve(handler http.Handler) (address string, err error) {
	config, err := h.authority.ServerConfig()
	if err != nil {
		return "", err
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("a server: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: time.Minute,
		// A test may break off a handshake.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	h.mu.Lock()
	h.servers = append(h.servers, server)
	h.mu.Unlock()
	go func() { _ = server.Serve(tls.NewListener(listener, config)) }() // ends with close
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return "", fmt.Errorf("a server: %w", err)
	}
	return "localhost:" + port, nil
}

func (h *hosts) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, server := range h.servers {
		_ = server.Close() // what is still open there is ours
	}
}
