package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"time"

	"milepost/internal/certs"
)

// signing are the options that say what profiles are signed with.
type signing struct{ cert, key string }

func (s *signing) register(flags *flag.FlagSet) {
	flags.StringVar(&s.cert, "sign-cert", "", "")
	flags.StringVar(&s.key, "sign-key", "", "")
}

// open returns what signs profiles until the context ends; nil: nothing does.
func (s *signing) open(ctx context.Context, log *slog.Logger) (func([]byte) ([]byte, error), error) {
	switch {
	case s.cert == "" && s.key == "":
		return nil, nil
	case s.cert == "" || s.key == "":
		return nil, errors.New("-sign-cert and -sign-key go together; one of them is missing")
	}
	pair, err := certs.Open(s.cert, s.key, time.Now, log)
	if err != nil {
		return nil, err
	}
	go pair.Watch(ctx)
	return pair.Sign, nil
}
