package observe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"

	"milepost/internal/doctor"
)

// Fetch makes one exchange, and follows no redirect.
func (i *Internet) Fetch(ctx context.Context, r doctor.Request, body []byte) doctor.Exchange {
	ctx, cancel := context.WithTimeout(ctx, i.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(body))
	if err != nil {
		return doctor.Exchange{Failure: doctor.NotHTTP, Detail: "the URL cannot be asked for"}
	}
	if !webPort(req) {
		return doctor.Exchange{Failure: doctor.Forbidden, Detail: "the port is none of the web"}
	}
	req.URL.User = nil // a redirect may have a password in it, and none is ever sent
	req.Header.Set("User-Agent", "milepost-doctor")
	if body != nil {
		req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	}
	resp, err := i.client.Do(req)
	if err != nil {
		var x doctor.Exchange
		x.Failure, x.Detail = failure(errors.Unwrap(err), notWeb(err, r.URL))
		return x
	}
	defer resp.Body.Close()
	x := doctor.Exchange{Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"), Location: resp.Header.Values("Location"),
		Authenticates: resp.Header.Get("WWW-Authenticate") != ""}
	if resp.TLS != nil {
		x.TLS = i.shown(req.URL.Hostname(), *resp.TLS)
	}
	if resp.StatusCode != http.StatusOK {
		return x
	}
	x.Body, err = io.ReadAll(io.LimitReader(resp.Body, doctor.MaxBody+1))
	if err == nil {
		err = ctx.Err() // a server that sees the end come can make it look like a whole answer
	}
	if len(x.Body) > doctor.MaxBody {
		x.Body, x.Cut = x.Body[:doctor.MaxBody], true
	} else if err != nil {
		x.Failure, x.Detail = failure(err, doctor.NotHTTP)
	}
	return x
}

// webPort tells whether a request goes to a port that web servers have: a redirect must not
// lead the doctor to other services.
func webPort(r *http.Request) bool {
	switch r.URL.Port() {
	case "", "80", "443", "8080", "8443":
		return true
	}
	return false
}

// notWeb tells whether TLS or HTTP is what failed.
func notWeb(err error, url string) doctor.Failure {
	if _, ok := errors.AsType[tls.AlertError](err); ok || strings.HasPrefix(url, "https:") && (strings.Contains(err.Error(), "tls:") || strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "reset")) {
		return doctor.NoTLS
	}
	return doctor.NotHTTP
}
