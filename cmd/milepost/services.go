package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"milepost/internal/certs"
	"milepost/internal/config"
	"milepost/internal/httpd"
	"milepost/internal/nameserver"
	"milepost/internal/snapshot"
)

// services are everything that answers, opened and not yet answering.
type services struct {
	conf        *config.Config
	log         *slog.Logger
	http, https []httpd.Listener
	proxies     httpd.Proxies
	names       *nameserver.Server // nil: DNS is not served
	admin       net.Listener       // nil: there is none
}

// open opens whatever a configuration names, in the order in which one starts to need
// it. The error says which setting is wrong, or why it cannot be had.
func open(ctx context.Context, conf *config.Config, current *atomic.Pointer[snapshot.Snapshot], log io.Writer) (*services, error) {
	s := &services{
		conf: conf, log: slog.New(slog.NewTextHandler(log, nil)),
		proxies: httpd.Proxies{Trusted: conf.Proxy.Trusted, Protocol: conf.Proxy.Protocol},
	}
	sign, err := certs.OpenSigner(ctx, conf.Signing.Cert, conf.Signing.Key, time.Now, s.log)
	if err != nil {
		return nil, conf.Mistake("signing.cert", err)
	}
	if at := conf.DNS.Listen; at != "" {
		if s.names, err = nameserver.Listen(string(at), current, time.Now, s.log); err != nil {
			return nil, refused(conf, "dns.listen", at, err)
		}
	}
	handler := httpd.Handler(httpd.Options{
		Current: current.Load, Requests: log, Log: s.log, Sign: sign, Proxies: s.proxies,
		Limits: httpd.Limits{Rate: conf.Limits.Rate, Burst: conf.Limits.Burst, AtOnce: conf.Limits.AtOnce},
	})
	if s.http, err = listen(conf, "http.listen", conf.HTTP.Listen, handler); err != nil {
		return nil, err
	}
	return s, nil
}

// listen opens the addresses of a setting.
func listen(conf *config.Config, setting string, at []config.ListenAddress, h http.Handler) (listeners []httpd.Listener, err error) {
	for _, a := range at {
		l, err := net.Listen("tcp", string(a))
		if err != nil {
			return nil, refused(conf, setting, a, err)
		}
		listeners = append(listeners, httpd.Listener{Listener: l, Handler: h})
	}
	return listeners, nil
}

// refused says why an address of a setting cannot be listened on.
func refused(conf *config.Config, setting string, at config.ListenAddress, err error) error {
	return conf.Mistake(setting, fmt.Errorf("%s: %w", at, at.Explain(err)))
}

// run answers until the context ends; one service does not go on without the others.
func (s *services) run(ctx context.Context) error {
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error {
		limit := httpd.NewLimit(s.conf.Limits.Connections, s.conf.Limits.ConnectionsPerClient, s.proxies, s.log)
		return httpd.Serve(ctx, httpd.Service{Listeners: append(s.http, s.https...), Limit: limit, Proxies: s.proxies, Log: s.log, Drain: s.conf.HTTP.Drain})
	})
	if s.names != nil {
		running.Go(func() error { return s.names.Serve(ctx) })
	}
	return running.Wait()
}
