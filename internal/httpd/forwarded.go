package httpd

import (
	"net/netip"
	"strings"
)

// readForwarded reads the lines of Forwarded (RFC 7239 §4). Not ok: they do not follow
// the grammar, so nobody can tell who wrote what.
func (p Proxies) readForwarded(lines []string) (c claim, ok bool) {
	h := hops{Proxies: p}
	for _, line := range lines {
		if !h.readLine(line) {
			return claim{}, false
		}
	}
	return h.claim, true
}

// readLine takes the elements of one line. A quoted string may hold any delimiter, so
// a line can only be read from its beginning.
func (h *hops) readLine(line string) (ok bool) {
	var e element
	for rest := line; ; {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" || rest[0] == ',' {
			if e.any {
				h.add(parseNode(e.node), e.proto)
			}
			if rest == "" {
				return true
			}
			e, rest = element{}, rest[1:]
			continue
		}
		if rest[0] == ';' {
			rest = rest[1:]
			continue
		}
		var name, value string
		if name, rest = token(rest); name == "" || !strings.HasPrefix(rest, "=") {
			return false
		}
		if value, rest, ok = tokenOrQuoted(rest[1:]); !ok || !e.set(name, value) {
			return false
		}
		if rest = strings.TrimLeft(rest, " \t"); rest != "" && rest[0] != ',' && rest[0] != ';' {
			return false
		}
	}
}

// element is what one proxy says.
type element struct {
	any               bool
	node, proto       string
	hasNode, hasProto bool
}

// set takes a parameter; by and host are nothing to us. None may stand twice (§4).
func (e *element) set(name, value string) (ok bool) {
	e.any = true
	switch {
	case strings.EqualFold(name, "for"):
		ok = !e.hasNode
		e.node, e.hasNode = value, true
	case strings.EqualFold(name, "proto"):
		ok = !e.hasProto
		e.proto, e.hasProto = value, true
	default:
		ok = true
	}
	return ok
}

// parseNode returns the address of a node (RFC 7239 §6), which may have a port; zero:
// it is unknown, or a name that the proxy made up.
func parseNode(s string) netip.Addr {
	host, port, hasPort := strings.Cut(s, ":")
	inBrackets := strings.HasPrefix(s, "[")
	if inBrackets {
		var after string
		host, after, _ = strings.Cut(s[1:], "]")
		if port, hasPort = strings.CutPrefix(after, ":"); !hasPort && after != "" {
			return netip.Addr{}
		}
	}
	a, err := netip.ParseAddr(host)
	if err != nil || a.Is6() != inBrackets || hasPort && !isPort(port) {
		return netip.Addr{}
	}
	return plain(a)
}

// isPort knows a port, and a name that stands for one (RFC 7239 §6).
func isPort(s string) bool {
	name, made := strings.CutPrefix(s, "_")
	if made {
		return name != "" && strings.Trim(name, letters+digits+"._-") == ""
	}
	return s != "" && len(s) <= 5 && strings.Trim(s, digits) == ""
}

const (
	digits  = "0123456789"
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	tchar   = letters + digits + "!#$%&'*+-.^_`|~" // RFC 9110 §5.6.2
)

// token cuts a token off.
func token(s string) (name, rest string) {
	rest = strings.TrimLeft(s, tchar)
	return s[:len(s)-len(rest)], rest
}

// tokenOrQuoted cuts a value off (RFC 9110 §5.6.4).
func tokenOrQuoted(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest = token(s)
		return value, rest, value != ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
