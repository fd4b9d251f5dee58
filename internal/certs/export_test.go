package certs

// Renew does what is done every ten minutes.
func (a *ACME) Renew() error { return a.cache.RenewManagedCertificates(a.ctx) }

// Forget has no name wait any longer for its next order.
func (a *ACME) Forget() {
	a.orders.mu.Lock()
	defer a.orders.mu.Unlock()
	clear(a.orders.failed)
}
