package answer

import (
	"bytes"
	"fmt"
	"slices"
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
	if !a.MXHost.IsZero() {
		fmt.Fprintf(&b, "\n%s\n", MXText(a))
	}
	if p.NoMailPrograms {
		fmt.Fprintln(&b, "\nIt opens to its own programs alone: there is no server for mail programs.")
	}
	for _, n := range p.Notices() {
		fmt.Fprintf(&b, "\n%s\n", settings.InLanguage(n.Text, "en").Value)
		if n.URL != "" {
			fmt.Fprintln(&b, n.URL)
		}
	}
	if p.Password.Kind != settings.AccountPassword {
		fmt.Fprintf(&b, "\npassword: %s %s\n", p.Password.Kind, p.Password.URL)
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	servers := slices.Concat(p.Incoming, p.Outgoing, p.Setup)
	if len(servers) > 0 {
		fmt.Fprintln(w, "\nPROTOCOL\tHOSTNAME\tPORT\tSOCKET TYPE\tAUTHENTICATION\tUSERNAME")
	}
	for _, protocol := range slices.Concat(settings.IncomingProtocols, settings.OutgoingProtocols, settings.SetupProtocols) {
		for _, s := range bestFirst(servers, protocol) {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", s.Protocol, s.Hostname, s.Port, s.SocketType,
				methods(s.Authentication), a.Username(s.Username))
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
	links = slices.DeleteFunc(links, func(link [2]string) bool { return link[1] == "" })
	if len(links) > 0 {
		fmt.Fprintln(w)
	}
	for _, link := range links {
		fmt.Fprintf(w, "%s\t%s\n", link[0], link[1])
	}
	w.Flush()
	return b.Bytes()
}

// MXText says whose settings an account has, if its provider was found by the MX host.
func MXText(a settings.Account) string {
	return fmt.Sprintf("mail of %s goes to %s, so these are the settings of %s", a.Address.Domain.Unicode, a.MXHost, a.Provider.ShortName)
}

// bestFirst returns the servers of a protocol, the recommended one first.
func bestFirst(servers []settings.Server, p settings.Protocol) []settings.Server {
	best, ok := settings.Best(servers, p)
	if !ok {
		return nil
	}
	others := slices.DeleteFunc(slices.Clone(servers), func(s settings.Server) bool { return s.Protocol != p || same(s, best) })
	return slices.Insert(others, 0, best)
}

func methods(list []settings.Authentication) string {
	return strings.Join(each(list, func(m settings.Authentication) string { return string(m) }), ", ")
}
