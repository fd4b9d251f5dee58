package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"milepost/internal/admin"
	"milepost/internal/config"
	"milepost/internal/connlimit"
	"milepost/internal/directory"
	"milepost/internal/httpd"
	"milepost/internal/logqueue"
	"milepost/internal/metrics"
	"milepost/internal/mx"
	"milepost/internal/nameserver"
	"milepost/internal/snapshot"
	"milepost/internal/systemd"
	"milepost/internal/webdoctor"
)

// services are everything that answers, opened and not yet answering.
type services struct {
	conf    *config.Config
	unit    *systemd.Service // nothing, if systemd has not started the process
	current *atomic.Pointer[snapshot.Snapshot]
	sources *directory.Sources
	log     *slog.Logger
	metrics *metrics.Metrics

	http, https []httpd.Listener
	proxies     httpd.Proxies
	conns       *connlimit.Limit
	certs       certificates // nil: HTTPS is not served
	logins      *directory.Logins
	names       *nameserver.Server // nil: DNS is not served
	admin       net.Listener       // nil: there is none
}

// open opens whatever a configuration names, or takes it from systemd, in the order in
// which one starts to need it. The error says which setting is wrong, or why it cannot
// be had.
func open(ctx context.Context, conf *config.Config, unit *systemd.Service, current *atomic.Pointer[snapshot.Snapshot], sources *directory.Sources, queue *logqueue.Queue) (*services, error) {
	s := &services{
		conf: conf, unit: unit, current: current, sources: sources,
		log:     logTo(conf, queue),
		proxies: httpd.Proxies{Trusted: conf.Proxy.Trusted, Protocol: conf.Proxy.Protocol},
	}
	s.conns = httpd.NewLimit(conf.Limits.Connections, conf.Limits.ConnectionsPerClient, s.proxies, s.log)
	s.logins = directory.NewLogins(s.log)
	s.metrics = s.newMetrics(queue)
	s.logins.Metrics = s.metrics
	if err := s.logins.Use(conf.Directories); err != nil {
		return nil, err
	}
	s.conns.Ended = func() { s.metrics.Limited(metrics.Connections) }
	if err := s.listen(); err != nil {
		return nil, err
	}
	if err := s.openCertificates(ctx); err != nil {
		return nil, err
	}
	sign, err := s.signer(ctx)
	if err != nil {
		return nil, err
	}
	o := httpd.Options{
		Current: current.Load, Log: s.log, JSON: conf.Log.Format == "json", Sign: sign, Proxies: s.proxies, Metrics: s.metrics,
		Resolver: mx.New(mx.Options{Server: conf.Lookup.Resolver, Rate: conf.Lookup.Rate, Waiting: mayWait(conf.Limits.AtOnce), Metrics: s.metrics}),
		Logins:   s.logins,
		Limits:   httpd.Limits{Rate: conf.Limits.Rate, Burst: conf.Limits.Burst, AtOnce: conf.Limits.AtOnce, MXRate: max(1, conf.Lookup.Rate/httpd.ShareMX)},
	}
	o.Doctor = s.newDoctor(ctx)
	if conf.Log.Level <= slog.LevelInfo {
		o.Requests = queue
	}
	handler := httpd.Handler(o)
	for i := range s.http {
		s.http[i].Handler = handler
		if s.certs != nil {
			s.http[i].Handler = s.certs.HTTPChallenge(handler)
		}
	}
	for i := range s.https {
		s.https[i].Handler, s.https[i].TLS = handler, s.certs.TLSConfig()
	}
	return s, nil
}

// newDoctor makes who examines domains for visitors. Whether they may is the snapshot's to
// say.
func (s *services) newDoctor(ctx context.Context) *webdoctor.Doctor {
	o := webdoctor.Options{
		Context: ctx, Log: s.log, Metrics: s.metrics,
		Own: func() []netip.Addr {
			snapshot := s.current.Load()
			own := slices.Concat(snapshot.Config.Service.Addresses, snapshot.Guessed)
			if at, err := net.InterfaceAddrs(); err == nil {
				for _, a := range at {
					if p, err := netip.ParsePrefix(a.String()); err == nil {
						own = append(own, p.Addr().Unmap())
					}
				}
			}
			return own
		},
		Host:  func() string { return string(s.current.Load().Host()) },
		Allow: func() []netip.Prefix { return s.current.Load().Config.Doctor.Allow },
	}
	if r := s.conf.Lookup.Resolver; r.IsValid() {
		o.Resolvers = []string{r.String()}
	}
	return webdoctor.New(o)
}

// mayWait is how many requests may wait for DNS, if so many are worked on at once (0: any
// number): so few that the others do not notice.
func mayWait(atOnce int) int {
	if atOnce == 0 {
		return 512
	}
	return max(1, atOnce/4)
}

// listen opens the sockets. The error has a line for every address that cannot be had.
func (s *services) listen() error {
	var errs [4]error
	s.http, errs[0] = s.listeners("http", s.conf.HTTP.Listen)
	s.https, errs[1] = s.listeners("https", s.conf.HTTPS.Listen)
	s.names, errs[2] = s.listenDNS()
	s.admin, errs[3] = s.listenAdmin()
	return errors.Join(errs[:]...)
}

func (s *services) listenDNS() (names *nameserver.Server, err error) {
	switch at, tcp := s.conf.DNS.Listen, s.unit.Listeners["dns"]; {
	case at == "" && len(tcp) > 0:
		return nil, errors.New("the socket dns from systemd has nothing to answer it: set listen in [dns]")
	case len(tcp) > 0:
		names, err = nameserver.On(tcp, s.unit.PacketConns["dns"], s.current, time.Now, s.log)
	case at != "":
		names, err = nameserver.Listen(string(at), s.current, time.Now, s.log)
	}
	if err != nil {
		return nil, s.refused("dns.listen", s.conf.DNS.Listen, err)
	}
	if names != nil {
		names.Metrics = s.metrics
	}
	return names, nil
}

func (s *services) listenAdmin() (net.Listener, error) {
	at := s.conf.Admin.Listen
	if given := s.unit.Listeners["admin"]; len(given) > 0 {
		return given[0], nil
	}
	if at == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", string(at))
	if err != nil {
		return nil, s.refused("admin.listen", at, err)
	}
	return l, nil
}

// listeners opens the addresses of a table, unless systemd has opened its sockets.
func (s *services) listeners(table string, at []config.ListenAddress) (out []httpd.Listener, err error) {
	for _, l := range s.unit.Listeners[table] {
		out = append(out, httpd.Listener{Listener: l})
	}
	if len(out) > 0 {
		if table == "https" && len(at) == 0 {
			return nil, errors.New("the socket https from systemd needs certificates: set listen in [https], and [tls]")
		}
		return out, nil
	}
	for _, a := range at {
		l, no := net.Listen("tcp", string(a))
		if no != nil {
			err = errors.Join(err, s.refused(table+".listen", a, no))
			continue
		}
		out = append(out, httpd.Listener{Listener: l})
	}
	return out, err
}

// refused says why an address of a setting cannot be listened on.
func (s *services) refused(setting string, at config.ListenAddress, err error) error {
	return s.conf.Mistake(setting, fmt.Errorf("%s: %w", at, at.Explain(err)))
}

// run answers until the context ends; one service does not go on without the others.
// The admin listener is the last to go, so that it tells how the others end.
func (s *services) run(ctx context.Context) error {
	adminCtx, stopAdmin := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAdmin()
	var watching errgroup.Group
	if s.admin != nil {
		watching.Go(func() error { return admin.Serve(adminCtx, s.admin, s.adminHandler(ctx), s.log) })
	}
	running, inner := errgroup.WithContext(ctx)
	running.Go(func() error {
		return httpd.Serve(inner, httpd.Service{
			Listeners: append(s.http, s.https...), Limit: s.conns, Proxies: s.proxies, Handshaken: s.handshaken, Log: s.log, Drain: s.conf.HTTP.Drain})
	})
	if s.names != nil {
		running.Go(func() error { return s.names.Serve(inner) })
	}
	if s.certs != nil {
		s.certs.Start()
	}
	if err := s.unit.Ready(size(s.current.Load().Catalogue)); err != nil {
		s.log.Warn("systemd cannot be told", "err", err)
	}
	go func() {
		if err := s.unit.Watchdog(ctx, s.alive); err != nil {
			s.log.Warn("systemd cannot be told", "err", err)
		}
	}()
	context.AfterFunc(ctx, func() { s.unit.Stopping() })
	err := running.Wait()
	if s.certs != nil && ctx.Err() != nil {
		s.certs.Wait()
	}
	s.logins.Close()
	stopAdmin()
	return cmp.Or(err, watching.Wait())
}

// alive takes what every connection and every request takes. A server in which that
// hangs is of no use.
func (s *services) alive() bool { return s.conns.Open() >= 0 && s.current.Load() != nil }

func (s *services) adminHandler(ctx context.Context) http.Handler {
	return admin.Handler(admin.Options{
		Metrics: s.metrics.Handler(),
		NotReady: func() (why []string) {
			if ctx.Err() != nil {
				why = append(why, "the server stops")
			}
			if s.certs != nil {
				if err := s.certs.Ready(); err != nil {
					why = append(why, err.Error())
				}
			}
			for _, source := range s.sources.States() {
				if source.Fetched.IsZero() {
					why = append(why, fmt.Sprintf("source %s: its domains are missing: %s", source.Name, source.Err))
				}
			}
			return why
		},
		Remarks: func() (also []string) {
			for _, source := range s.sources.States() {
				if source.Stale() {
					also = append(also, fmt.Sprintf("source %s: served as it was on %s: %s", source.Name, source.Fetched.Format(time.RFC3339), source.Err))
				}
			}
			return also
		},
		Allowed: func(name string) bool { return s.current.Load().MayHaveCertificate(name) },
		PProf:   s.conf.Admin.PProf,
		Hosts:   []string{string(s.current.Load().Host())},
	})
}
