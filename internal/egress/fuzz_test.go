package egress_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/egress"
)

// FuzzGuard holds that whatever the form of an address (as it is, mapped into IPv6, with a zone), the verdict is that
// of IANA's registries; that AllowPrivate opens RFC 1918 and fc00::/7 but for EC2's metadata, AllowLoopback loopback,
// and neither anything else; that a blocked address is named; and that what is no address and port is blocked.
func FuzzGuard(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, prefixes := range registries {
		for text := range strings.FieldsSeq(prefixes) {
			first, last := edges(netip.MustParsePrefix(text))
			f.Add(first.AsSlice(), first.String()+":443")
			f.Add(last.AsSlice(), "["+last.String()+"%eth0]:443")
		}
	}
	f.Add([]byte{1, 1, 1, 1}, "1.1.1.1:443")
	f.Fuzz(func(t *testing.T, raw []byte, text string) {
		addr := addressOf(raw)
		public := !registered(addr)
		private, loopback := addr.IsPrivate() && !isMetadata(addr), addr.IsLoopback()
		for guard, want := range map[egress.Guard]bool{
			{}:                    public,
			{AllowPrivate: true}:  public || private,
			{AllowLoopback: true}: public || loopback,
			{AllowPrivate: true, AllowLoopback: true}: public || private || loopback,
		} {
			for _, form := range forms(addr) {
				if got := guard.Allows(form); got != want {
					t.Errorf("%+v: Allows(%s) = %t", guard, form, got)
				}
				err := guard.Dialing(netip.AddrPortFrom(form, 443).String())
				blocked, isBlocked := errors.AsType[*egress.BlockedError](err)
				if isBlocked == want || isBlocked && blocked.Address != addr {
					t.Errorf("%+v: dialing %s: %v", guard, form, err)
				}
			}
			if at, err := netip.ParseAddrPort(text); (guard.Dialing(text) == nil) != (err == nil && guard.Allows(at.Addr())) {
				t.Errorf("%+v: dialing %q: %v", guard, text, guard.Dialing(text))
			}
		}
	})
}

// addressOf is an IPv4 address of few bytes, or an IPv6 address of many.
func addressOf(raw []byte) netip.Addr {
	if len(raw) < 16 {
		return netip.AddrFrom4([4]byte(append(slices.Clone(raw), 0, 0, 0, 0)))
	}
	return netip.AddrFrom16([16]byte(raw)).Unmap()
}

// forms are the ways in which one address may reach the guard.
func forms(addr netip.Addr) []netip.Addr {
	wide := netip.AddrFrom16(addr.As16())
	return []netip.Addr{addr, wide, wide.WithZone("eth0")}
}

// registered reports whether a registry has the address.
func registered(addr netip.Addr) bool {
	for name, prefixes := range registries {
		if name == "IPv4-mapped" { // how it is written, which is undone
			continue
		}
		for text := range strings.FieldsSeq(prefixes) {
			if netip.MustParsePrefix(text).Contains(addr) {
				return true
			}
		}
	}
	return false
}

func isMetadata(addr netip.Addr) bool { return netip.MustParsePrefix("fd00:ec2::/32").Contains(addr) }
