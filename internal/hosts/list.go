// Package hosts binds a token to the hosts that it may be sent to: exact names and ports, or one wildcard label at the
// front. It resolves no name and handles no addresses, which package egress guards. A list without entries allows
// nothing.
package hosts

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// defaultPort is the one of https (RFC 9110 section 4.2.2), the only scheme there is here.
const defaultPort = "443"

// List is a set of host[:port] and *.host[:port]. The zero List allows nothing. A wildcard stands for exactly one
// label, as in certificates (RFC 6125 section 6.4.3), and never for the name itself.
type List struct{ entries []entry }

type entry struct {
	name     string // lower case, no trailing dot, without the "*."
	port     string
	wildcard bool
}

// Parse checks entries, one host each. The error names every bad one by its place in the list.
func Parse(entries []string) (List, error) {
	var list List
	var problems []error
	for i, text := range entries {
		e, err := parseEntry(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("entry %d: %w", i+1, err))
			continue
		}
		list.entries = append(list.entries, e)
	}
	return list, errors.Join(problems...)
}

// ParseCommaSeparated reads the form of ALLOWED_HOSTS. Empty means that nothing is allowed.
func ParseCommaSeparated(text string) (List, error) {
	if strings.TrimSpace(text) == "" {
		return List{}, nil
	}
	entries := strings.Split(text, ",")
	for i := range entries {
		entries[i] = strings.TrimSpace(entries[i])
	}
	return Parse(entries)
}

// Entries returns the hosts of the list in their written form, without the default port.
func (l List) Entries() []string {
	texts := make([]string, len(l.entries))
	for i, e := range l.entries {
		if e.wildcard {
			texts[i] = "*."
		}
		texts[i] += e.name
		if e.port != defaultPort {
			texts[i] += ":" + e.port
		}
	}
	return texts
}

func parseEntry(text string) (entry, error) {
	if strings.Contains(text, "/") {
		return entry{}, errors.New("write only the host, without https:// and path")
	}
	name, port, found := strings.Cut(text, ":")
	if !found {
		port = defaultPort
	} else if err := CheckPort(port); err != nil {
		return entry{}, err
	}
	name, wildcard := strings.CutPrefix(name, "*.")
	if err := CheckName(name); err != nil {
		return entry{}, err
	}
	return entry{Normalize(name), canonicalPort(port), wildcard}, nil
}

// Allows reports whether the token may go to the URL's host and port. It compares names as written, without resolving
// them: whoever owns the name owns its addresses.
func (l List) Allows(u *url.URL) bool {
	name, port := Normalize(u.Hostname()), canonicalPort(u.Port())
	for _, e := range l.entries {
		if e.port != port {
			continue
		}
		if !e.wildcard && e.name == name {
			return true
		}
		if label, rest, ok := strings.Cut(name, "."); e.wildcard && ok && label != "" && rest == e.name {
			return true
		}
	}
	return false
}

// Normalize lowers the case and drops one trailing dot (RFC 9110 section 4.2.3; a rooted name is the same host).
func Normalize(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// canonicalPort lets 0443 and 443 be the same port, as they are to the dialer.
func canonicalPort(port string) string {
	if port == "" {
		return defaultPort
	}
	return strings.TrimLeft(port, "0")
}

// CheckPort rejects what is not a TCP port.
func CheckPort(port string) error {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("the port must be a number from 1 to 65535")
	}
	return nil
}

// CheckName rejects what is not a DNS host name (RFC 1123 section 2.1, and the underscore, which is in use): IP
// literals in all their forms, and names outside ASCII, whose punycode form must be written instead.
func CheckName(name string) error {
	name = Normalize(name)
	if name == "" {
		return errors.New("the host name is missing")
	}
	if len(name) > 253 {
		return errors.New("the host name is longer than 253 characters")
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return errors.New("each label of the host name must have 1 to 63 characters")
		}
		for _, c := range []byte(label) {
			switch {
			case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			case c >= 0x80:
				return errors.New("the host name must be ASCII: write its punycode form (xn--…)")
			default:
				return errors.New("a host name has only letters, digits, hyphens and dots")
			}
		}
	}
	if isNumber(labels[len(labels)-1]) {
		return errors.New("an IP address is not allowed: write a host name")
	}
	return nil
}

// isNumber reports whether a last label makes its host an IPv4 address to the URL Standard (host parsing, "ends in a
// number") and to getaddrinfo: 127.1, 0x7f000001, 0177.0.0.1.
func isNumber(label string) bool {
	if digits, hex := strings.CutPrefix(label, "0x"); hex {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
