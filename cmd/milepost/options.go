package main

import (
	"errors"
	"flag"
	"time"

	"milepost/internal/snapshot"
)

// options are the flags that several commands have.
type options struct {
	snapshot.Options
	signCert, signKey string
}

func (o *options) register(flags *flag.FlagSet) {
	o.Now = time.Now
	flags.Func("providers", "", func(path string) error {
		if path == "" {
			return errors.New("is empty; a directory is needed")
		}
		o.Providers = append(o.Providers, path)
		return nil
	})
	flags.BoolVar(&o.NoBuiltin, "no-builtin", false, "")
}

// option registers a flag whose value is parsed.
func option[T any](flags *flag.FlagSet, name string, to *T, parse func(string) (T, error)) {
	flags.Func(name, "", func(s string) (err error) {
		*to, err = parse(s)
		return err
	})
}
