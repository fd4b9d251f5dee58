package directory

import (
	"context"

	"milepost/address"
	"milepost/internal/config"
)

// AskDirectly asks a directory without what stands before it: even what is asked about no
// longer. It is for tests of the queries alone.
func AskDirectly(ctx context.Context, d config.Directory, all []address.Address) ([][]Login, error) {
	a, err := openAsker(d)
	if err != nil {
		return nil, err
	}
	defer a.close()
	found := make([][]Login, len(all))
	for i := range all {
		if found[i], err = a.login(ctx, all[i]); err != nil && !aboutAddress(err) {
			return nil, err
		}
	}
	return found, nil
}

// LoginPreset is the query of a preset.
func LoginPreset(name string, kind config.Kind) (query string, ok bool) {
	query, ok = loginPresets[name][kind]
	return query, ok
}

// LoginPresets is how many there are, each kind of database for itself.
func LoginPresets() (n int) {
	for _, kinds := range loginPresets {
		n += len(kinds)
	}
	return n
}
