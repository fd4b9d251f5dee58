package observe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"milepost/internal/doctor"
	"milepost/settings"
)

const (
	maxLine  = 8 << 10 // octets; RFC 9051 §4 names the same
	maxLines = 128     // of one answer

	maxCapabilities = 128 // that are kept; long lists have some 50
	maxKeptLine     = 512 // octets of each, and of a greeting
)

// Greet connects as a mail program does, up to the moment in which it would log in.
func (i *Internet) Greet(ctx context.Context, e doctor.Endpoint) doctor.Greeting {
	var g doctor.Greeting
	ctx, cancel := context.WithTimeout(ctx, i.Patience)
	defer cancel()
	conn, err := i.dialHost(ctx, "tcp", net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))))
	if err != nil {
		g.Failure, g.Detail = failure(err, doctor.Unreachable)
		return g
	}
	defer conn.Close()
	if e.Protocol == "" { // whether it answers is all
		return g
	}
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	t := &talk{internet: i, endpoint: e, Greeting: &g}
	if e.SocketType == settings.SSL {
		if conn, err = t.handshake(ctx, conn); err != nil {
			return g
		}
	}
	t.on(conn)
	t.run(ctx, conn)
	return g
}

// talk is one conversation.
type talk struct {
	*doctor.Greeting
	internet *Internet
	endpoint doctor.Endpoint
	conn     net.Conn
	in       *bufio.Reader
}

func (t *talk) on(conn net.Conn) {
	t.conn, t.in = conn, bufio.NewReaderSize(io.LimitReader(conn, maxLine*maxLines), maxLine)
}

func (t *talk) handshake(ctx context.Context, conn net.Conn) (net.Conn, error) {
	secured := tls.Client(conn, &tls.Config{ServerName: t.endpoint.Host, InsecureSkipVerify: true}) // what is shown is told
	if err := secured.HandshakeContext(ctx); err != nil {
		t.Failure, t.Detail = failure(err, doctor.NoTLS)
		if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok {
			t.Failure, t.Banner = doctor.NoTLS, strings.TrimSpace(string(plain.RecordHeader[:]))
			t.Speaks = speaks(string(plain.RecordHeader[:]))
		}
		return nil, err
	}
	t.TLS = t.internet.shown(t.endpoint.Host, secured.ConnectionState())
	return secured, nil
}

// speaks tells of which protocol a greeting is.
func speaks(line string) settings.Protocol {
	switch {
	case strings.HasPrefix(line, "* "):
		return settings.IMAP
	case strings.HasPrefix(line, "+OK"), strings.HasPrefix(line, "-ERR"):
		return settings.POP3
	case len(line) > 3 && (line[0] == '2' || line[0] == '4' || line[0] == '5') && (line[3] == ' ' || line[3] == '-'):
		return settings.SMTP
	}
	return ""
}

func (t *talk) run(ctx context.Context, conn net.Conn) {
	lines, err := t.answer("")
	if len(lines) > 0 {
		t.Banner = cut(lines[0])
		t.Speaks = speaks(t.Banner)
	}
	switch {
	case t.Speaks == "" && err != nil:
		t.Failure, t.Detail = doctor.NotMail, "no greeting comes"
		if t.endpoint.SocketType != settings.SSL {
			t.Detail += "; TLS may be expected at once"
		}
		return
	case t.Speaks == "":
		t.Failure, t.Detail = doctor.NotMail, fmt.Sprintf("it says %q", t.Banner)
		return
	case t.Speaks != t.endpoint.Protocol:
		return // whatever it would be asked now makes no sense to it
	}
	capabilities, err := t.capabilities()
	if err != nil {
		t.Failure, t.Detail = doctor.NotMail, "it closes the connection, or goes on for ever"
		return
	}
	if t.endpoint.SocketType == settings.STARTTLS {
		if t.Before = capabilities; !offersTLS(t.Speaks, capabilities) || !t.upgrade() {
			t.Failure = doctor.NoStartTLS
			return
		}
		secured, err := t.handshake(ctx, conn)
		if err != nil {
			return
		}
		t.on(secured)
		if capabilities, err = t.capabilities(); err != nil {
			t.Failure, t.Detail = doctor.NotMail, "it says nothing behind STARTTLS"
			return
		}
	} else if t.endpoint.SocketType == settings.Plain {
		t.Before = capabilities
	}
	t.Capabilities = capabilities
	t.conn.SetDeadline(time.Now().Add(100 * time.Millisecond)) // a farewell is worth no wait
	fmt.Fprintf(t.conn, "%s\r\n", map[settings.Protocol]string{settings.IMAP: "z LOGOUT", settings.POP3: "QUIT", settings.SMTP: "QUIT"}[t.Speaks])
}

func offersTLS(p settings.Protocol, capabilities []string) bool {
	want := "STARTTLS"
	if p == settings.POP3 {
		want = "STLS"
	}
	for _, c := range capabilities {
		if strings.EqualFold(strings.TrimSpace(c), want) {
			return true
		}
	}
	return false
}

// upgrade asks for TLS.
func (t *talk) upgrade() bool {
	command := map[settings.Protocol]string{settings.IMAP: "b STARTTLS", settings.POP3: "STLS", settings.SMTP: "STARTTLS"}[t.Speaks]
	lines, err := t.answer(command)
	if err != nil || len(lines) == 0 {
		return false
	}
	last := lines[len(lines)-1]
	return strings.HasPrefix(last, "b OK") || strings.HasPrefix(last, "+OK") || strings.HasPrefix(last, "220")
}

// capabilities asks what the server can do, and keeps what a server may have.
func (t *talk) capabilities() ([]string, error) {
	all, err := t.allCapabilities()
	var out []string
	for _, c := range all[:min(len(all), maxCapabilities)] {
		out = append(out, cut(c))
	}
	return out, err
}

// cut makes a copy, so that the rest of a long line can be let go of.
func cut(line string) string { return strings.Clone(line[:min(len(line), maxKeptLine)]) }

func (t *talk) allCapabilities() (out []string, err error) {
	switch t.Speaks {
	case settings.IMAP:
		lines, err := t.answer("a CAPABILITY")
		for _, l := range lines {
			if words := strings.Fields(l); len(words) > 2 && strings.EqualFold(words[1], "CAPABILITY") {
				out = append(out, words[2:]...)
			}
		}
		return out, err
	case settings.POP3:
		lines, err := t.answer("CAPA")
		if err != nil || len(lines) == 0 || !strings.HasPrefix(lines[0], "+OK") {
			return nil, err // an old server, which knows USER
		}
		return lines[1:], nil
	}
	host, _, err := net.SplitHostPort(t.conn.LocalAddr().String())
	if err != nil {
		host = "127.0.0.1"
	}
	if strings.Contains(host, ":") {
		host = "IPv6:" + host
	}
	lines, err := t.answer("EHLO [" + host + "]")
	for n, l := range lines {
		if n > 0 && len(l) > 4 {
			out = append(out, l[4:])
		}
	}
	return out, err
}

// answer sends a command, if it is one, and reads the lines of its answer.
func (t *talk) answer(command string) (lines []string, err error) {
	if command != "" {
		if _, err := fmt.Fprintf(t.conn, "%s\r\n", command); err != nil {
			return nil, err
		}
	}
	for len(lines) < maxLines {
		raw, err := t.in.ReadSlice('\n')
		if err != nil {
			return lines, err
		}
		line := strings.TrimRight(string(raw), "\r\n")
		if command == "CAPA" && line == "." {
			return lines, nil
		}
		lines = append(lines, line)
		if t.complete(command, line) {
			return lines, nil
		}
	}
	return lines, errors.New("the answer has no end")
}

// complete tells whether a line is an answer's last.
func (t *talk) complete(command, line string) bool {
	switch {
	case command == "CAPA":
		return strings.HasPrefix(line, "-ERR")
	case strings.HasPrefix(command, "EHLO"), command == "" && speaks(line) == settings.SMTP:
		return len(line) < 4 || line[3] != '-'
	case t.Speaks == settings.IMAP && command != "":
		return strings.HasPrefix(line, command[:2])
	}
	return true
}
