package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"milepost/internal/certs"
	"milepost/internal/config"
	"milepost/internal/httpd"
	"milepost/internal/textfile"
)

// certificates are where HTTPS has its certificates from.
type certificates interface {
	TLSConfig() *tls.Config
	// HTTPChallenge answers an ACME server before a handler.
	HTTPChallenge(http.Handler) http.Handler
	Sign(profile []byte) ([]byte, error)
	Expiries() []certs.Expiry
	// Ready is nil if the service's own host has a certificate.
	Ready() error
	// Start begins once the listeners answer; Wait ends what it began.
	Start()
	Wait()
}

// fromFiles are certificates that are there, or not.
type fromFiles struct{ *certs.Files }

func (fromFiles) HTTPChallenge(next http.Handler) http.Handler { return next }
func (fromFiles) Ready() error                                 { return nil }
func (fromFiles) Start()                                       {}
func (fromFiles) Wait()                                        {}

// openCertificates prepares them. The listeners are open already, for their ports are
// where an ACME server looks.
func (s *services) openCertificates(ctx context.Context) error {
	conf := s.conf
	switch {
	case len(s.https) == 0:
		return nil
	case !conf.TLS.ACME:
		files, err := certs.OpenFiles(ctx, conf.TLS.Cert, conf.TLS.Key, conf.Catalogue.CheckEvery, s.log)
		if err != nil {
			return wrongOption(conf, "tls", err)
		}
		s.certs = fromFiles{files}
		return nil
	}
	acme, err := certs.NewACME(ctx, certs.ACMEOptions{
		Allowed:           func(name string) bool { return s.current.Load().MayHaveCertificate(name) },
		DefaultServerName: string(s.current.Load().Host()),
		Directory:         conf.TLS.Directory, Email: conf.TLS.Email, CA: conf.TLS.CA, Storage: conf.TLS.Storage, Copy: conf.TLS.Copy,
		NewOrdersPerHour: conf.TLS.NewOrdersPerHour,
		HTTPPort:         port(s.http), HTTPSPort: port(s.https),
		Observe: s.ordered,
	}, s.log)
	if err != nil {
		return wrongOption(conf, "tls", err)
	}
	s.certs = acme
	return nil
}

// certificateMistakes are those in the files of certificates, which are opened after the
// listeners, and are looked at before so that all mistakes are told at once.
func certificateMistakes(conf *config.Config) (mistakes textfile.Errors) {
	add := func(table string, err error) {
		all := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			all = joined.Unwrap()
		}
		for _, err := range all {
			if err != nil {
				mistakes = append(mistakes, wrongOption(conf, table, err))
			}
		}
	}
	switch {
	case conf.TLS.Cert != "" && conf.TLS.Key != "" && !conf.TLS.ACME:
		add("tls", certs.Check(conf.TLS.Cert, conf.TLS.Key))
	case conf.TLS.CA != "" && conf.TLS.ACME:
		add("tls", certs.CheckRoots(conf.TLS.CA))
	}
	if conf.Signing.Cert != "" && conf.Signing.Key != "" {
		add("signing", certs.CheckSigner(conf.Signing.Cert, conf.Signing.Key, time.Now))
	}
	return mistakes
}

// wrongOption says which setting of a table a mistake lies in, and where that is.
func wrongOption(conf *config.Config, table string, err error) textfile.Error {
	if wrong, ok := errors.AsType[*certs.OptionError](err); ok {
		return conf.Mistake(table+"."+wrong.Option, wrong.Err)
	}
	return conf.Mistake(table, err)
}

// port is that of the first listener; 0: there is none.
func port(listeners []httpd.Listener) int {
	if len(listeners) == 0 {
		return 0
	}
	tcp, _ := listeners[0].Addr().(*net.TCPAddr)
	if tcp == nil {
		return 0
	}
	return tcp.Port
}

// signer is what signs profiles; nil: nothing does.
func (s *services) signer(ctx context.Context) (func([]byte) ([]byte, error), error) {
	conf := s.conf
	if conf.Signing.FromTLS {
		return s.certs.Sign, nil
	}
	sign, err := certs.OpenSigner(ctx, conf.Signing.Cert, conf.Signing.Key, time.Now, s.log)
	if err != nil {
		return nil, wrongOption(conf, "signing", err)
	}
	return sign, nil
}
