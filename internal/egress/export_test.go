package egress

import "context"

// Dialing asks the guard as a dialer does, about the address of a connection that is to be made.
func (g Guard) Dialing(address string) error {
	return g.control(context.Background(), "tcp", address, nil)
}

// Kept is how many CAs have something of their own.
func (t *Trust[T]) Kept() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.kept)
}
