package egress_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/egress"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	type allowed int
	const (
		never allowed = iota
		private
		loopback
		always
	)
	cases := map[string]struct {
		addresses []string
		allowed   allowed
	}{
		// Global unicast, at the edges of what is not.
		"public IPv4": {addresses: []string{
			"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "52.95.110.1", "100.63.255.255", "100.128.0.0", "126.255.255.255",
			"128.0.0.0",
			"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0",
			"192.167.255.255",
			"192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0",
			"223.255.255.255",
		}, allowed: always},
		"public IPv6": {
			addresses: []string{
				"2001:200::1", "2001:4860:4860::8888", "2600::1", "2606:4700::1111", "2a05:d018::1", "2003::1", "3ffe:ffff::1",
				"3fff:1000::1",
			},
			allowed: always,
		},
		"mapped public IPv4": {addresses: []string{"::ffff:1.1.1.1", "::ffff:52.95.110.1"}, allowed: always},

		"private": {
			addresses: []string{"10.0.0.1", "172.16.0.0", "172.31.255.255", "192.168.255.255"}, allowed: private,
		},
		"loopback": {addresses: []string{"127.0.0.1", "127.255.255.255", "::1"}, allowed: loopback},
		"metadata of EC2 and Lambda": {
			addresses: []string{"169.254.169.254", "169.254.170.2", "169.254.79.129", "169.254.100.5"}, allowed: never,
		},
		"metadata of Alibaba Cloud": {addresses: []string{"100.100.100.200"}, allowed: never},

		// An IPv4 address inside an IPv6 one has the same verdict, or none gets through.
		"IPv4-mapped loopback":   {addresses: []string{"::ffff:127.0.0.1"}, allowed: loopback},
		"IPv4-mapped private":    {addresses: []string{"::ffff:10.0.0.1", "::ffff:192.168.1.1"}, allowed: private},
		"IPv4-mapped link-local": {addresses: []string{"::ffff:169.254.169.254"}, allowed: never},
		"IPv4-mapped shared":     {addresses: []string{"::ffff:100.64.0.1"}, allowed: never},
		"IPv4-compatible":        {addresses: []string{"::127.0.0.1", "::10.0.0.1", "::1.1.1.1"}, allowed: never},
		"NAT64 64:ff9b::/96": {
			addresses: []string{"64:ff9b::1.1.1.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe"},
			allowed:   never,
		},
		"NAT64 64:ff9b:1::/48":      {addresses: []string{"64:ff9b:1::1.1.1.1", "64:ff9b:1::10.0.0.1"}, allowed: never},
		"Teredo":                    {addresses: []string{"2001:0:4136:e378:8000:63bf:3fff:fdd2"}, allowed: never},
		"6to4 of a private address": {addresses: []string{"2002:a00:1::1", "2002:7f00:1::1"}, allowed: never},

		"unique local": {
			addresses: []string{"fc00::1", "fd00::1", "fd00:ec1::1", "fd00:ec3::1", "fdff:ffff::1"}, allowed: private,
		},
		"instance metadata of EC2": {
			addresses: []string{"fd00:ec2::", "fd00:ec2::23", "fd00:ec2::253", "fd00:ec2::254", "fd00:ec2:ffff::1"},
			allowed:   never,
		},
		"link-local, IPv6":         {addresses: []string{"fe80::1", "febf::1", "fe80::1%eth0"}, allowed: never},
		"site-local":               {addresses: []string{"fec0::1"}, allowed: never},
		"multicast, IPv6":          {addresses: []string{"ff02::1", "ff0e::1"}, allowed: never},
		"not given out":            {addresses: []string{"1::1", "1fff::1", "4000::1", "8000::1"}, allowed: never},
		"zones hide nothing":       {addresses: []string{"fd00:ec2::254%eth0", "::%eth0"}, allowed: never},
		"loopback with a zone":     {addresses: []string{"::1%lo"}, allowed: loopback},
		"unique local with a zone": {addresses: []string{"fd00::1%eth0"}, allowed: private},
	}
	guards := map[string]struct {
		guard   egress.Guard
		allowed map[allowed]bool
	}{
		"zero":     {guard: egress.Guard{}, allowed: map[allowed]bool{always: true}},
		"private":  {guard: egress.Guard{AllowPrivate: true}, allowed: map[allowed]bool{always: true, private: true}},
		"loopback": {guard: egress.Guard{AllowLoopback: true}, allowed: map[allowed]bool{always: true, loopback: true}},
		"both": {
			guard:   egress.Guard{AllowPrivate: true, AllowLoopback: true},
			allowed: map[allowed]bool{always: true, private: true, loopback: true},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, text := range c.addresses {
				addr := netip.MustParseAddr(text)
				for which, g := range guards {
					want := g.allowed[c.allowed]
					if got := g.guard.Allows(addr); got != want {
						t.Errorf("guard %s: Allows(%s) = %t, want %t", which, addr, got, want)
					}
					err := g.guard.Dialing(netip.AddrPortFrom(addr, 443).String())
					blocked, isBlocked := errors.AsType[*egress.BlockedError](err)
					if want != (err == nil) || isBlocked == want {
						t.Errorf("guard %s: dialing %s: %v, want it allowed: %t", which, addr, err, want)
					}
					if isBlocked && blocked.Address != addr.Unmap().WithZone("") {
						t.Errorf("guard %s: the error names %s, want %s", which, blocked.Address, addr)
					}
				}
			}
		})
	}
}

// registries are IANA's special-purpose address registries, entry by entry, and multicast.
var registries = map[string]string{
	// https://www.iana.org/assignments/iana-ipv4-special-registry
	"this network":                   "0.0.0.0/8 0.0.0.0/32",
	"private use":                    "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16",
	"shared address space":           "100.64.0.0/10",
	"loopback":                       "127.0.0.0/8",
	"link local":                     "169.254.0.0/16",
	"IETF protocol assignments":      "192.0.0.0/24",
	"service continuity, dummy":      "192.0.0.0/29 192.0.0.8/32",
	"PCP anycast, TURN anycast":      "192.0.0.9/32 192.0.0.10/32",
	"NAT64 and DNS64 discovery":      "192.0.0.170/32 192.0.0.171/32",
	"documentation":                  "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24",
	"AS112, AMT":                     "192.31.196.0/24 192.52.193.0/24 192.175.48.0/24",
	"6to4 relay anycast, 6a44 relay": "192.88.99.0/24 192.88.99.2/32",
	"benchmarking":                   "198.18.0.0/15",
	"reserved, limited broadcast":    "240.0.0.0/4 255.255.255.255/32",
	"multicast (RFC 5771)":           "224.0.0.0/4",
	// https://www.iana.org/assignments/iana-ipv6-special-registry
	"IPv6 loopback, unspecified":    "::1/128 ::/128",
	"IPv4-mapped":                   "::ffff:0:0/96",
	"IPv4-IPv6 translation":         "64:ff9b::/96 64:ff9b:1::/48",
	"discard-only, dummy":           "100::/64 100:0:0:1::/64",
	"IPv6 protocol assignments":     "2001::/23",
	"Teredo":                        "2001::/32",
	"PCP, TURN and DNS-SD anycast":  "2001:1::1/128 2001:1::2/128 2001:1::3/128",
	"IPv6 benchmarking, AMT":        "2001:2::/48 2001:3::/32",
	"IPv6 AS112":                    "2001:4:112::/48 2620:4f:8000::/48",
	"ORCHID, ORCHIDv2, DRIP":        "2001:10::/28 2001:20::/28 2001:30::/28",
	"IPv6 documentation":            "2001:db8::/32 3fff::/20",
	"6to4":                          "2002::/16",
	"segment routing":               "5f00::/16",
	"unique local":                  "fc00::/7",
	"IPv6 link-local":               "fe80::/10",
	"IPv6 multicast (RFC 4291 2.7)": "ff00::/8",
	"IPv6 below global unicast":     "::/3",
	"IPv6 above global unicast":     "4000::/2 8000::/1",
}

// The tables are a library's: an entry that went missing from them, or grew, shows here.
func TestGuardBlocksEachRegistryEntryAndNothingBesides(t *testing.T) {
	t.Parallel()
	var all []netip.Prefix
	for _, prefixes := range registries {
		for text := range strings.FieldsSeq(prefixes) {
			all = append(all, netip.MustParsePrefix(text))
		}
	}
	named := func(addr netip.Addr) bool {
		return slices.ContainsFunc(all, func(p netip.Prefix) bool {
			return p.Contains(addr.Unmap()) || p.Contains(addr) && !addr.Is4In6()
		})
	}
	for name, prefixes := range registries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for text := range strings.FieldsSeq(prefixes) {
				first, last := edges(netip.MustParsePrefix(text))
				for _, addr := range []netip.Addr{first, last} {
					if (egress.Guard{}).Allows(addr) {
						t.Errorf("%s: %s is allowed", text, addr)
					}
				}
				for _, neighbor := range []netip.Addr{first.Prev(), last.Next()} {
					if neighbor.IsValid() && (egress.Guard{}).Allows(neighbor) == named(neighbor) {
						t.Errorf("%s: its neighbor %s: allowed %t", text, neighbor, named(neighbor))
					}
				}
			}
		})
	}
}

// edges are the first and the last address of a prefix.
func edges(p netip.Prefix) (first, last netip.Addr) {
	end := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(end)*8; bit++ {
		end[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ = netip.AddrFromSlice(end)
	return p.Masked().Addr(), last
}

func TestGuardBlocksWhatIsNotAnAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "localhost:443", "127.0.0.1", "1.1.1.1:x"} {
		if err := (egress.Guard{AllowPrivate: true, AllowLoopback: true}).Dialing(address); err == nil {
			t.Errorf("dialing %q is allowed", address)
		}
	}
}
