package main

import (
	"strings"
	"time"

	"milepost/internal/certs"
	"milepost/internal/logqueue"
	"milepost/internal/metrics"
)

// newMetrics counts from now on, and reads what is not counted when it is asked.
func (s *services) newMetrics(queue *logqueue.Queue) *metrics.Metrics {
	build := currentBuild()
	m := metrics.New(metrics.Sources{
		Version: build.Version, Commit: build.Commit,
		Catalogue: func() (providers, domains, rejected int) {
			c := s.current.Load().Catalogue
			for _, l := range c.Lists() {
				rejected += l.Dropped
			}
			return len(c.Providers()), c.Domains(), rejected
		},
		Certificates: func() (held int, soonest time.Time) {
			if s.certs == nil {
				return 0, time.Time{}
			}
			all := s.certs.Expiries()
			if len(all) > 0 {
				soonest = all[0].NotAfter
			}
			return len(all), soonest
		},
		Directories:     s.logins.States,
		LogLinesDropped: queue.Dropped,
		Domains: func() (out []metrics.DomainSource) {
			for _, source := range s.sources.States() {
				out = append(out, metrics.DomainSource{Name: source.Name, Domains: source.Rows, Lost: source.Lost, Fetched: source.Fetched, Down: source.Stale()})
			}
			return out
		},
	})
	m.Reloaded(true, time.Now())
	m.Connections("http", s.conns.Open) // those of HTTPS too: they share the bounds
	return m
}

// handshaken counts how a TLS handshake ended.
func (s *services) handshaken(failure string) {
	switch {
	case failure == "":
		s.metrics.Handshaken(metrics.HandshakeOK)
	case strings.HasSuffix(failure, certs.Refused):
		s.metrics.Handshaken(metrics.HandshakeName)
	default:
		s.metrics.Handshaken(metrics.HandshakeFailed)
	}
}

// ordered counts what became of an order of a certificate.
func (s *services) ordered(o certs.Outcome) {
	switch o {
	case certs.OrderSucceeded:
		s.metrics.Ordered(metrics.OrderOK)
	case certs.OrderFailed:
		s.metrics.Ordered(metrics.OrderFailed)
	case certs.OrderRefused:
		s.metrics.Ordered(metrics.OrderLimited)
	}
}
