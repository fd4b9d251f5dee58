package observe

import (
	"context"
	"strings"
	"testing"
	"time"

	"milepost/internal/doctor"
	"milepost/internal/fixture"
)

// hostile answers everything, each time with as much as is read, and leads on.
type hostile struct{}

func (hostile) Resolve(_ context.Context, q doctor.Question) doctor.Answer { return doctor.Answer{} }

func (hostile) Fetch(_ context.Context, r doctor.Request, _ []byte) doctor.Exchange {
	body := "<clientConfig><emailProvider id=\"example.com\">" + strings.Repeat("<incomingServer type=\"imap\"><hostname>a</hostname></incomingServer>", 1900) + "</emailProvider></clientConfig>"
	return doctor.Exchange{Status: 200, ContentType: "text/xml", Body: []byte(body[:min(len(body), doctor.MaxBody)])}
}

func (hostile) Greet(context.Context, doctor.Endpoint) doctor.Greeting {
	return doctor.Greeting{Failure: doctor.TimedOut}
}

// BenchmarkHostile is what the judging costs when every document is as long as it may be.
func BenchmarkHostile(b *testing.B) {
	asked := doctor.Asked{Address: fixture.Address(b, "fred@example.com")}
	for b.Loop() {
		Run(context.Background(), hostile{}, asked, time.Minute, nil)
	}
}
