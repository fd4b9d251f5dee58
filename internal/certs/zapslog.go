package certs

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zapLogger writes what certmagic says to our log.
func zapLogger(log *slog.Logger) *zap.Logger { return zap.New(zapCore{log}) }

type zapCore struct{ log *slog.Logger }

// level is one or more below certmagic's: it reports each step, and as errors also
// what a stranger's handshake can cause. What became of an order we say ourselves;
// what goes wrong in its background, renewals above all, stays a warning.
func level(e zapcore.Entry) slog.Level {
	ordering := strings.HasPrefix(e.LoggerName, "obtain") || strings.HasPrefix(e.LoggerName, "renew") || strings.HasSuffix(e.LoggerName, "acme_client")
	switch {
	case e.Level < zapcore.WarnLevel || ordering || e.Message == "tls-alpn challenge":
		return slog.LevelDebug
	case e.Level == zapcore.WarnLevel:
		return slog.LevelInfo
	case e.Level == zapcore.ErrorLevel:
		return slog.LevelWarn
	}
	return slog.LevelError
}

func (c zapCore) Enabled(l zapcore.Level) bool {
	return l >= zapcore.WarnLevel || c.log.Enabled(context.Background(), slog.LevelDebug)
}

func (c zapCore) With(fields []zapcore.Field) zapcore.Core {
	return zapCore{slog.New(c.log.Handler().WithAttrs(attrs(fields)))}
}

func (c zapCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.log.Enabled(context.Background(), level(e)) {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c zapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	c.log.LogAttrs(context.Background(), level(e), "acme: "+withoutLocalPart(e.Message), attrs(fields)...)
	return nil
}

func (c zapCore) Sync() error { return nil }

func attrs(fields []zapcore.Field) []slog.Attr {
	var out []slog.Attr
	for _, f := range fields {
		encoded := zapcore.NewMapObjectEncoder()
		f.AddTo(encoded)
		for key, value := range encoded.Fields {
			out = append(out, slog.String(key, withoutLocalPart(fmt.Sprint(value))))
		}
	}
	return out
}

// The account's address is in many messages, and in the names of its files.
var (
	accountFile = regexp.MustCompile(`/users/[^\s":]*`)
	localPart   = regexp.MustCompile(`[^\s"'<>()\[\],;:]+@`)
)

func withoutLocalPart(s string) string {
	return localPart.ReplaceAllString(accountFile.ReplaceAllString(s, "/users/…"), "…@")
}
