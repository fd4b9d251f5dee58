package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"

	"milepost/internal/config"
	"milepost/internal/logqueue"
)

func logFormat(c *config.Config) logqueue.Format {
	if c.Log.Format == "json" {
		return logqueue.JSON
	}
	return logqueue.Text
}

func logTo(c *config.Config, to io.Writer) *slog.Logger {
	return slog.New(logFormat(c).Handler(to, c.Log.Level))
}

// complaints is where messages for people go while the server runs: into the log, as
// they are, or each as a line of JSON.
func complaints(c *config.Config, log io.Writer) io.Writer {
	if f := logFormat(c); f == logqueue.JSON {
		return lines{slog.New(f.Handler(log, slog.LevelDebug))}
	}
	return log
}

// lines makes an event of each line.
type lines struct{ log *slog.Logger }

func (s lines) Write(text []byte) (int, error) {
	for line := range bytes.Lines(text) {
		level := slog.LevelError
		if bytes.HasPrefix(line, []byte("warning: ")) {
			level = slog.LevelWarn
		}
		s.log.Log(context.Background(), level, string(bytes.TrimSuffix(line, []byte("\n"))))
	}
	return len(text), nil
}
