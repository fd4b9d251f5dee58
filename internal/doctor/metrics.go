package doctor

import (
	"fmt"
	"strings"
)

// Metrics writes a report in Prometheus' text form. At is when it was made, in seconds
// since 1970. The values of its labels are closed lists, but for the domain.
func (r Report) Metrics(at int64) []byte {
	var b strings.Builder
	head := func(name, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %[1]s gauge\n", name, help) }
	head("milepost_doctor_client_works", "Whether a mail program sets an account up: 1 it does, 0.5 with a person's help, 0 not.")
	for _, c := range r.Clients {
		fmt.Fprintf(&b, "milepost_doctor_client_works{domain=%q,client=%q} %s\n", r.Domain, c.Name, map[Verdict]string{Works: "1", Partly: "0.5", Fails: "0"}[c.Verdict])
	}
	head("milepost_doctor_findings", "How many findings there are.")
	for _, s := range []Severity{Error, Warning, Note} {
		n := 0
		for _, f := range r.Findings {
			if f.Severity == s {
				n++
			}
		}
		fmt.Fprintf(&b, "milepost_doctor_findings{domain=%q,severity=%q} %d\n", r.Domain, s, n)
	}
	head("milepost_doctor_last_run_timestamp_seconds", "When the domain was examined.")
	fmt.Fprintf(&b, "milepost_doctor_last_run_timestamp_seconds{domain=%q} %d\n", r.Domain, at)
	return []byte(b.String())
}
