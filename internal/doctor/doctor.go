// Package doctor says what each mail program would find for an address, why some find
// nothing, and which line to put where. It is pure: it knows no socket and no clock.
//
// What flows where:
//
//	clients.go       what each program asks, in its order, and what it accepts: data
//	step_*.go        one step followed: which Questions, Requests and Endpoints it needs, and what their
//	                 answers come to under the program's rules
//	judge.go         all steps of all programs → a verdict each
//	findings.go      what was in a program's way → findings, those that hit most people first
//	report.go        the answer; text.go, json.go, html.go and junit.go write it
//
// [Judge] is given what has been seen so far and returns a report, and what it would
// have to see beside that. So the descriptions of the programs are the only place that
// knows what is asked: package observe asks what Judge wants, hands it back, and does so
// until nothing is wanted or the time is over. What several programs ask is asked once,
// for equal asks are equal values. All steps of a program are followed at once, although
// it would have stopped at an earlier one: only so can the report say what would be
// found otherwise.
//
//	observe.Run ─► Judge(asked, observations) ─► wants ─► World ─► observations ─► Judge … ─► Report
//
// A local part is only ever put into a Request, never into a report: usernames stay
// templates, and URLs are told without their query.
package doctor

import (
	"milepost/address"
	"milepost/autodiscover"
	"milepost/settings"
)

// Asked is what a diagnosis is about. Without a local part, programs are taken to ask
// for postmaster, which every domain has (RFC 5321 §4.5.1).
type Asked struct {
	Address   address.Address
	Catalogue *settings.Provider // whose servers should be found; nil: that is not compared
}

// address returns the address that programs ask about.
func (a Asked) address() address.Address {
	if a.Address.Local == "" {
		a.Address.Local = "postmaster"
	}
	return a.Address
}

// OutlookRequest is what Outlook sends.
func (a Asked) OutlookRequest() []byte { return autodiscover.RenderRequest(a.address()) }

func (a Asked) domain() string { return a.Address.Domain.ASCII }

// Want is something that must be seen: a [Question], a [Request] or an [Endpoint].
type Want interface{ String() string }
