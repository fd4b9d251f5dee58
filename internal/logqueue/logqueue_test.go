package logqueue_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"milepost/internal/logqueue"
)

const never = time.Hour // longer than a test may run

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

var notice = regexp.MustCompile(`^time=\S+ level=WARN msg="log lines dropped" count=(\d+)$`)

// read counts the lines that came, and those that lines about dropped ones tell of.
func read(t *testing.T, r io.Reader) (came, dropped int) {
	t.Helper()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if m := notice.FindStringSubmatch(lines.Text()); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			dropped += n
		} else {
			came++
		}
	}
	return came, dropped
}

// A pipe that nobody reads holds nobody who logs. When its reader comes back, each
// line has come or is counted.
func TestUnreadPipe(t *testing.T) {
	r, w := pipe(t)
	q := logqueue.New(w, 64<<10, logqueue.Text)
	log := slog.New(slog.NewTextHandler(q, nil))
	const n = 10_000
	for i := range n { // over a MB: more than pipe and queue hold
		log.Info("http", "i", i, "text", strings.Repeat("x", 100))
	}
	var came, dropped int
	var reading sync.WaitGroup
	reading.Go(func() { came, dropped = read(t, r) })
	if err := q.Close(never); err != nil {
		t.Error(err)
	}
	w.Close()
	reading.Wait()
	if came+dropped != n || dropped == 0 || came == 0 || q.Dropped() != uint64(dropped) {
		t.Errorf("%d lines came and %d were dropped of %d; Dropped says %d", came, dropped, n, q.Dropped())
	}
}

// Close does not wait for ever for somebody to read.
func TestCloseUnread(t *testing.T) {
	_, w := pipe(t)
	q := logqueue.New(w, 1<<20, logqueue.Text)
	for range 1000 {
		fmt.Fprintln(q, strings.Repeat("x", 200))
	}
	if err := q.Close(time.Millisecond); err == nil {
		t.Error("nobody read, and nothing was lost")
	}
}

// A line reaches its reader without another one behind it.
func TestPrompt(t *testing.T) {
	r, w := pipe(t)
	q := logqueue.New(w, 1<<20, logqueue.Text)
	lines := bufio.NewReader(r)
	for i := range 100 {
		want := fmt.Sprintln("line", i)
		io.WriteString(q, want)
		if got, err := lines.ReadString('\n'); got != want || err != nil {
			t.Fatal(got, err)
		}
	}
	if err := q.Close(never); err != nil {
		t.Error(err)
	}
}

// disk is a destination that may be full.
type disk struct {
	mu sync.Mutex
	bytes.Buffer
	free   int // octets; less than 0: any number
	writes int
}

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes++
	if d.free < 0 {
		return d.Buffer.Write(p)
	}
	n, _ := d.Buffer.Write(p[:min(d.free, len(p))])
	d.free -= n
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

// A full disk is asked once a second, not once a line. Once there is room again, the
// log says what it lacks, and a line that was cut stands alone.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{free: len("line 0\nlin")}
		q := logqueue.New(d, 1<<20, logqueue.Text)
		for i := range 3 {
			fmt.Fprintln(q, "line", i)
			synctest.Wait()
		}
		for range 10 {
			fmt.Fprintln(q, "lost")
			time.Sleep(time.Second)
		}
		d.mu.Lock()
		if d.writes > 15 {
			t.Errorf("%d writes in 10 seconds", d.writes)
		}
		d.free = -1
		d.mu.Unlock()
		time.Sleep(2 * time.Second)
		fmt.Fprintln(q, "last")
		if err := q.Close(never); err != nil {
			t.Error(err)
		}
		got := strings.Split(d.String(), "\n")
		if len(got) != 5 || got[0] != "line 0" || got[1] != "lin" || !strings.HasSuffix(got[2], ` level=WARN msg="log lines dropped" count=12`) || got[3] != "last" {
			t.Errorf("%q", got)
		}
		if q.Dropped() != 12 {
			t.Errorf("Dropped says %d", q.Dropped())
		}
	})
}

// The queue's own line has the form of the others.
func TestFormat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		q := logqueue.New(d, 1<<20, logqueue.JSON)
		log := slog.New(logqueue.JSON.Handler(q, slog.LevelWarn))
		log.Info("below the level")
		log.Warn("lost")
		time.Sleep(100 * time.Millisecond) // it has been tried
		d.mu.Lock()
		d.free = -1
		d.mu.Unlock()
		time.Sleep(2 * time.Second)
		if err := q.Close(never); err != nil {
			t.Error(err)
		}
		if got := d.String(); !regexp.MustCompile(`^{"time":"[^"]+","level":"WARN","msg":"log lines dropped","count":1}\n$`).MatchString(got) {
			t.Errorf("%q", got)
		}
	})
}

func TestParse(t *testing.T) {
	for _, name := range []string{"text", "json"} {
		if f, err := logqueue.ParseFormat(name); err != nil || string(f) != name {
			t.Error(name, f, err)
		}
	}
	if _, err := logqueue.ParseFormat("xml"); err == nil || err.Error() != `"xml" is no format of a log; text and json are allowed` {
		t.Error(err)
	}
	for name, want := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if l, err := logqueue.ParseLevel(name); err != nil || l != want {
			t.Error(name, l, err)
		}
	}
	if _, err := logqueue.ParseLevel("INFO"); err == nil || err.Error() != `"INFO" is no level of a log; debug, info, warn and error are allowed` {
		t.Error(err)
	}
}

// What never could be written is counted at the end.
func TestNeverWritten(t *testing.T) {
	q := logqueue.New(&disk{}, 1<<20, logqueue.Text)
	for range 7 {
		fmt.Fprintln(q, "line")
	}
	if err := q.Close(never); err == nil || err.Error() != "the last 7 lines of the log were lost" {
		t.Error(err)
	}
}
