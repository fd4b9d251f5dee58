package httpd

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"milepost/internal/useragent"
)

// The line of a request is written by hand, in the forms of slog's handlers but
// without their cost: at saturation the log would take more than finding the answer.
// No value needs quotes or escapes: method, route, format and client are from tables,
// a domain is ASCII, and an address has no zone.

// appendText appends the line as slog.TextHandler writes it.
func (x *exchange) appendText(b []byte, end time.Time, took time.Duration) []byte {
	b = append(b, "time="...)
	b = end.AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	b = append(b, " level=INFO msg=http method="...)
	b = append(b, method(x.Request())...)
	b = append(b, " route="...)
	b = append(b, route(x)...)
	b = append(b, " domain="...)
	if x.domain == "" {
		b = append(b, `""`...)
	}
	b = append(b, x.domain...)
	b = append(b, " status="...)
	b = strconv.AppendInt(b, int64(x.Response().Status), 10)
	b = append(b, " octets="...)
	b = strconv.AppendInt(b, x.Response().Size, 10)
	b = append(b, " took="...)
	b = append(b, took.String()...)
	b = append(b, " from="...)
	if x.client.IsValid() {
		b = x.client.WithZone("").AppendTo(b)
	} else {
		b = append(b, `""`...)
	}
	b = append(b, " client="...)
	b = append(b, x.agent.String()...)
	b = append(b, " format="...)
	b = append(b, x.kind.name...)
	b = append(b, " id="...)
	b = x.appendID(b)
	return append(b, '\n')
}

// appendJSON appends the line as slog.JSONHandler writes it: took is in nanoseconds.
func (x *exchange) appendJSON(b []byte, end time.Time, took time.Duration) []byte {
	b = append(b, `{"time":"`...)
	b = end.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"INFO","msg":"http","method":"`...)
	b = append(b, method(x.Request())...)
	b = append(b, `","route":"`...)
	b = append(b, route(x)...)
	b = append(b, `","domain":"`...)
	b = append(b, x.domain...)
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(x.Response().Status), 10)
	b = append(b, `,"octets":`...)
	b = strconv.AppendInt(b, x.Response().Size, 10)
	b = append(b, `,"took":`...)
	b = strconv.AppendInt(b, int64(took), 10)
	b = append(b, `,"from":"`...)
	if x.client.IsValid() {
		b = x.client.WithZone("").AppendTo(b)
	}
	b = append(b, `","client":"`...)
	b = append(b, x.agent.String()...)
	b = append(b, `","format":"`...)
	b = append(b, x.kind.name...)
	b = append(b, `","id":"`...)
	b = x.appendID(b)
	return append(b, "\"}\n"...)
}

// appendID appends the request's id: eight hexadecimal digits.
func (x *exchange) appendID(b []byte) []byte {
	const digits = "0123456789abcdef"
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[x.id>>shift&0xf])
	}
	return b
}

func (x *exchange) hexID() string { return fmt.Sprintf("%08x", x.id) }

// agentOf classes the client. Its header goes nowhere else.
func agentOf(r *http.Request) useragent.Class {
	if h := r.Header["User-Agent"]; len(h) > 0 {
		return useragent.ClassOf(h[0])
	}
	return useragent.None
}
