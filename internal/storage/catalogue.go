package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Catalogue is what goes into the tables of providers and domains: milepost.provider and
// milepost.domain. What it does not name stays as it is there.
type Catalogue struct {
	Files   map[string]string // texts of provider files, by the provider's ID
	Domains map[string]string // the ID of a domain's provider, by the domain in A-labels
	// Whole are the IDs of providers all of whose domains are in Domains: what else the
	// table has of them goes.
	Whole []string
	// TakeShrunk lets a provider lose most of its domains.
	TakeShrunk bool
}

// Counts are how many rows are new, changed, gone, and as they were.
type Counts struct{ New, Changed, Gone, Same int }

// writing is how long a statement about a million domains may take.
const writing = 10 * time.Minute

// Put puts a catalogue into the database of a URL, all of it or nothing. It makes the
// tables if they are not there. The check is given the texts of all provider files as
// they are to be.
func Put(ctx context.Context, url string, c Catalogue, check func(files map[string]string) error) (providers, domains Counts, err error) {
	p, err := openPostgres(url)
	if err != nil {
		return providers, domains, err
	}
	defer p.pool.Close()
	ctx, cancel := context.WithTimeout(ctx, writing)
	defer cancel()
	if err := p.prepare(ctx); err != nil {
		return providers, domains, fmt.Errorf("%s: %w", p.name, reason(err))
	}
	var refused error
	err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		// Two imports could each be right, and both together wrong.
		if _, err := tx.Exec(ctx, "LOCK TABLE milepost.provider, milepost.domain IN SHARE ROW EXCLUSIVE MODE"); err != nil {
			return err
		}
		if providers, err, refused = putFiles(ctx, tx, c.Files, check); err != nil || refused != nil {
			return errors.Join(err, refused)
		}
		if len(c.Domains)+len(c.Whole) == 0 {
			return nil
		}
		domains, err, refused = putDomains(ctx, tx, c)
		return errors.Join(err, refused)
	})
	if refused != nil {
		return Counts{}, Counts{}, refused
	}
	if err != nil {
		return Counts{}, Counts{}, fmt.Errorf("%s: %w", p.name, reason(err))
	}
	return providers, domains, nil
}

func putFiles(ctx context.Context, tx pgx.Tx, files map[string]string, check func(map[string]string) error) (n Counts, err, refused error) {
	rows, _ := tx.Query(ctx, "SELECT id, file FROM milepost.provider")
	all := make(map[string]string)
	var id, file string
	if _, err := pgx.ForEachRow(rows, []any{&id, &file}, func() error { all[id] = file; return nil }); err != nil {
		return n, err, nil
	}
	var batch pgx.Batch
	for _, id := range slices.Sorted(maps.Keys(files)) {
		switch before, known := all[id]; {
		case !known:
			n.New++
		case before != files[id]:
			n.Changed++
		default:
			n.Same++
			continue
		}
		batch.Queue("INSERT INTO milepost.provider (id, file) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET file = excluded.file", id, files[id])
	}
	maps.Copy(all, files)
	if refused := check(all); refused != nil {
		return n, nil, refused
	}
	return n, tx.SendBatch(ctx, &batch).Close(), nil
}

// most is how many domains a provider has at least of whom most may not go unasked.
const most = 10

func putDomains(ctx context.Context, tx pgx.Tx, c Catalogue) (n Counts, err, refused error) {
	if _, err := tx.Exec(ctx, `CREATE TEMPORARY TABLE coming (domain text COLLATE "C" PRIMARY KEY, provider text NOT NULL) ON COMMIT DROP`); err != nil {
		return n, err, nil
	}
	names := slices.Sorted(maps.Keys(c.Domains))
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"coming"}, []string{"domain", "provider"},
		pgx.CopyFromSlice(len(names), func(i int) ([]any, error) { return []any{names[i], c.Domains[names[i]]}, nil }))
	if err != nil {
		return n, err, nil
	}
	if _, err := tx.Exec(ctx, "ANALYZE coming"); err != nil {
		return n, err, nil
	}

	rows, _ := tx.Query(ctx, `SELECT d.provider, count(*), count(*) FILTER (WHERE c.domain IS NULL)
		FROM milepost.domain d LEFT JOIN coming c USING (domain) WHERE d.provider = ANY($1) GROUP BY d.provider ORDER BY d.provider`, c.Whole)
	var provider string
	var had, goes int
	_, err = pgx.ForEachRow(rows, []any{&provider, &had, &goes}, func() error {
		if n.Gone += goes; !c.TakeShrunk && goes > 0 && (goes == had || had >= most && 2*goes > had) {
			refused = fmt.Errorf("%s would lose %d of its %d domains; -overwrite takes that over", provider, goes, had)
			return refused
		}
		return nil
	})
	if err != nil || refused != nil {
		return n, err, refused
	}
	if _, err := tx.Exec(ctx, `DELETE FROM milepost.domain d WHERE provider = ANY($1)
		AND NOT EXISTS (SELECT FROM coming c WHERE c.domain = d.domain)`, c.Whole); err != nil {
		return n, err, nil
	}
	var known int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM coming JOIN milepost.domain USING (domain)").Scan(&known); err != nil {
		return n, err, nil
	}
	// What else a row says of a domain is somebody's own, but with another provider it is
	// said of the former one.
	done, err := tx.Exec(ctx, `INSERT INTO milepost.domain AS d (domain, provider) SELECT domain, provider FROM coming
		ON CONFLICT (domain) DO UPDATE SET provider = excluded.provider, active = true,
			host = CASE d.provider WHEN excluded.provider THEN d.host ELSE '' END,
			name = CASE d.provider WHEN excluded.provider THEN d.name ELSE '' END
		WHERE d.provider <> excluded.provider OR NOT d.active`)
	if err != nil {
		return n, err, nil
	}
	n.New = len(names) - known
	n.Changed = int(done.RowsAffected()) - n.New
	n.Same = known - n.Changed
	// Whoever reads what has changed has read it by then, or reads all.
	_, err = tx.Exec(ctx, "DELETE FROM milepost.gone WHERE changed < now() - interval '90 days'")
	return n, err, nil
}
