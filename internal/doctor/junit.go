package doctor

import (
	"encoding/xml"
	"fmt"
	"strings"
)

type junitSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Suite    junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
	Output   string      `xml:"system-out"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes a report as XML that CI servers read: a program is a test case, which fails
// unless the program works.
func (r Report) JUnit() ([]byte, error) {
	s := junitSuite{Name: "milepost doctor " + r.Domain, Tests: len(r.Clients), Output: string(r.Text())}
	for _, c := range r.Clients {
		one := junitCase{Class: r.Domain, Name: c.Name}
		if c.Verdict != Works {
			s.Failures++
			f := &junitFailure{Type: string(c.Verdict)}
			for _, finding := range r.Findings {
				for _, id := range c.Because {
					if finding.ID == id {
						f.Text += fmt.Sprintf("%s\n%s\n%s\n%s\n", id, finding.Seen, finding.Why, finding.Fix)
					}
				}
			}
			var because []string
			for _, id := range c.Because {
				because = append(because, string(id))
			}
			f.Message = strings.Join(because, ", ")
			one.Failure = f
		}
		s.Cases = append(s.Cases, one)
	}
	body, err := xml.MarshalIndent(junitSuites{Tests: s.Tests, Failures: s.Failures, Suite: s}, "", "  ")
	return append([]byte(xml.Header), append(body, '\n')...), err
}
