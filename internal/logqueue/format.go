package logqueue

import (
	"fmt"
	"io"
	"log/slog"
)

// Format is how a line of the log is written.
type Format string

const (
	Text Format = "text" // key=value, for people
	JSON Format = "json" // an object a line, for programs
)

// ParseFormat reads a format's name.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case Text, JSON:
		return f, nil
	}
	return "", fmt.Errorf("%q is no format of a log; text and json are allowed", s)
}

// Handler makes lines of what is at a level or above.
func (f Format) Handler(to io.Writer, level slog.Leveler) slog.Handler {
	o := &slog.HandlerOptions{Level: level}
	if f == JSON {
		return slog.NewJSONHandler(to, o)
	}
	return slog.NewTextHandler(to, o)
}

// ParseLevel reads the least level that is logged.
func ParseLevel(s string) (slog.Level, error) {
	switch s {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%q is no level of a log; debug, info, warn and error are allowed", s)
}
