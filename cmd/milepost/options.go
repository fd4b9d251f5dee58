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

func (o *options) registerConfig(flags *flag.FlagSet) {
	flags.StringVar(&o.Config, "config", "", "")
}

func (o *options) registerPublicURL(flags *flag.FlagSet) {
	flags.Func("public-url", "", func(s string) (err error) {
		o.PublicURL, err = snapshot.ParsePublicURL(s)
		return err
	})
}

func (o *options) registerSigning(flags *flag.FlagSet) {
	flags.StringVar(&o.signCert, "sign-cert", "", "")
	flags.StringVar(&o.signKey, "sign-key", "", "")
}
