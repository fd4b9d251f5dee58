package pages

import (
	"slices"
	"strings"

	"milepost/internal/answer"
	"milepost/settings"
)

// answerPage is the model of the page with an answer.
type answerPage struct {
	answer.Answer
	Procedure procedure
	Here      []clientLink  // of the device under which the procedure's client is listed
	Elsewhere []deviceLinks // all the others

	NoticeAbove, NoticeBelow bool // where the provider's notice stands, if no step has it
}

// deviceLinks are the clients of a kind of device.
type deviceLinks struct {
	Name    Device
	Clients []clientLink
}

// clientLink leads to the procedure of a client.
type clientLink struct {
	Name, URL string
	Current   bool
}

// Setup is the page with somebody's settings.
func (s *Site) Setup(r Reader, a answer.Answer) ([]byte, error) {
	query := a.Request.Query()
	if r.Client != "" {
		query += "&client=" + r.Client
	}
	v := s.view(r, "/setup", query)
	v.NoIndex = true
	v.Typed = a.Request.Typed
	v.Heading = v.T("answer-title", "address", a.Address.Unicode())
	page := answerPage{Answer: a}
	if !a.Provider.Closed && !a.Provider.NoMailPrograms {
		id, here := r.choose(a)
		page.Procedure, _ = v.procedure(id, a)
		page.Here = v.clientLinks(here, id, a)
		for _, d := range devices {
			if d.Device != here.Device {
				page.Elsewhere = append(page.Elsewhere, deviceLinks{d.Device, v.clientLinks(d, "", a)})
			}
		}
		if id != "other" {
			page.Elsewhere = append(page.Elsewhere, deviceLinks{Clients: v.clientLinks(device{clients: []string{"other"}}, "", a)})
		}
		if a.Provider.Notice != nil {
			kind := a.Provider.Password.Kind
			ours := kind == settings.AppPassword || kind == settings.BridgePassword // the step to get one has the notice
			page.NoticeAbove = !ours && page.Procedure.SignIn != answer.ByOAuth2
			page.NoticeBelow = !page.NoticeAbove && (!ours || page.Procedure.Refused != "")
		}
	}
	return s.render(pageAnswer, v, page)
}

func (v *view) clientLinks(d device, current string, a answer.Answer) []clientLink {
	links := make([]clientLink, len(d.clients))
	for i, id := range d.clients {
		c := clients[slices.IndexFunc(clients, func(c client) bool { return c.id == id })]
		name, _, _ := strings.Cut(v.clientName(c), " (") // the device stands above it
		links[i] = clientLink{name, v.Link("/setup?" + a.Request.Query() + "&client=" + id), id == current}
	}
	return links
}

// OtherChoices are the links to the same answer with another protocol for incoming mail. A
// page without an address has none.
func (v *view) OtherChoices() []clientLink {
	a, ok := v.Model.(answerPage)
	if !ok {
		return nil
	}
	var links []clientLink
	for _, protocol := range a.Choices {
		if protocol == a.Incoming.Protocol {
			continue
		}
		q := a.Request
		q.Protocol = protocol
		path := "/setup?" + q.Query()
		if v.Reader.Client != "" {
			path += "&client=" + v.Reader.Client
		}
		links = append(links, clientLink{Name: v.T("choose-protocol", "protocol", v.ProtocolName(protocol)), URL: v.Link(path)})
	}
	return links
}

// SendsFree tells whether the outgoing server asks nobody who he is, as those do that
// serve a provider's own network.
func (p answerPage) SendsFree() bool {
	return p.SendingSignIn() == answer.ByNothing && !p.OnThisComputer()
}

// Servers are all of the provider's servers, incoming first.
func (p answerPage) Servers() []settings.Server {
	return slices.Concat(p.Provider.Incoming, p.Provider.Outgoing)
}

// SignsIn tells whether the server asks who somebody is.
func (c card) SignsIn() bool { return answer.SignInAt(c.Server.Authentication) != answer.ByNothing }
