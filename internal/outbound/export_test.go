package outbound

import "context"

// Dialing asks the guard as a dialer does, about the address of a connection that is to be made.
func (g Guard) Dialing(address string) error {
	return g.control(context.Background(), "tcp", address, nil)
}
