package snapshot

import (
	"fmt"
	"iter"
	"time"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/textfile"
	"milepost/internal/zones"
)

// Refresh makes the snapshot that follows from this one when the tables of its sources
// are others: in the rows of the domains that are named, in A-labels. It shares all else,
// and costs what the changes cost.
func (s *Snapshot) Refresh(o Options, tables []*catalogue.Table, changed []string) *Snapshot {
	next := *s
	next.Catalogue, next.Warnings = s.Catalogue.With(tables)
	if s.Zones != nil {
		now := o.Now()
		claims := func(yield func(address.Domain, catalogue.Claim) bool) {
			for _, name := range changed {
				d := address.Domain{ASCII: name}
				if claim, ok := next.Catalogue.Claim(d); ok && !yield(d, claim) {
					return
				}
			}
		}
		next.Warnings = append(next.Warnings, ahead(claims, next.Catalogue.Latest(), now)...)
		set, warnings := s.Zones.Refresh(next.Catalogue, changed, zones.Time{Now: now, Serial: uint32(now.Unix()), Agree: o.Agree})
		next.Zones, next.Warnings = set, append(next.Warnings, warnings...)
	}
	return &next
}

// Follows tells whether nothing but rows of tables has changed since an earlier snapshot.
func (s *Snapshot) Follows(earlier *Snapshot) bool {
	return earlier != nil && s.of != nil && s.of == earlier.of
}

// Edition is that of the provider files that sources hold now.
func (o Options) Edition() int {
	if o.Sources == nil {
		return 0
	}
	_, edition := o.Sources.Files()
	return edition
}

// Edition is that of the provider files of sources of which the snapshot was made.
func (s *Snapshot) Edition() int { return s.edition }

// ahead warns of rows that say that they have changed later than can be.
func ahead(claims iter.Seq2[address.Domain, catalogue.Claim], latest uint32, now time.Time) (warnings textfile.Errors) {
	at := zones.Time{Now: now}
	if !at.Ahead(latest) {
		return nil
	}
	n, example := 0, ""
	for d, claim := range claims {
		if at.Ahead(claim.Changed) {
			if n++; example == "" || d.ASCII < example {
				example = d.ASCII
			}
		}
	}
	if n > 0 {
		warnings = append(warnings, textfile.Error{File: "sources", Err: fmt.Errorf(
			"rows have changed more than five minutes from now (%d), that of %s for one; as long as that is so, their time does not count for serials. Is a clock wrong?", n, example)})
	}
	return warnings
}
