package outbound_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/cronbearer/cronbearer/internal/outbound"
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
		"public IPv4": {[]string{
			"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "52.95.110.1", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
			"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.167.255.255",
			"192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
		}, always},
		"public IPv6":        {[]string{"2001:200::1", "2001:4860:4860::8888", "2600::1", "2606:4700::1111", "2a05:d018::1", "2003::1", "3ffe:ffff::1", "3fff:1000::1"}, always},
		"mapped public IPv4": {[]string{"::ffff:1.1.1.1", "::ffff:52.95.110.1"}, always},

		// IANA IPv4 Special-Purpose Address Registry.
		"this network":              {[]string{"0.0.0.0", "0.0.0.1", "0.255.255.255"}, never},
		"private 10/8":              {[]string{"10.0.0.0", "10.0.0.1", "10.255.255.255"}, private},
		"shared 100.64/10":          {[]string{"100.64.0.0", "100.100.100.200", "100.127.255.255"}, never},
		"loopback":                  {[]string{"127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"}, loopback},
		"link-local":                {[]string{"169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.79.129", "169.254.255.255"}, never},
		"private 172.16/12":         {[]string{"172.16.0.0", "172.31.255.255"}, private},
		"IETF protocol assignments": {[]string{"192.0.0.0", "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.171", "192.0.0.255"}, never},
		"TEST-NET-1":                {[]string{"192.0.2.0", "192.0.2.255"}, never},
		"AS112-v4":                  {[]string{"192.31.196.1"}, never},
		"AMT":                       {[]string{"192.52.193.1"}, never},
		"6to4 relay anycast":        {[]string{"192.88.99.1", "192.88.99.2"}, never},
		"private 192.168/16":        {[]string{"192.168.0.0", "192.168.255.255"}, private},
		"direct delegation AS112":   {[]string{"192.175.48.1"}, never},
		"benchmarking":              {[]string{"198.18.0.0", "198.19.255.255"}, never},
		"TEST-NET-2":                {[]string{"198.51.100.0", "198.51.100.255"}, never},
		"TEST-NET-3":                {[]string{"203.0.113.0", "203.0.113.255"}, never},
		"multicast":                 {[]string{"224.0.0.1", "239.255.255.255"}, never},
		"reserved":                  {[]string{"240.0.0.0", "255.255.255.254"}, never},
		"limited broadcast":         {[]string{"255.255.255.255"}, never},

		// IANA IPv6 Special-Purpose Address Registry.
		"unspecified":                   {[]string{"::"}, never},
		"IPv4-mapped loopback":          {[]string{"::ffff:127.0.0.1"}, loopback},
		"IPv4-mapped private":           {[]string{"::ffff:10.0.0.1", "::ffff:192.168.1.1"}, private},
		"IPv4-mapped link-local":        {[]string{"::ffff:169.254.169.254"}, never},
		"IPv4-mapped shared":            {[]string{"::ffff:100.64.0.1"}, never},
		"IPv4-compatible":               {[]string{"::127.0.0.1", "::10.0.0.1", "::1.1.1.1"}, never},
		"NAT64 64:ff9b::/96":            {[]string{"64:ff9b::", "64:ff9b::1.1.1.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe"}, never},
		"NAT64 64:ff9b:1::/48":          {[]string{"64:ff9b:1::1.1.1.1", "64:ff9b:1::10.0.0.1"}, never},
		"discard-only":                  {[]string{"100::1"}, never},
		"dummy prefix":                  {[]string{"100:0:0:1::1"}, never},
		"Teredo":                        {[]string{"2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"}, never},
		"port control, TURN, DNS-SD":    {[]string{"2001:1::1", "2001:1::2", "2001:1::3"}, never},
		"benchmarking, IPv6":            {[]string{"2001:2::1"}, never},
		"AMT, IPv6":                     {[]string{"2001:3::1"}, never},
		"AS112-v6":                      {[]string{"2001:4:112::1"}, never},
		"ORCHID, ORCHIDv2, DRIP":        {[]string{"2001:10::1", "2001:20::1", "2001:30::1", "2001:1ff::1"}, never},
		"documentation":                 {[]string{"2001:db8::1", "2001:db8:ffff::1"}, never},
		"6to4 of a private address":     {[]string{"2002:a00:1::1", "2002:7f00:1::1", "2002::1"}, never},
		"direct delegation AS112, IPv6": {[]string{"2620:4f:8000::1"}, never},
		"documentation 3fff::/20":       {[]string{"3fff::1", "3fff:fff::1"}, never},
		"segment routing":               {[]string{"5f00::1"}, never},
		"unique local":                  {[]string{"fc00::1", "fd00::1", "fd00:ec1::1", "fd00:ec3::1", "fdff:ffff::1"}, private},
		"instance metadata of EC2":      {[]string{"fd00:ec2::", "fd00:ec2::23", "fd00:ec2::253", "fd00:ec2::254", "fd00:ec2:ffff::1"}, never},
		"link-local, IPv6":              {[]string{"fe80::1", "febf::1", "fe80::1%eth0"}, never},
		"site-local":                    {[]string{"fec0::1"}, never},
		"multicast, IPv6":               {[]string{"ff02::1", "ff0e::1"}, never},
		"not given out":                 {[]string{"1::1", "1fff::1", "4000::1", "8000::1"}, never},
		"zones hide nothing":            {[]string{"fd00:ec2::254%eth0", "::%eth0"}, never},
		"loopback with a zone":          {[]string{"::1%lo"}, loopback},
		"unique local with a zone":      {[]string{"fd00::1%eth0"}, private},
	}
	guards := map[string]struct {
		guard   outbound.Guard
		allowed map[allowed]bool
	}{
		"zero":     {outbound.Guard{}, map[allowed]bool{always: true}},
		"private":  {outbound.Guard{AllowPrivate: true}, map[allowed]bool{always: true, private: true}},
		"loopback": {outbound.Guard{AllowLoopback: true}, map[allowed]bool{always: true, loopback: true}},
		"both":     {outbound.Guard{AllowPrivate: true, AllowLoopback: true}, map[allowed]bool{always: true, private: true, loopback: true}},
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
					refused, isRefused := errors.AsType[*outbound.AddressRefusedError](err)
					if want != (err == nil) || isRefused == want {
						t.Errorf("guard %s: dialing %s: %v, want it allowed: %t", which, addr, err, want)
					}
					if isRefused && refused.Address != addr.Unmap().WithZone("") {
						t.Errorf("guard %s: the error names %s, want %s", which, refused.Address, addr)
					}
				}
			}
		})
	}
}

func TestGuardRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "localhost:443", "127.0.0.1", "1.1.1.1:x"} {
		if err := (outbound.Guard{AllowPrivate: true, AllowLoopback: true}).Dialing(address); err == nil {
			t.Errorf("dialing %q is allowed", address)
		}
	}
}
