// Package admin is what the people and programs that run the server ask it: metrics,
// health, and whether a proxy may get a certificate for a name. It has a listener of
// its own, which belongs on loopback or in a network of admins.
package admin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strings"
	"time"

	"milepost/address"
	"milepost/internal/connlimit"
)

// Options are what a handler is made of.
type Options struct {
	// Metrics answers /metrics.
	Metrics http.Handler
	// NotReady returns why no requests should be sent here, a line each; none: they
	// should. nil: the server is always ready.
	NotReady func() []string
	// Remarks returns what is wrong with a server that is ready all the same, a line each;
	// nil: nothing ever is.
	Remarks func() []string
	// Allowed tells whether a certificate may be ordered for a name, which is in ASCII
	// and lower case; nil: for none.
	Allowed func(name string) bool
	// PProf serves Go's profiles.
	PProf bool
	// Hosts are host names under which the listener is asked, beside addresses,
	// localhost and names without a dot.
	Hosts []string
}

// Handler answers on the admin listener.
func Handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		list := "/metrics /healthz /readyz /internal/tls-allowed?domain=NAME"
		if o.PProf {
			list += " /debug/pprof/"
		}
		say(w, http.StatusOK, list)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", o.ready)
	mux.HandleFunc("GET /internal/tls-allowed", o.tlsAllowed)
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	if o.PProf {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return o.guarded(mux)
}

// say answers with a line of text.
func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, text+"\n") // who has left misses nothing
}

func (o Options) ready(w http.ResponseWriter, _ *http.Request) {
	if o.NotReady != nil {
		if reasons := o.NotReady(); len(reasons) > 0 {
			say(w, http.StatusServiceUnavailable, strings.Join(reasons, "\n"))
			return
		}
	}
	lines := []string{"ok"}
	if o.Remarks != nil {
		lines = append(lines, o.Remarks()...)
	}
	say(w, http.StatusOK, strings.Join(lines, "\n"))
}

// tlsAllowed is what Caddy asks before it orders a certificate on demand ("ask"):
// any answer but 2xx is a no.
func (o Options) tlsAllowed(w http.ResponseWriter, r *http.Request) {
	given := r.URL.Query()["domain"]
	if len(given) != 1 {
		say(w, http.StatusBadRequest, fmt.Sprintf("domain is given %d times; /internal/tls-allowed?domain=NAME is allowed", len(given)))
		return
	}
	d, err := address.ParseDomain(given[0])
	switch {
	case err != nil:
		say(w, http.StatusBadRequest, err.Error())
	case o.Allowed == nil || !o.Allowed(d.ASCII):
		say(w, http.StatusForbidden, "no certificate is given out for "+d.ASCII)
	default:
		say(w, http.StatusOK, "ok")
	}
}

// guarded keeps web pages out, which an admin's browser would let ask a listener on
// loopback. One of another site sends Origin or Sec-Fetch-Site; one whose own name
// was made to lead here (DNS rebinding) sends neither, but that name as Host. A name
// without a dot, as containers have, can belong to no such page. Health is no secret,
// and load balancers send any Host.
func (o Options) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		site := r.Header.Get("Sec-Fetch-Site")
		switch {
		case r.URL.Path == "/healthz", r.URL.Path == "/readyz":
		case !o.known(r.Host):
			say(w, http.StatusForbidden, "the host name in the request is not one of this listener; ask by an address, localhost, or a name without a dot")
			return
		case r.Header.Get("Origin") != "", site != "" && site != "none" && site != "same-origin":
			say(w, http.StatusForbidden, "web pages may not ask here")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// known tells whether the Host header (RFC 9110 §7.2) names this listener.
func (o Options) known(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") { // none at all comes from HTTP/1.0
		return true
	}
	return slices.ContainsFunc(o.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// Limits of the listener. A profile takes 30 seconds unless it is told otherwise.
const (
	headerTimeout   = 5 * time.Second
	writeTimeout    = time.Minute
	idleTimeout     = 75 * time.Second // more than Prometheus waits between scrapes
	maxHeader       = 16 << 10         // octets
	maxConns        = 64
	shutdownTimeout = time.Second
)

// Serve answers on a listener until the context ends.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	limit := connlimit.New(connlimit.Bounds{
		Total:        maxConns,
		PerNetwork:   maxConns,
		Network:      func(a netip.Addr) netip.Prefix { return connlimit.NetworkOf(a, 32, 64) },
		WriteTimeout: writeTimeout,
	}, log)
	srv := &http.Server{
		Handler: h, MaxHeaderBytes: maxHeader,
		ReadTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		err := srv.Shutdown(grace)
		if err != nil {
			err = srv.Close() // a profile under way is not waited for
		}
		stopped <- err
	})
	err := srv.Serve(limit.Listener(l))
	if stop() {
		return err // it ended by itself
	}
	return <-stopped
}
