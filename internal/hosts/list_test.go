package hosts_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/hosts"
)

func allows(t *testing.T, list hosts.List, host string) bool {
	t.Helper()
	return list.Allows(&url.URL{Scheme: "https", Host: host, Path: "/"})
}

func TestAllows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entries []string
		yes, no []string
	}{
		"no entries bind to nothing": {entries: nil, yes: nil, no: []string{"example.com", "", ":443", "."}},
		"a host": {
			entries: []string{"api.example.com"},
			yes: []string{
				"api.example.com", "API.Example.COM", "api.example.com.", "api.example.com:443", "api.example.com.:0443",
			},
			no: []string{
				"example.com", "x.api.example.com", "api.example.com.evil.org", "evil-api.example.com", "api.example.com:8443",
				"api.example.com:80", "api-example.com", "apiXexample.com", "api.example.com..", "",
			},
		},
		"a host in another form": {
			entries: []string{"API.example.com.:00443"}, yes: []string{"api.example.com"},
			no: []string{"api.example.com:4430"},
		},
		"a port": {
			entries: []string{"api.example.com:8443"}, yes: []string{"api.example.com:8443", "api.example.com:08443"},
			no: []string{"api.example.com", "api.example.com:443", "api.example.com:843"},
		},
		"a wildcard": {
			entries: []string{"*.example.com"},
			yes:     []string{"a.example.com", "A.EXAMPLE.com.", "a-b_c.example.com:443"},
			no: []string{
				"example.com", "a.b.example.com", ".example.com", "aexample.com", "a.example.com:8443", "a.example.com.evil.org",
				"*.example.org",
			},
		},
		"a wildcard with a port": {
			entries: []string{"*.example.com:8443"}, yes: []string{"a.example.com:8443"},
			no: []string{"a.example.com", "a.b.example.com:8443", "example.com:8443"},
		},
		"a star that is not a wildcard to the target": {
			entries: []string{"a.example.com"}, yes: nil, no: []string{"*.example.com"},
		},
		"several": {
			entries: []string{"a.example.com", "*.example.org:8443", "a.example.com:8443"},
			yes:     []string{"a.example.com", "a.example.com:8443", "b.example.org:8443"},
			no:      []string{"b.example.org", "b.example.com"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := hosts.Parse(c.entries)
			if err != nil {
				t.Fatal(err)
			}
			for _, host := range c.yes {
				if !allows(t, list, host) {
					t.Errorf("%q is rejected", host)
				}
			}
			for _, host := range c.no {
				if allows(t, list, host) {
					t.Errorf("%q is allowed", host)
				}
			}
		})
	}
}

func TestParseRejects(t *testing.T) {
	t.Parallel()
	const (
		address = "an IP address is not allowed: write a host name"
		bytes   = "a host name has only letters, digits, hyphens and dots"
		port    = "the port must be a number from 1 to 65535"
		label   = "each label of the host name must have 1 to 63 characters"
		missing = "the host name is missing"
		alone   = "write only the host, without https:// and path"
	)
	for entry, want := range map[string]string{
		"":                                missing,
		".":                               missing,
		"*":                               bytes,
		"*.":                              missing,
		"*.*.example.com":                 bytes,
		"a.*.example.com":                 bytes,
		"*example.com":                    bytes,
		"*.127.0.0.1":                     address,
		":443":                            missing,
		"example.com:":                    port,
		"example.com:0":                   port,
		"example.com:65536":               port,
		"example.com:+443":                port,
		"example.com:-1":                  port,
		"example.com:https":               port,
		"example.com:443:443":             port,
		"https://example.com":             alone,
		"example.com/":                    alone,
		"user@example.com":                bytes,
		" example.com":                    bytes,
		"example.com\n":                   bytes,
		"exa mple.com":                    bytes,
		"example.com?":                    bytes,
		"example.com#":                    bytes,
		"ex%61mple.com":                   bytes,
		`example.com\`:                    bytes,
		"example..com":                    label,
		"example.com..":                   label,
		".example.com":                    label,
		strings.Repeat("a", 64) + ".com":  label,
		strings.Repeat("a.", 127) + "com": "the host name is longer than 253 characters",
		"bücher.example":                  "the host name must be ASCII: write its punycode form (xn--…)",
		"127.0.0.1":                       address,
		"127.0.0.1.":                      address,
		"127.1":                           address,
		"0x7f000001":                      address,
		"0X7F000001":                      address,
		"0x":                              address,
		"0x7f.0.0.0x1":                    address,
		"0xffffffffffffffffffffffff":      address,
		"2130706433":                      address,
		"0177.0.0.1":                      address,
		"example.1":                       address,
		"99999999999999999999999999":      address,
		"[::1]":                           port, // the colon ends the name
		"::1":                             port,
	} {
		if list, err := hosts.Parse([]string{entry}); err == nil || err.Error() != "entry 1: "+want {
			t.Errorf("%q: %v, want %s", entry, err, want)
		} else if diff := cmp.Diff(false, allows(t, list, entry)); diff != "" {
			t.Errorf("%q is allowed anyway", entry)
		}
	}
}

func TestParseTakes(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		"localhost", "az09.zoo", "xn--bcher-kva.example", "a_b.example.com", "1.example.com", "127.0.0.1.example.com", "0xg",
		"0b1", "a.0o7", "1_000",
		strings.Repeat("a", 63) + ".com", strings.Repeat("a.", 125) + "com.", "example.com:1", "example.com:65535",
		"*.example.com.:443",
	} {
		if _, err := hosts.Parse([]string{entry}); err != nil {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

func TestParseNamesEveryBadEntryByItsPlace(t *testing.T) {
	t.Parallel()
	list, err := hosts.Parse([]string{"", "good.example.com", "127.1", "a:b"})
	want := "entry 1: the host name is missing\nentry 3: an IP address is not allowed: write a host name\nentry 4: the " +
		"port must be a number from 1 to 65535"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if !allows(t, list, "good.example.com") {
		t.Error("the good entry is lost")
	}
}

func TestParseCommaSeparated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		yes  []string
		bad  string
	}{
		"nothing":     {text: "", yes: nil, bad: ""},
		"white space": {text: " \n", yes: nil, bad: ""},
		"one":         {text: "a.example.com", yes: []string{"a.example.com"}, bad: ""},
		"with spaces": {
			text: " a.example.com ,\tb.example.com:8443\n", yes: []string{"a.example.com", "b.example.com:8443"}, bad: "",
		},
		"a comma too many": {text: "a.example.com,", yes: nil, bad: "entry 2: the host name is missing"},
		"two in a row":     {text: "a.example.com,,b.example.com", yes: nil, bad: "entry 2: the host name is missing"},
		"no comma": {
			text: "a.example.com b.example.com", yes: nil,
			bad: "entry 1: a host name has only letters, digits, hyphens and dots",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := hosts.ParseCommaSeparated(c.text)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.bad {
				t.Fatalf("%v, want %q", err, c.bad)
			}
			for _, host := range c.yes {
				if !allows(t, list, host) {
					t.Errorf("%q is rejected", host)
				}
			}
			if allows(t, list, "") {
				t.Error("no host at all is allowed")
			}
		})
	}
}

// Property: what is accepted is not an IP address, holds no byte with a meaning in a URL, allows the host that it
// names and no host below or next to it.
func FuzzParse(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, seed := range []string{
		"api.example.com", "*.Example.com.:8443", "127.1", "0x7f.1", "[::1]:443", "a@b", "xn--a.b:0443", "a,b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		list, err := hosts.Parse([]string{entry})
		if err != nil {
			if strings.Contains(err.Error(), "entry 1: ") {
				return
			}
			t.Fatalf("%q: %v", entry, err)
		}
		name, port, _ := strings.Cut(entry, ":")
		name, wildcard := strings.CutPrefix(name, "*.")
		if _, err := netip.ParseAddr(strings.TrimSuffix(name, ".")); err == nil ||
			strings.ContainsAny(entry, "/?#@[]\\%, \t\r\n\x00") {
			t.Fatalf("%q was accepted", entry)
		}
		at := func(name string) string {
			if port == "" {
				return name
			}
			return name + ":" + port
		}
		u, err := url.Parse("https://" + at(name) + "/")
		if err != nil {
			t.Fatalf("%q was accepted: %v", entry, err)
		}
		wants := map[string]bool{u.Host: !wildcard, at("a." + name): wildcard, at("a.b." + name): false, at("a" +
			name): false, at(name + ".evil"): false}
		for host, want := range wants {
			if allows(t, list, host) != want {
				t.Fatalf("%q allows %q: %t", entry, host, !want)
			}
		}
	})
}

func TestEntriesReadTheSame(t *testing.T) {
	t.Parallel()
	list, err := hosts.ParseCommaSeparated("API.example.com., *.example.net:8443, a.example.org:443")
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(list.Entries(), ", ")
	if want := "api.example.com, *.example.net:8443, a.example.org"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
