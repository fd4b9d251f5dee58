package certs

// Renew does what is done every ten minutes.
func (a *ACME) Renew() error { return a.cache.RenewManagedCertificates(a.ctx) }
