package snapshot

import (
	"testing"

	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/textfile"
)

// A source whose provider nobody has is a mistake; its rows' providers are their own.
func TestNobodys(t *testing.T) {
	c := fixture.Catalogue(t, "example.com.toml", fixture.Family)
	at := func(line int) config.Access {
		return config.Access{Place: textfile.Error{File: "milepost.toml", Line: line}}
	}
	got := nobodys(c, []config.Source{
		{Access: at(1), Provider: "example.com"},
		{Access: at(2)},
		{Access: at(3), Provider: "example.org"},
	})
	if got.Error() != `milepost.toml:3: source.provider: "example.org" is the id of no provider file of yours; the domains of the source would belong to nobody` {
		t.Error(got)
	}
}
