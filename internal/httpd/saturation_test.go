package httpd_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"milepost/internal/fixture"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
)

// bareEcho names the file that a process of this test binary answers with, by
// nothing but Echo.
const bareEcho = "RUN_BARE_ECHO"

func TestMain(m *testing.M) {
	if file := os.Getenv(bareEcho); file != "" {
		if err := serveBareEcho(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serveBareEcho answers every GET with what a response on the wire holds.
func serveBareEcho(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(f), nil)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		return err
	}
	e := echo.New()
	e.HideBanner = true
	e.GET("/mail/config-v1.1.xml", func(c echo.Context) error {
		for name, values := range resp.Header {
			c.Response().Header()[name] = values
		}
		return c.Blob(http.StatusOK, resp.Header.Get("Content-Type"), body.Bytes())
	})
	return e.Start("127.0.0.1:0")
}

// BenchmarkSaturation has wrk keep 64 connections busy, second by second in turn:
// the program with its log in a file, asked for a document and sent an Autodiscover
// request, and a process of bare Echo that answers with the same headers and octets.
func BenchmarkSaturation(b *testing.B) {
	wrk := fixture.Tool(b, "wrk", "wrk")
	work := b.TempDir()
	milepost := startServer(b, exec.Command(fixture.Build(b), "serve", "-http", "127.0.0.1:0"), filepath.Join(work, "milepost.log"), "milepost: http listening on ")
	header, body := dial(b, milepost, get("orange.fr")).exchange(b)
	recorded := filepath.Join(work, "answer")
	writeAnswer(b, recorded, header, body)
	bare := exec.Command(os.Args[0])
	bare.Env = append(os.Environ(), bareEcho+"="+recorded)
	bareAddr := startServer(b, bare, filepath.Join(work, "bare.log"), "⇨ http server started on ")
	bareHeader, bareBody := dial(b, bareAddr, get("orange.fr")).exchange(b)
	if diff := cmp.Diff(header, bareHeader) + cmp.Diff(string(body), string(bareBody)); diff != "" {
		b.Fatal("bare Echo answers something else: ", diff)
	}

	const document = "/mail/config-v1.1.xml?emailaddress=fred%40orange.fr"
	asks := []struct {
		name string
		args []string
	}{
		{"GET", []string{"http://" + milepost + document}},
		{"bare-GET", []string{"http://" + bareAddr + document}},
		{"POST", []string{"-s", "testdata/post.lua", "http://" + milepost + "/autodiscover/autodiscover.xml"}},
	}
	const rounds = 5
	total := make(map[string]float64)
	for b.Loop() {
		for range rounds {
			for _, a := range asks {
				total[a.name] += requestsPerSecond(b, exec.Command(wrk, append([]string{"-t1", "-c64", "-d1s"}, a.args...)...))
			}
		}
	}
	for _, a := range asks {
		b.ReportMetric(total[a.name]/float64(rounds*b.N), a.name+"/s")
	}
	b.ReportMetric(total["GET"]/total["bare-GET"], "GET-of-bare-Echo")
	b.ReportMetric(total["POST"]/total["GET"], "POST-of-GET")
}

func writeAnswer(b *testing.B, file string, header http.Header, body []byte) {
	b.Helper()
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	resp := http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: header, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
	if err := resp.Write(f); err != nil {
		b.Fatal(err)
	}
}

// startServer starts a process whose standard error is a file, until the benchmark
// ends, and returns the address that it says to listen on.
func startServer(b *testing.B, cmd *exec.Cmd, log, says string) (addr string) {
	b.Helper()
	f, err := os.Create(log)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	cmd.Stderr = f
	return fixture.Server(b, cmd, says)
}

var wrkRate = regexp.MustCompile(`(?m)^Requests/sec:\s+([0-9.]+)$`)

func requestsPerSecond(b *testing.B, wrk *exec.Cmd) float64 {
	b.Helper()
	out, err := wrk.CombinedOutput()
	m := wrkRate.FindSubmatch(out)
	if err != nil || m == nil || bytes.Contains(out, []byte("Non-2xx")) || bytes.Contains(out, []byte("Socket errors")) {
		b.Fatalf("wrk: %v\n%s", err, out)
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
