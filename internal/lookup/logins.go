package lookup

import (
	"context"
	"net/netip"

	"milepost/address"
)

// Logins knows the login names that directories have. An implementation is bounded in
// everything: a question waits no longer than the admin allows, and nothing but the
// microseconds that it takes tells whether an address exists, unless the admin has allowed
// that. Who sends the answer hides them.
type Logins interface {
	// Login returns what the directory of a provider has on an address with a local part.
	// It is zero where the provider has no directory, the asker may not know, or the
	// directory does not have the address, has it more than once or does not say in
	// time. The error is [*UnknownAddress], and never for a directory that is down.
	Login(ctx context.Context, provider string, a address.Address, by Asker) (Login, error)
}

// Login is what a directory has on an address.
type Login struct {
	Name     string // the login name; at most 254 octets
	FullName string // the person's, at most 128 characters; may be empty
}

// Asker is who asks a question: login names are told to those alone who may know.
type Asker struct {
	Client    netip.Addr // zero: not known
	Encrypted bool       // nobody on the way reads the answer
}
