package shipped_test

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/egress"
)

// network deploys infra/vpc.yaml.
func network(t *testing.T, more map[string]string) *cfn.Stack {
	t.Helper()
	o := cfn.Options{StackName: "network", Parameters: map[string]string{"Zone": "eu-west-1a"}}
	maps.Copy(o.Parameters, more)
	s, err := cfn.Load("../../../infra/vpc.yaml", o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rule is an entry of a network ACL.
type rule struct {
	number, from, to int
	egress, allow    bool
	block            netip.Prefix
}

func rules(t *testing.T, s *cfn.Stack) []rule {
	t.Helper()
	var list []rule
	for _, r := range s.OfType("AWS::EC2::NetworkAclEntry") {
		p := r.Properties
		ports, _ := p["PortRange"].(map[string]any)
		one := rule{
			egress: fmt.Sprint(p["Egress"]) == "true", allow: p["RuleAction"] == "allow",
			block: netip.MustParsePrefix(fmt.Sprint(p["CidrBlock"])), to: 65535,
		}
		one.number, _ = strconv.Atoi(fmt.Sprint(p["RuleNumber"]))
		if ports != nil {
			one.from, _ = strconv.Atoi(fmt.Sprint(ports["From"]))
			one.to, _ = strconv.Atoi(fmt.Sprint(ports["To"]))
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b rule) int { return cmp.Compare(a.number, b.number) })
	return list
}

// passes evaluates an ACL: the first rule that matches decides, and without one the packet is dropped (VPC User Guide,
// "Network ACL rules").
func passes(list []rule, egress bool, to netip.Addr, port int) bool {
	for _, r := range list {
		if r.egress == egress && r.block.Contains(to) && port >= r.from && port <= r.to {
			return r.allow
		}
	}
	return false
}

// TestNetworkBlocksPrivateAddresses: in a VPC the functions' guard lets private addresses pass; the recipe's network
// drops each of them, and lets HTTPS out.
func TestNetworkBlocksPrivateAddresses(t *testing.T) {
	t.Parallel()
	https, other := rules(t, network(t, nil)), rules(t, network(t, map[string]string{"Port": "8443"}))
	private := 0
	for _, text := range []string{
		"10.0.0.1", "10.255.0.70", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.254",
		"1.1.1.1", "172.15.0.1", "172.32.0.1", "192.167.0.1", "192.169.0.1", "9.255.255.255", "11.0.0.0",
	} {
		address := netip.MustParseAddr(text)
		public := egress.Guard{}.Allows(address)
		if !public && (egress.Guard{AllowPrivate: true}).Allows(address) {
			private++
		}
		for port, want := range map[int][2]bool{443: {public, public}, 8443: {false, public}, 80: {}, 22: {}, 53: {}} {
			if got := [2]bool{passes(https, true, address, port), passes(other, true, address, port)}; got != want {
				t.Errorf("%s:%d passes %v, want %v", text, port, got, want)
			}
		}
	}
	if private != 7 {
		t.Errorf("the guard lets %d of the private addresses pass: the test tests nothing", private)
	}
	for port, want := range map[int]bool{443: false, 1023: false, 1024: true, 65535: true} {
		if got := passes(https, false, netip.MustParseAddr("1.1.1.1"), port); got != want {
			t.Errorf("an answer to port %d passes: %t", port, got)
		}
	}
}

// TestNetworkLeavesByItsAddresses: each subnet of the functions leads to a NAT gateway of its zone, each gateway has an
// address that outlives the stack, and the outputs fit the application.
func TestNetworkLeavesByItsAddresses(t *testing.T) {
	t.Parallel()
	for zones, more := range map[int]map[string]string{1: nil, 2: {"SecondZone": "eu-west-1b"}} {
		s := network(t, more)
		for i := 1; i <= 2; i++ {
			private, there := s.Resources[fmt.Sprintf("Private%d", i)]
			if there != (i <= zones) {
				t.Errorf("%d zones: subnet %d is there: %t", zones, i, there)
			}
			if !there {
				continue
			}
			route := s.Resources[fmt.Sprintf("Private%dDefault", i)].Properties
			association := s.Resources[fmt.Sprintf("Private%dRoutes", i)].Properties
			filter := s.Resources[fmt.Sprintf("Private%dFilter", i)].Properties
			nat := s.Resources[fmt.Sprintf("Nat%d", i)].Properties
			public := s.Resources[fmt.Sprintf("Public%d", i)].Properties
			for what, pair := range map[string][2]any{
				"the route leads to the gateway":        {route["NatGatewayId"], s.Ref(fmt.Sprintf("Nat%d", i))},
				"the route is in the subnet's table":    {route["RouteTableId"], association["RouteTableId"]},
				"the table is the subnet's":             {association["SubnetId"], s.Ref(fmt.Sprintf("Private%d", i))},
				"the filter is the subnet's":            {filter["SubnetId"], s.Ref(fmt.Sprintf("Private%d", i))},
				"the gateway is in the public subnet":   {nat["SubnetId"], s.Ref(fmt.Sprintf("Public%d", i))},
				"gateway and subnet are in one zone":    {public["AvailabilityZone"], private.Properties["AvailabilityZone"]},
				"the subnet gives no public addresses":  {private.Properties["MapPublicIpOnLaunch"], nil},
				"the address outlives the stack":        {s.Resources[fmt.Sprintf("Address%d", i)].DeletionPolicy, "Retain"},
				"the application has its group":         {len(s.Outputs), 3},
				"a subnet of its own, and none overlap": {overlap(t, s), false},
			} {
				if fmt.Sprint(pair[0]) != fmt.Sprint(pair[1]) {
					t.Errorf("%d zones, zone %d: %s: %v, %v", zones, i, what, pair[0], pair[1])
				}
			}
		}
		group := s.Resources["Group"].Properties
		if list, _ := group["SecurityGroupEgress"].([]any); len(list) != 1 || group["SecurityGroupIngress"] != nil {
			t.Errorf("%d zones: the group has %v", zones, group)
		}
	}
}

func overlap(t *testing.T, s *cfn.Stack) bool {
	t.Helper()
	var seen []netip.Prefix
	vpc := netip.MustParsePrefix(fmt.Sprint(s.Resources["Vpc"].Properties["CidrBlock"]))
	for _, r := range s.OfType("AWS::EC2::Subnet") {
		block := netip.MustParsePrefix(fmt.Sprint(r.Properties["CidrBlock"]))
		if !vpc.Contains(block.Addr()) || slices.ContainsFunc(seen, block.Overlaps) {
			return true
		}
		seen = append(seen, block)
	}
	return false
}
