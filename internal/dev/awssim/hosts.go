package awssim

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// The one place where names of the world become names of this machine, and back. The functions resolve names by the real
// DNS and call no IP literals, so a host of the template, such as api.example.com, stands for localhost with a port of
// its own: in the events and ALLOWED_HOSTS that the functions get, and in the secrets that PutSecret puts. What comes
// back is told with the names of the world by Public.

// addHost gives a host a place on this machine. mu is not held.
func (c *Cloud) addHost(host string, handler http.Handler) error {
	address, err := c.serve(handler)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, taken := c.hosts[host]; taken {
		return fmt.Errorf("host %s is there already", host)
	}
	c.hosts[host] = address
	return nil
}

// Host serves a host (name, or name:port) by a handler: an authorisation server, say. Hosts that the template calls
// have a Target already. Secrets and events that name it come later.
func (c *Cloud) Host(host string, handler http.Handler) error {
	return c.addHost(strings.ToLower(host), handler)
}

// Target is the API behind a host that the template calls, or that Options.Hosts names; nil if there is none.
func (c *Cloud) Target(host string) *upstream.Server { return c.targets[host] }

// Local writes this machine's names for those of the world.
func (c *Cloud) Local(text string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return rename(text, c.hosts)
}

// Public writes them back.
func (c *Cloud) Public(text string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	back := make(map[string]string, len(c.hosts))
	for world, here := range c.hosts {
		back[here] = world
	}
	return rename(text, back)
}

// rename replaces whole host names, longest first: api.example.com stands neither in www.api.example.com nor in
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

// endsHost reports whether what follows belongs to the name no more. A dot at the end of a sentence does not.
func endsHost(rest string) bool {
	if rest == "" {
		return true
	}
	if (rest[0] == '.' || rest[0] == ':') && len(rest) > 1 {
		return !isHostByte(rest[1]) || rest[1] == '.' || rest[1] == '-'
	}
	return rest[0] == '.' || rest[0] == ':' || !isHostByte(rest[0])
}

// localHosts is ALLOWED_HOSTS for this machine. A wildcard becomes the hosts that it covers, as localhost has no names
// below it.
func (c *Cloud) localHosts(list string) string {
	var entries []string
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		parent, wildcard := strings.CutPrefix(entry, "*.")
		if !wildcard {
			entries = append(entries, c.Local(entry))
			continue
		}
		for _, host := range slices.Sorted(maps.Keys(c.hosts)) {
			if label, rest, ok := strings.Cut(host, "."); ok && label != "" && rest == parent {
				entries = append(entries, c.hosts[host])
			}
		}
	}
	return strings.Join(entries, ",")
}

// serve answers on a port of this machine, over TLS, until Close.
func (c *Cloud) serve(handler http.Handler) (address string, err error) {
	config, err := c.authority.ServerConfig()
	if err != nil {
		return "", err
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("a server: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: time.Minute,
		// Handshakes that a test breaks off are no news.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	c.mu.Lock()
	c.servers = append(c.servers, server)
	c.mu.Unlock()
	go func() { _ = server.Serve(tls.NewListener(listener, config)) }() // ends with Close
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return "", fmt.Errorf("a server: %w", err)
	}
	return "localhost:" + port, nil
}
