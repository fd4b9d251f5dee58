// Package observe asks the world what the doctor wants to know: DNS, web servers and mail
// servers. It never sends a password, and names no recipient.
//
// Strangers' servers answer, so everything is bounded: what is read of an answer, how
// long one is waited for, how much is asked at a time and in all.
package observe

import (
	"context"
	"time"

	"milepost/internal/doctor"
)

// Budget is the longest that a diagnosis should take; what has not been answered by then
// is left out.
const Budget = 18 * time.Second

const atOnce = 128 // asks under way; some 120 are known from the start

// World is what can be asked. An answer that does not come is an observation too.
type World interface {
	Resolve(context.Context, doctor.Question) doctor.Answer
	Fetch(context.Context, doctor.Request, []byte) doctor.Exchange // with a body, or none
	Greet(context.Context, doctor.Endpoint) doctor.Greeting
}

// Progress is how far a diagnosis is.
type Progress struct {
	Asked        doctor.Want // what has just been answered
	Milliseconds int         // that it took
	Done, Known  int         // of the asks that are known so far
}

// Run asks what [doctor.Judge] wants until it wants nothing more, or the budget is used
// up. Progress is told of each answer, one after the other; nil: nobody is.
func Run(ctx context.Context, w World, asked doctor.Asked, budget time.Duration, progress func(Progress)) doctor.Report {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	type observed struct {
		want doctor.Want
		took int
		put  func(*doctor.Observations)
	}
	var (
		seen     = doctor.NewObservations()
		begun    = make(map[doctor.Want]bool)
		answers  = make(chan observed, 1024) // more than are ever begun, so nobody waits to leave
		slots    = make(chan struct{}, atOnce)
		underWay = 0
		body     = asked.OutlookRequest()
	)
	ask := func(want doctor.Want) {
		defer func() { <-slots }()
		start := time.Now()
		o := observed{want: want}
		switch want := want.(type) {
		case doctor.Question:
			a := w.Resolve(ctx, want)
			a.Milliseconds = milliseconds(start)
			o.put = func(s *doctor.Observations) { s.DNS[want] = a }
		case doctor.Request:
			var sent []byte
			if want.Method == "POST" {
				sent = body
			}
			x := w.Fetch(ctx, want, sent)
			x.Milliseconds = milliseconds(start)
			o.put = func(s *doctor.Observations) { s.Web[want] = x }
		case doctor.Endpoint:
			g := w.Greet(ctx, want)
			g.Milliseconds = milliseconds(start)
			o.put = func(s *doctor.Observations) { s.Mail[want] = g }
		}
		o.took = milliseconds(start)
		answers <- o
	}
	for {
		report, wants := doctor.Judge(asked, seen)
		if len(wants) == 0 {
			return report
		}
		if ctx.Err() != nil {
			for _, want := range wants {
				seen.NotAsked(want)
			}
			continue
		}
		for _, want := range wants {
			if !begun[want] {
				begun[want] = true
				underWay++
				go func() {
					slots <- struct{}{}
					ask(want)
				}()
			}
		}
		take := func(o observed) {
			o.put(seen)
			underWay--
			if progress != nil {
				progress(Progress{o.want, o.took, len(begun) - underWay, len(begun)})
			}
		}
		select {
		case o := <-answers:
			take(o)
			for len(answers) > 0 { // all that have come are judged at once
				take(<-answers)
			}
		case <-ctx.Done():
		}
	}
}

func milliseconds(since time.Time) int { return int(time.Since(since).Milliseconds()) }
