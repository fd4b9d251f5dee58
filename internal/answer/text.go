package answer

import (
	"bytes"
	"fmt"
	"strings"
	"text/tabwriter"

	"milepost/settings"
)

// Text is a table for people at a terminal: the server that a program should use first,
// the others after it.
func Text(a settings.Account) []byte {
	p := a.Provider
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s\n", a.Address.Unicode(), p.DisplayName)
	if p.Notice != nil {
		fmt.Fprintf(&b, "\n%s\n", settings.InLanguage(p.Notice.Text, "en").Value)
		if p.Notice.URL != "" {
			fmt.Fprintln(&b, p.Notice.URL)
		}
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nPROTOCOL\tHOSTNAME\tPORT\tSOCKET TYPE\tAUTHENTICATION\tUSERNAME")
	for _, list := range []struct {
		servers   []settings.Server
		protocols []settings.Protocol
	}{
		{p.Incoming, settings.IncomingProtocols},
		{p.Outgoing, settings.OutgoingProtocols},
		{p.Setup, settings.SetupProtocols},
	} {
		for _, protocol := range list.protocols {
			for _, s := range bestFirst(list.servers, protocol) {
				fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", s.Protocol, s.Hostname, s.Port, s.SocketType,
					methods(s.Authentication), a.Username(s.Username))
			}
		}
	}
	w.Flush()
	if len(p.Services) > 0 {
		fmt.Fprintln(w, "\nSERVICE\tURL\tAUTHENTICATION\tUSERNAME")
		for _, s := range p.Services {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Protocol, s.URL, methods(s.Authentication), a.Username(s.Username))
		}
		w.Flush()
	}
	links := [][2]string{{"webmail", string(p.Webmail)}, {"website", p.Website}}
	for _, d := range p.Documentation {
		name := settings.InLanguage(d.Descriptions, "en").Value
		if name == "" {
			name = "documentation"
		}
		links = append(links, [2]string{name, string(d.URL)})
	}
	links = append(links, [2]string{"source", p.Source})
	fmt.Fprintln(w)
	for _, link := range links {
		if link[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", link[0], link[1])
		}
	}
	w.Flush()
	return b.Bytes()
}

// bestFirst returns the servers of a protocol, the recommended one first.
func bestFirst(servers []settings.Server, p settings.Protocol) []settings.Server {
	best, ok := settings.Best(servers, p)
	if !ok {
		return nil
	}
	out := []settings.Server{best}
	skipped := false
	for _, s := range servers {
		switch {
		case s.Protocol != p:
		case !skipped && s.Hostname == best.Hostname && s.Port == best.Port && s.SocketType == best.SocketType:
			skipped = true
		default:
			out = append(out, s)
		}
	}
	return out
}

func methods(list []settings.Authentication) string {
	words := make([]string, len(list))
	for i, m := range list {
		words[i] = string(m)
	}
	return strings.Join(words, ", ")
}
