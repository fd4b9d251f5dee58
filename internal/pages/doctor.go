package pages

import (
	"fmt"
	"strings"

	"milepost/address"
	"milepost/internal/doctor"
)

// DoctorState is why a domain's report is not there.
type DoctorState string

const (
	DoctorAsks    DoctorState = ""        // nothing has been asked for yet
	DoctorInvalid DoctorState = "invalid" // what was typed is no domain that can be examined
	DoctorNone    DoctorState = "none"    // it has not been examined, or that is long ago
	DoctorBusy    DoctorState = "busy"    // too many are
	DoctorLimited DoctorState = "limited" // the reader has had his share
)

// askDoctorPage is the model of the page that asks what to examine.
type askDoctorPage struct {
	State  DoctorState
	Domain string
}

// AskDoctor asks for a domain, or says why there is no report. The domain stands in the
// field; zero: nothing does.
func (s *Site) AskDoctor(r Reader, d address.Domain, state DoctorState) ([]byte, error) {
	v := s.view(r, "/doctor", "")
	v.Heading = v.T("doctor-title")
	v.Description = v.T("doctor-lead")
	v.NoIndex = state != DoctorAsks || !d.IsZero()
	v.Typed = d.Unicode
	if state == DoctorInvalid {
		v.Mistake = v.T("doctor-invalid")
	}
	return s.render(pageAskDoctor, v, askDoctorPage{state, d.Unicode})
}

// doctorPage is the model of a diagnosis.
type doctorPage struct {
	Domain      address.Domain
	Report      *doctor.Report // nil: it is under way
	At          string         // when it was made, for people
	Done, Known int
}

// refreshEvery is after how many seconds a page without script looks again.
const refreshEvery = 3

// DoctorRuns shows how far the diagnosis of a domain is, and goes on to its result.
func (s *Site) DoctorRuns(r Reader, d address.Domain, done, known int) ([]byte, error) {
	v := s.view(r, "/doctor/"+d.ASCII, "")
	v.Heading = v.T("doctor-running-title", "domain", d.Unicode)
	v.NoIndex = true
	v.Refresh = refreshEvery
	return s.render(pageDoctor, v, doctorPage{Domain: d, Done: done, Known: max(known, 1)})
}

// DoctorProgress says in words how far a diagnosis is.
func (s *Site) DoctorProgress(r Reader, done, known int) string {
	return s.view(r, "", "").T("doctor-progress", "done", done, "known", known)
}

// Doctor shows a report. At is when it was made.
func (s *Site) Doctor(r Reader, d address.Domain, report *doctor.Report, at string) ([]byte, error) {
	v := s.view(r, "/doctor/"+d.ASCII, "")
	v.Heading = v.T("doctor-grade", "domain", d.Unicode, "grade", report.Grade)
	v.NoIndex = true
	return s.render(pageDoctor, v, doctorPage{Domain: d, Report: report, At: at})
}

// DoctorURL is the path at which the page's domain can be examined; empty: it cannot.
func (v *view) DoctorURL() string {
	var d address.Domain
	switch m := v.Model.(type) {
	case answerPage:
		d = m.Address.Domain
	case *unknownPage:
		d = m.asked
	}
	if !v.Site.Examines || d.IsZero() {
		return ""
	}
	return "/doctor?domain=" + d.ASCII
}

// DoctorDomain is that domain, for people.
func (v *view) DoctorDomain() string {
	switch m := v.Model.(type) {
	case answerPage:
		return m.Address.Domain.Unicode
	case *unknownPage:
		return m.asked.Unicode
	}
	return ""
}

// EventsURL is where the progress of a diagnosis is told.
func (p doctorPage) EventsURL() string { return "/doctor/" + p.Domain.ASCII + "/events" }

// Verdict is a verdict in the reader's language.
func (v *view) Verdict(verdict doctor.Verdict) string {
	switch verdict {
	case doctor.Works:
		return v.T("doctor-works")
	case doctor.Partly:
		return v.T("doctor-partly")
	}
	return v.T("doctor-fails")
}

// Severity is how bad a finding is, in the reader's language.
func (v *view) Severity(s doctor.Severity) string {
	switch s {
	case doctor.Error:
		return v.T("doctor-error")
	case doctor.Warning:
		return v.T("doctor-warning")
	}
	return v.T("doctor-note")
}

// FoundServer is a server in a line.
func (v *view) FoundServer(s doctor.Server) string {
	return v.ProtocolName(s.Protocol) + " " + string(s.Hostname) + ":" + fmt.Sprint(s.Port) + " " + v.Security(s.SocketType)
}

// Lines are those of a text.
func (v *view) Lines(s string) []string { return strings.Split(s, "\n") }
