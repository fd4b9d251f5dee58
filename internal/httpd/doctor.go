package httpd

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"milepost/address"
	"milepost/internal/answer"
	"milepost/internal/pages"
	"milepost/internal/query"
	"milepost/internal/webdoctor"
)

const (
	// diagnosisEvery is how often one client may have a domain examined, in the long run,
	// and diagnosesAtOnce how many after a pause.
	diagnosisEvery  = 20 * time.Second
	diagnosesAtOnce = 4
	// maxWatching is how many requests may wait for a diagnosis to go on; others are told
	// to come back.
	maxWatching = 64
	// tellEvery is how often progress is told.
	tellEvery = 300 * time.Millisecond
	// waitsFor is how long a request may wait for a diagnosis: longer than any takes.
	waitsFor = 30 * time.Second
	// maxTypedBody is longer than an address in a form.
	maxTypedBody = 4 << 10 // octets
)

// doctorPages are the pages of the doctor, whose errors are pages too.
var doctorPages = map[string]func(*exchange) error{
	"/doctor":         askDoctor,
	"/doctor/:domain": diagnosis,
}

// doctorRoutes are there always; whether they answer is the snapshot's to say.
func (s *server) doctorRoutes(e *echo.Echo) {
	get := []string{http.MethodGet, http.MethodHead}
	open := func(answer func(*exchange) error) echo.HandlerFunc {
		return func(c echo.Context) error {
			x := c.(*exchange)
			if !x.examines() {
				return echo.ErrNotFound
			}
			if to, ok := overHTTPS(x); ok {
				return x.Redirect(http.StatusFound, to)
			}
			return answer(x)
		}
	}
	for path, answer := range doctorPages {
		e.Match(get, path, open(answer))
	}
	e.POST("/doctor", open(examine))
	e.GET("/doctor/:domain/events", open(events))
}

func (x *exchange) examines() bool { return x.snapshot.Config.Doctor.Web && x.server.Doctor != nil }

// begin has a domain examined.
func (x *exchange) begin(d address.Domain) (*webdoctor.Diagnosis, webdoctor.Refusal) {
	return x.server.Doctor.Begin(d, func() bool { return x.server.limits.mayDiagnose(x.client, x.server.Now()) })
}

// askDoctor is the form; a link to it may have a domain in it.
func askDoctor(x *exchange) error {
	named, _ := query.Get(x.Request().URL.RawQuery, "domain")
	d, err := examinable("emailaddress=" + named)
	if err != nil {
		d = address.Domain{}
	}
	return askingDoctor(x, http.StatusOK, d, pages.DoctorAsks)
}

func askingDoctor(x *exchange, status int, d address.Domain, state pages.DoctorState) error {
	body, err := x.snapshot.Site.AskDoctor(reader(x), d, state)
	return page(x, status, cacheNever, body, err)
}

// sameSite refuses what another site's page sends in its reader's name.
var sameSite = http.NewCrossOriginProtection()

// examine begins a diagnosis, and leads to it.
func examine(x *exchange) error {
	if sameSite.Check(x.Request()) != nil {
		return echo.NewHTTPError(http.StatusForbidden, "another site's page may not have domains examined")
	}
	body, err := io.ReadAll(http.MaxBytesReader(x.Response(), x.Request().Body, maxTypedBody))
	if err != nil {
		return echo.NewHTTPError(http.StatusRequestEntityTooLarge, fmt.Sprintf("a request has %d octets at most", maxTypedBody))
	}
	d, err := examinable(string(body))
	if err != nil {
		return askingDoctor(x, http.StatusBadRequest, address.Domain{}, pages.DoctorInvalid)
	}
	x.domain = d.ASCII
	switch _, refusal := x.begin(d); refusal {
	case webdoctor.Busy:
		x.Response().Header().Set(echo.HeaderRetryAfter, "20")
		return askingDoctor(x, http.StatusServiceUnavailable, d, pages.DoctorBusy)
	case webdoctor.TooOften:
		x.Response().Header().Set(echo.HeaderRetryAfter, "20")
		return askingDoctor(x, http.StatusTooManyRequests, d, pages.DoctorLimited)
	}
	to := "/doctor/" + d.ASCII
	if r := reader(x); r.Chosen {
		to += "?lang=" + r.Lang
	}
	x.Response().Header().Set(echo.HeaderCacheControl, cacheNever)
	return x.Redirect(http.StatusSeeOther, to)
}

// examinable is the domain of what was typed, as a form sends it. The local part ends here.
func examinable(form string) (address.Domain, error) {
	request, err := answer.ParseRequest(form)
	if err != nil {
		return address.Domain{}, err
	}
	if d := request.Address.Domain; webdoctor.May(d) {
		return d, nil
	}
	return address.Domain{}, fmt.Errorf("%s is no domain of the Internet", request.Address.Domain.ASCII)
}

// named is the domain in the path.
func named(x *exchange) (address.Domain, error) {
	d, err := address.ParseDomain(x.Param("domain"))
	if err != nil || !webdoctor.May(d) {
		return d, echo.ErrNotFound
	}
	x.domain = d.ASCII
	return d, nil
}

// diagnosis shows a report, or how far it is. It begins nothing, whoever follows a link.
func diagnosis(x *exchange) error {
	d, err := named(x)
	if err != nil {
		return err
	}
	found := x.server.Doctor.Find(d)
	if found == nil {
		return askingDoctor(x, http.StatusNotFound, d, pages.DoctorNone)
	}
	if report, at := found.Report(); report != nil {
		body, err := x.snapshot.Site.Doctor(reader(x), d, report, at.UTC().Format("2006-01-02 15:04 UTC"))
		return page(x, http.StatusOK, cacheNever, body, err)
	}
	p := found.Progress()
	body, err := x.snapshot.Site.DoctorRuns(reader(x), d, p.Done, p.Known)
	return page(x, http.StatusOK, cacheNever, body, err)
}

// watching counts a request in that waits for a diagnosis; false: there are too many.
func (x *exchange) watching() (leave func(), ok bool) {
	if x.server.watching.Add(1) > maxWatching {
		x.server.watching.Add(-1)
		return nil, false
	}
	return func() { x.server.watching.Add(-1) }, true
}

// wait puts off the deadlines of the server, which are for short answers: the one for
// reading would end the request's context. What lies between it and over is not counted as
// the server's time.
func (x *exchange) wait() (over func()) {
	start := x.server.Now()
	to, until := http.NewResponseController(x.Response().Writer), time.Now().Add(waitsFor)
	_ = to.SetReadDeadline(until) // a connection that has none needs none
	_ = to.SetWriteDeadline(until)
	return func() { x.waited = x.server.Now().Sub(start) }
}

// events tells the progress of a diagnosis as server-sent events (HTML §9.2): "progress"
// as often as it goes on, and "done" at its end.
func events(x *exchange) error {
	d, err := named(x)
	if err != nil {
		return err
	}
	found := x.server.Doctor.Find(d)
	leave, ok := x.watching()
	if !ok || found == nil {
		if ok {
			leave()
		}
		return answerProgram(x, answer.StatusProblem(http.StatusServiceUnavailable, "look at the page again"))
	}
	defer leave()
	h := x.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy that collects answers would hold them back
	x.Response().WriteHeader(http.StatusOK)
	defer x.wait()()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	r, told := reader(x), webdoctor.Progress{Done: -1}
	for {
		if p := found.Progress(); p != told {
			told = p
			line, err := json.Marshal(map[string]any{"done": p.Done, "known": max(p.Known, 1), "said": x.snapshot.Site.DoctorProgress(r, p.Done, p.Known)})
			if err != nil {
				return err
			}
			if err := event(x, "progress", string(line)); err != nil {
				return nil // the client has left
			}
		}
		select {
		case <-found.Done():
			_ = event(x, "done", "{}")
			return nil
		case <-x.Request().Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

func event(x *exchange, name, line string) error {
	_, err := fmt.Fprintf(x.Response(), "event: %s\ndata: %s\n\n", name, line)
	if err == nil {
		err = http.NewResponseController(x.Response().Writer).Flush()
	}
	return err
}

// embedded tells whether a request comes from another site's page without its script asking:
// a picture, a frame or a link, which would use up the share of whoever reads the page.
func embedded(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "cors"
}

// apiDoctor answers with the report, when it is there.
func apiDoctor(x *exchange) error {
	if !x.examines() {
		return refusal(answer.StatusProblem(http.StatusNotFound, "visitors have no domains examined here"))
	}
	if embedded(x.Request()) {
		return refusal(answer.StatusProblem(http.StatusForbidden, "another site's page may not have domains examined in its reader's name"))
	}
	raw, _ := query.Get(x.Request().URL.RawQuery, "domain")
	d, err := address.ParseDomain(strings.TrimSpace(raw))
	if err != nil || !webdoctor.May(d) {
		return refusal(answer.StatusProblem(http.StatusBadRequest, "add ?domain=DOMAIN, one on the Internet; no address"))
	}
	x.domain = d.ASCII
	leave, ok := x.watching()
	if !ok {
		return x.comeBack(http.StatusServiceUnavailable, "too many wait for domains to be examined; ask again in 20 s")
	}
	defer leave()
	defer x.wait()()
	found, no := x.begin(d)
	switch no {
	case webdoctor.Busy:
		return x.comeBack(http.StatusServiceUnavailable, "several domains are being examined; ask again in 20 s")
	case webdoctor.TooOften:
		return x.comeBack(http.StatusTooManyRequests, "this client has had several domains examined; ask again in 20 s")
	}
	select {
	case <-found.Done():
	case <-x.Request().Context().Done():
		return nil
	}
	report, _ := found.Report()
	if report == nil {
		return x.comeBack(http.StatusServiceUnavailable, "the server stops")
	}
	body, err := report.JSON()
	if err != nil {
		return err
	}
	body, _ = x.encode(echo.MIMEApplicationJSON, "", body)
	return transient(x, http.StatusOK, echo.MIMEApplicationJSON, body)
}

// comeBack refuses for a while.
func (x *exchange) comeBack(status int, detail string) error {
	x.Response().Header().Set(echo.HeaderRetryAfter, "20")
	return refusal(answer.StatusProblem(status, detail))
}
