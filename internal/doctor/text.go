package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
)

// JSON writes a report for programs.
func (r Report) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(r)
	return b.Bytes(), err
}

// Text writes a report for people: the table, then what to do, the most useful first.
func (r Report) Text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: grade %s, %s\n", r.Domain, r.Grade, r.Because)
	if r.DNSSEC != "" {
		fmt.Fprintln(&b, r.DNSSEC)
	}
	b.WriteByte('\n')
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range r.Clients {
		found := make([]string, len(c.Found))
		for i, s := range c.Found {
			found[i] = fmt.Sprintf("%s %s:%d %s", s.Protocol, s.Hostname, s.Port, s.SocketType)
		}
		because := ""
		for i, id := range c.Because {
			if i > 0 {
				because += ", "
			}
			because += string(id)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Name, c.Verdict, strings.Join(found, ", "), because)
	}
	w.Flush()
	lines := strings.Split(b.String(), "\n")
	b.Reset()
	for i, line := range lines {
		b.WriteString(strings.TrimRight(line, " "))
		if i < len(lines)-1 {
			b.WriteByte('\n')
		}
	}
	for i, f := range r.Findings {
		fmt.Fprintf(&b, "\n%d. %s: %s\n", i+1, f.Severity, f.ID)
		for _, part := range []struct{ head, text string }{{"seen", f.Seen}, {"why", f.Why}, {"fix", f.Fix}} {
			for n, line := range strings.Split(part.text, "\n") {
				head := part.head
				if n > 0 {
					head = ""
				}
				fmt.Fprintf(&b, "   %-5s %s\n", head, line)
			}
		}
	}
	return b.Bytes()
}
