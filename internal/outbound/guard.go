// Package outbound is the one way out to targets and token endpoints: HTTPS, no proxy, no redirects, and no address that
// is not public.
package outbound

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"
)

// Guard decides which addresses may be connected to. The zero Guard allows only what IANA's registries call globally
// reachable unicast.
type Guard struct {
	AllowPrivate  bool // RFC 1918 and fc00::/7
	AllowLoopback bool // tests on one machine
}

// AddressRefusedError says that a host resolved to an address that the guard refuses.
type AddressRefusedError struct{ Address netip.Addr }

func (e *AddressRefusedError) Error() string {
	return fmt.Sprintf("address %s is not public: no token goes to loopback, link-local, private or reserved addresses", e.Address)
}

// control is a net.Dialer.ControlContext: it sees each address after DNS and before the connection, so that a name
// that changes its address cannot get round it.
func (g Guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address of a connection: %w", err)
	}
	if !g.Allows(ap.Addr()) {
		return &AddressRefusedError{ap.Addr().Unmap().WithZone("")}
	}
	return nil
}

// Allows tells whether addr may be connected to.
func (g Guard) Allows(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("") // no prefix holds an address with a zone, so none would refuse it
	switch {
	case g.AllowLoopback && addr.IsLoopback():
		return true
	case instanceMetadata.Contains(addr):
		return false
	case g.AllowPrivate && addr.IsPrivate():
		return true
	}
	if addr.Is4() {
		return !within(addr, reserved4)
	}
	return globalUnicast6.Contains(addr) && !within(addr, reserved6)
}

func within(addr netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

var (
	// The instance metadata service of EC2 on IPv6, inside fc00::/7.
	instanceMetadata = netip.MustParsePrefix("fd00:ec2::/32")

	// IANA IPv4 Special-Purpose Address Registry, and multicast (RFC 5771). 192.0.0.0/24 goes whole, though two
	// anycast addresses in it are reachable; so do the AS112 and 6to4 relay blocks, which serve no API.
	reserved4 = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
		"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4")

	// RFC 4291 section 2.4 with IANA's IPv6 Global Unicast Address Assignments: only 2000::/3 is given out. That leaves
	// out loopback, unique local, link-local, multicast, and the NAT64 prefixes, which can carry any IPv4 address.
	globalUnicast6 = netip.MustParsePrefix("2000::/3")
	// IANA IPv6 Special-Purpose Address Registry within 2000::/3: protocol assignments (Teredo, ORCHID, benchmarking),
	// documentation, 6to4 and AS112.
	reserved6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		list[i] = netip.MustParsePrefix(t)
	}
	return list
}
