package awssim

import (
	"fmt"
	"maps"
	"slices"
)

// What goes wrong in an account beside the services' own faults: rights that are taken away, schedules that somebody
// switches off, other functions that take all of the account's concurrency.

// Forbid denies an action to a role of the template, by its logical id, as a service control policy does that somebody
// attached. The function that it returns takes the policy off again.
func (c *Cloud) Forbid(role, action string) (restore func(), err error) {
	arn := c.roleARN(c.Stack.Ref(role))
	before, ok := c.roles[arn]
	if !ok {
		return nil, fmt.Errorf("forbid %s: the template has no role %s", action, role)
	}
	denied, err := before.With(map[string]any{"Statement": []any{map[string]any{"Effect": "Deny", "Action": action, "Resource": "*"}}})
	if err != nil {
		return nil, fmt.Errorf("forbid %s: %w", action, err)
	}
	c.roles[arn] = denied
	return func() { c.roles[arn] = before }, nil
}

// SwitchOff lets the starts of one schedule, by its logical id, pass by until it is switched on again.
func (c *Cloud) SwitchOff(schedule string, off bool) error {
	name := c.Stack.Ref(schedule)
	for _, arn := range slices.Sorted(maps.Keys(c.schedules)) {
		if one := c.schedules[arn]; name != "" && one.name == name {
			one.off.Store(off)
			return nil
		}
	}
	return fmt.Errorf("the template has no schedule %s", schedule)
}

// Crowd lets other functions of the account take all of its concurrency, or give it back: each function of the template
// is throttled meanwhile.
func (c *Cloud) Crowd(crowded bool) {
	for _, f := range c.functions {
		f.Crowd(crowded)
	}
}
