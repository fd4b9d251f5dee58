package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"golang.org/x/sync/singleflight"

	"milepost/internal/textfile"
)

// ACMEOptions say which names get certificates, and from where.
type ACMEOptions struct {
	// Allowed says whether a name, in lower case, may have a certificate. It is
	// asked in each handshake, so it has to be cheap.
	Allowed func(name string) bool

	// DefaultServerName is the service's own host: it may have a certificate, and
	// whoever sends no name gets that one. "" refuses them.
	DefaultServerName string

	Directory string // URL of the server's directory (RFC 8555 §7.1.1); "": Let's Encrypt
	Email     string // contact of the account; "": none
	CA        string // PEM file of the roots that Directory's own certificate may have; "": the system's
	Storage   string // directory, or postgres:// URL, that keeps certificates, keys and the account
	Copy      string // directory that keeps a copy of a database's certificates, for when it does not answer; "": none

	// NewOrdersPerHour is how many orders may be made for names that have no
	// certificate; 0: DefaultNewOrdersPerHour. A process counts for itself. A
	// renewal is not counted: there are no more of them than certificates, Let's
	// Encrypt does not count them either, and a stranger cannot cause one.
	NewOrdersPerHour int

	// HTTPPort and HTTPSPort are where this process listens, already now, for HTTP
	// and HTTPS; 0: it does not, and that challenge is not offered. The ACME server
	// asks ports 80 and 443 (RFC 8555 §8.3, RFC 8737 §3), which then lead here.
	HTTPPort, HTTPSPort int

	Observe func(Outcome) // is told what became of an order; may be nil
}

// Outcome is what happened to an order.
type Outcome string

const (
	OrderStarted   Outcome = "started"   // a new order or a renewal
	OrderSucceeded Outcome = "succeeded" // its certificate is stored
	OrderFailed    Outcome = "failed"
	OrderRefused   Outcome = "refused" // not made, because of NewOrdersPerHour
)

// ACME serves TLS with certificates that it gets when they are first asked for, and
// renews them.
type ACME struct {
	options ACMEOptions
	ctx     context.Context
	log     *slog.Logger
	orders  *orders
	signing signing
	group   singleflight.Group
	work    sync.WaitGroup // what ends with ctx

	cache  *certmagic.Cache
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer

	none atomic.Bool // the storage has none for DefaultServerName, so it has to be ordered

	mu       sync.Mutex
	names    map[string]bool // of certificates in the cache
	limited  time.Time       // when the limit was last complained of
	troubled time.Time       // when that was, of what concerns all names
}

// maxCached bounds the certificates in memory, of some 15 kB each. Others are read
// from storage when they are asked for.
const maxCached = 4096

// orderTimeout bounds one order: locks, challenges and all.
const orderTimeout = 3 * time.Minute

// longestHandshake is how long a client may wait for an order, which goes on
// without it.
const longestHandshake = time.Minute

// NewACME prepares everything and asks nobody. It works until the context ends. An
// error says what is wrong with an option. See [ACME.Start].
func NewACME(ctx context.Context, options ACMEOptions, log *slog.Logger) (*ACME, error) {
	roots, err := options.check()
	if err != nil {
		return nil, err
	}
	storage, copied, err := openStorage(ctx, options, log)
	if err != nil {
		return nil, err
	}
	a := &ACME{options: options, ctx: ctx, log: log, names: make(map[string]bool),
		orders: newOrders(options.NewOrdersPerHour, time.Now)}
	logger := zapLogger(log)
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.config, nil },
		Capacity:         maxCached,
		Logger:           logger,
	})
	// OnDemand is not used. It renews only when somebody asks, in every handshake
	// anew, and it writes to the disk before it knows that an order must wait.
	a.config = certmagic.New(a.cache, certmagic.Config{
		RenewalWindowRatio: certmagic.DefaultRenewalWindowRatio,
		KeySource:          certmagic.StandardKeyGenerator{KeyType: certmagic.P256},
		// OCSP would call, from within a handshake, whatever plain HTTP URL a
		// certificate names. Let's Encrypt ended its responders in 2025.
		OCSP:    certmagic.OCSPConfig{DisableStapling: true},
		OnEvent: a.event,
		Storage: storage,
		Logger:  logger,
	})
	a.issuer = certmagic.NewACMEIssuer(a.config, certmagic.ACMEIssuer{
		CA:                      options.Directory,
		Email:                   options.Email,
		Agreed:                  true,
		TrustedRoots:            roots,
		DisableHTTPChallenge:    options.HTTPPort == 0,
		DisableTLSALPNChallenge: options.HTTPSPort == 0,
		AltHTTPPort:             options.HTTPPort,
		AltTLSALPNPort:          options.HTTPSPort,
		CertObtainTimeout:       orderTimeout,
		Logger:                  logger,
	})
	a.issuer.TestCA = "" // a retry would go to Let's Encrypt's staging server
	a.config.Issuers = []certmagic.Issuer{a.issuer}
	a.work.Go(func() {
		a.watch()
		a.cache.Stop()
	})
	if copied != nil {
		a.work.Go(func() {
			for more := true; more; more = a.sleep(24 * time.Hour) {
				copied.Prune(time.Now())
			}
		})
	}
	return a, nil
}

// check fills in what was left out, and returns the roots.
func (o *ACMEOptions) check() (*x509.CertPool, error) {
	if o.Directory == "" {
		o.Directory = certmagic.LetsEncryptProductionCA
	}
	if u, err := url.Parse(o.Directory); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, wrong("directory", "%q is no URL of an ACME directory; https://HOST/PATH is allowed", o.Directory)
	}
	if o.HTTPPort == 0 && o.HTTPSPort == 0 {
		return nil, errors.New("an ACME server must reach this one over HTTP or HTTPS; neither listens")
	}
	if o.NewOrdersPerHour == 0 {
		o.NewOrdersPerHour = DefaultNewOrdersPerHour
	}
	if o.NewOrdersPerHour < 0 {
		return nil, fmt.Errorf("%d new orders an hour; 1 and more are allowed", o.NewOrdersPerHour)
	}
	if o.Observe == nil {
		o.Observe = func(Outcome) {}
	}
	o.DefaultServerName = strings.ToLower(o.DefaultServerName)
	if o.CA == "" {
		return nil, nil
	}
	return readRoots(o.CA)
}

// CheckRoots says what is wrong with [ACMEOptions.CA].
func CheckRoots(file string) error {
	_, err := readRoots(file)
	return err
}

func readRoots(file string) (*x509.CertPool, error) {
	pem, err := textfile.ReadFile(file, maxFile)
	if err != nil {
		return nil, wrong("ca", "%s: %w", file, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, wrong("ca", "%s: has no certificate in PEM; -----BEGIN CERTIFICATE----- begins one", file)
	}
	return roots, nil
}

// Wait waits, after the context's end, for what is under way: an order lets go of
// its locks.
func (a *ACME) Wait() {
	a.mu.Lock()
	a.mu.Unlock() //lint:ignore SA2001 whatever began before the end is counted now
	a.work.Wait()
}

// alpn is what a TLS-ALPN-01 challenge asks for (RFC 8737 §3).
const alpn = "acme-tls/1"

// TLSConfig is for servers. A name that is not allowed is refused in the handshake
// before anything is read, written or asked.
func (a *ACME) TLSConfig() *tls.Config { return tlsConfig(a.certificate, alpn) }

// Refused ends what crypto/tls says of a handshake for a name that may have no
// certificate. It says so where it is given neither a certificate nor an error, and only
// then tells the client unrecognized_name (RFC 6066 §3); after an error it tells
// internal_error.
const Refused = "tls: no certificates configured"

// errRefused ends an order for a name that may no longer have a certificate.
var errRefused = errors.New("the name may have no certificate")

func (a *ACME) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(hello.ServerName)
	if _, err := netip.ParseAddr(name); err == nil {
		name = "" // RFC 6066 §3: an address is no server name
	}
	challenge := name != "" && len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == alpn
	if name == "" {
		name = a.options.DefaultServerName
	}
	if !a.allowed(name) {
		return nil, nil // see Refused
	}
	if challenge {
		return a.config.GetCertificate(hello)
	}
	if c := a.cached(name); c != nil && time.Now().Before(c.Leaf.NotAfter) {
		return c, nil
	}
	ctx, cancel := context.WithTimeout(hello.Context(), longestHandshake)
	defer cancel()
	if err := a.await(ctx, name); err != nil {
		if c := a.cached(name); c != nil {
			return c, nil // it has expired: the client says so
		}
		return nil, err
	}
	return a.cached(name), nil
}

func (a *ACME) allowed(name string) bool {
	return name != "" && (name == a.options.DefaultServerName || a.options.Allowed(name))
}

// cached returns the certificate of a name that is in memory and lasts longest.
func (a *ACME) cached(name string) *tls.Certificate {
	var best *tls.Certificate
	for _, c := range a.cache.AllMatchingCertificates(name) {
		if best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter) {
			best = &c.Certificate
		}
	}
	return best
}

// HTTPChallenge answers HTTP-01 (RFC 8555 §8.3) for the names that are allowed, and
// leaves everything else to next.
func (a *ACME) HTTPChallenge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if certmagic.LooksLikeHTTPChallenge(r) && a.allowed(hostname(r.Host)) && a.issuer.HandleHTTPChallenge(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(host)
}

// Sign signs a profile with the certificate of DefaultServerName. Until there is
// one it returns an error: a profile that is not signed would look, on the phone,
// like somebody else's.
func (a *ACME) Sign(profile []byte) ([]byte, error) {
	c, err := a.own()
	if err != nil {
		return nil, err
	}
	return a.signing.sign(c, a.options.DefaultServerName, time.Now(), profile)
}

// Ready says why the certificate of DefaultServerName cannot be used, if it cannot. One
// that has yet to be ordered is no reason: a balancer that waits until the server is ready
// would keep the ACME server's question from it, and there would never be one.
func (a *ACME) Ready() error {
	if a.options.DefaultServerName == "" {
		return nil
	}
	c, err := a.own()
	if err != nil && a.none.Load() {
		return nil
	}
	if err != nil {
		return err
	}
	return inTime(c, a.options.DefaultServerName, time.Now())
}

func (a *ACME) own() (*tls.Certificate, error) {
	name := a.options.DefaultServerName
	if name == "" {
		return nil, errors.New("the service has no host of its own, so no certificate")
	}
	c := a.cached(name)
	if c == nil {
		return nil, fmt.Errorf("%s: has no certificate yet", name)
	}
	return c, nil
}
