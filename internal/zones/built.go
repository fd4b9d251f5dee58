package zones

import (
	"sync"

	"milepost/settings"
	"milepost/zone"
)

// maxBuilt is how many zones of domains are kept: some 5 kB each.
const maxBuilt = 4096

// built keeps zones of domains, for a set and those that follow from it by changes of
// rows. They differ in nothing but what is in a key.
type built struct {
	mu    sync.RWMutex
	zones map[string]builtZone // by absolute name; at most maxBuilt
}

type builtKey struct {
	name     string
	provider *settings.Provider
	serial   uint32
}

type builtZone struct {
	builtKey
	*zone.Zone
}

func newBuilt() *built { return &built{zones: make(map[string]builtZone)} }

// get returns a zone, made anew if it is not there as it is now. nil is not kept.
func (b *built) get(key builtKey, fresh func() *zone.Zone) *zone.Zone {
	b.mu.RLock()
	kept := b.zones[key.name]
	b.mu.RUnlock()
	if kept.builtKey == key {
		return kept.Zone
	}
	z := fresh()
	if z == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.zones) >= maxBuilt {
		clear(b.zones)
	}
	b.zones[key.name] = builtZone{key, z}
	return z
}
