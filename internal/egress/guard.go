// Package egress is the only way out to targets and token endpoints: HTTPS, no proxy, no redirects, and no address that
// is not public, checked after the name is resolved and before the connection is opened. It handles neither tokens nor
// hosts lists, and calls to AWS do not go through it. A user's certificate is added to the system's for the
// calls of its own secret only.
package egress

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"
)

// Guard decides which addresses may be connected to. The zero Guard allows global unicast and nothing that IANA's
// special-purpose registries list, whose tables code.dny.dev/ssrf generates from the registries themselves. Their few
// blocks that are globally reachable (anycast, AS112, 6to4 relays) serve no API and stay blocked; so do the NAT64
// prefixes, which can carry any IPv4 address.
type Guard struct {
	AllowPrivate  bool // RFC 1918 and fc00::/7
	AllowLoopback bool // tests on one machine
}

// BlockedError reports that a host resolved to an address that the guard blocks. It shows the address: the operator
// needs it, and the event's author could have resolved the name as well.
type BlockedError struct{ Address netip.Addr }

func (e *BlockedError) Error() string {
	return fmt.Sprintf(
		"address %s is not public: no token is sent to loopback, link-local, private or reserved addresses", e.Address,
	)
}

// control is a net.Dialer.ControlContext: it sees each address after DNS and before the connection, so that a name
// that changes its address cannot bypass it.
func (g Guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address of a connection: %w", err)
	}
	if !g.Allows(ap.Addr()) {
		return &BlockedError{ap.Addr().Unmap().WithZone("")}
	}
	return nil
}

// Allows reports whether addr may be connected to. The order is the policy: no setting opens EC2's instance metadata,
// and AllowPrivate opens nothing else of what the registries reserve.
func (g Guard) Allows(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("") // no prefix holds an address with a zone, so none would block it
	switch {
	case g.AllowLoopback && addr.IsLoopback():
		return true
	case instanceMetadata.Contains(addr):
		return false
	case g.AllowPrivate && addr.IsPrivate():
		return true
	case addr.Is4():
		return !within(addr, ssrf.IPv4DeniedPrefixes)
	default:
		return ssrf.IPv6GlobalUnicast.Contains(addr) && !within(addr, ssrf.IPv6DeniedPrefixes)
	}
}

func within(addr netip.Addr, prefixes []netip.Prefix) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// instanceMetadata is EC2's metadata service on IPv6, which lies inside fc00::/7 (Amazon EC2 User Guide, "Access
// instance metadata"); of ECS, Amazon Time Sync and others there, too.
var instanceMetadata = netip.MustParsePrefix("fd00:ec2::/32")
