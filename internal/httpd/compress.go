package httpd

import (
	"bytes"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/labstack/echo/v4"
)

// leastCompressed is the size from which compression is worth it: what is shorter fits
// into one packet anyway. Documents of the formats have 1 to 3 kB, which arrive in the
// same round trip either way, so they stay as they are.
const leastCompressed = 1 << 10 // octets

// compressible tells whether a type is text. An image is compressed already.
func compressible(contentType string) bool {
	return strings.HasPrefix(contentType, "text/") || contentType == echo.MIMEApplicationJSON || contentType == echo.MIMEApplicationXMLCharsetUTF8 || contentType == "image/svg+xml"
}

// encode returns the form of a body that the client takes, with the entity tag of that
// form: strong tags differ by content coding (RFC 9110 §8.8.3.3). Without a tag a body
// is for this request alone, and no form of it is kept.
//
// Lengths tell an eavesdropper of a secret only where what an attacker chooses is
// compressed with it (BREACH): a page holds the address that was typed, and no secret.
func (x *exchange) encode(contentType, tag string, body []byte) ([]byte, string) {
	if len(body) < leastCompressed || !compressible(contentType) {
		return body, tag
	}
	h := x.Response().Header()
	h.Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
	if !acceptsGzip(x.Request().Header[echo.HeaderAcceptEncoding]) {
		return body, tag
	}
	h.Set(echo.HeaderContentEncoding, "gzip")
	if tag == "" {
		return x.compressor.compress(body), ""
	}
	return x.compressor.keep(tag, body), otherTag(tag)
}

const gzipSuffix = `-gz"`

// otherTag is the tag of the same content in the other form, compressed or not.
func otherTag(tag string) string {
	if plain, ok := strings.CutSuffix(tag, gzipSuffix); ok {
		return plain + `"`
	}
	return strings.TrimSuffix(tag, `"`) + gzipSuffix
}

// acceptsGzip tells whether a client takes gzip, and does not prefer the body as it is
// (RFC 9110 §12.5.3). What breaks the grammar is not accepted.
func acceptsGzip(accept []string) bool {
	gzip, identity, others := -1.0, -1.0, -1.0 // not named
	for _, list := range accept {
		for element := range strings.SplitSeq(list, ",") {
			coding, parameters, _ := strings.Cut(element, ";")
			switch q := quality(parameters); strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip": // RFC 9110 §8.4.1.3
				gzip = q
			case "identity":
				identity = q
			case "*":
				others = q
			}
		}
	}
	if gzip < 0 {
		gzip = others
	}
	return gzip > 0 && gzip >= identity
}

// quality reads a weight (RFC 9110 §12.4.2); none is 1, and nonsense 0.
func quality(parameters string) float64 {
	if strings.TrimSpace(parameters) == "" {
		return 1
	}
	name, value, _ := strings.Cut(parameters, "=")
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !strings.EqualFold(strings.TrimSpace(name), "q") || !(0 <= q && q <= 1) {
		return 0
	}
	return q
}

// maxCompressed is in octets of all that a compressor keeps.
const maxCompressed = 4 << 20

// compressor compresses, and keeps what is the same for many. The zero compressor is
// ready.
type compressor struct {
	idle sync.Pool // *compression

	mu   sync.RWMutex
	kept map[string][]byte // by the entity tag of the body, which no two share
	size int
}

// compression is one that is under way.
type compression struct {
	to bytes.Buffer
	*gzip.Writer
}

// compress returns the gzip form of a body, with no room left behind it: slow readers
// may hold it for long.
func (z *compressor) compress(body []byte) []byte {
	c, _ := z.idle.Get().(*compression)
	if c == nil {
		c = &compression{Writer: gzip.NewWriter(nil)}
	}
	defer z.idle.Put(c)
	c.to.Reset()
	c.Reset(&c.to)
	c.Write(body) // no write to a buffer fails
	c.Close()
	return bytes.Clone(c.to.Bytes())
}

// keep returns the gzip form of a body that is the same for many; all who ask hold the
// same octets.
func (z *compressor) keep(tag string, body []byte) []byte {
	z.mu.RLock()
	kept, ok := z.kept[tag]
	z.mu.RUnlock()
	if ok {
		return kept
	}
	fresh := z.compress(body)
	z.mu.Lock()
	defer z.mu.Unlock()
	if kept, ok := z.kept[tag]; ok {
		return kept // somebody else was faster
	}
	if z.kept == nil || z.size+len(fresh) > maxCompressed {
		z.kept, z.size = make(map[string][]byte), 0
	}
	z.kept[tag] = fresh
	z.size += len(fresh)
	return fresh
}
