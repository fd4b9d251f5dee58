package pages

import (
	"slices"

	"milepost/internal/answer"
	"milepost/settings"
)

// clientPage is the model of the page of one client at one provider.
type clientPage struct {
	answer.Answer // without an address
	Procedure     procedure
	Provided      providerPage
}

// ProviderURL is the path of the provider's page.
func (p clientPage) ProviderURL() string { return "/providers/" + p.Provider.ID }

// NoticeAbove tells whether the provider's notice stands before the steps: it does unless
// there are none. One about the password is in the step that makes it, and beside the point
// where the client opens a page.
func (p clientPage) NoticeAbove() bool {
	kind := p.Provider.Password.Kind
	inStep := kind == settings.AppPassword || kind == settings.BridgePassword
	return p.Provider.Notice != nil && p.Procedure.Refused == "" && !inStep
}

// TroubleURL leads to the page for those for whom it does not work; empty: there is none.
func (p clientPage) TroubleURL() string { return p.Provided.TroubleURL() }

// anybody is the answer for whoever has a mailbox at the provider. False: no mail program
// gets in, or nothing is left.
func (e *Entry) anybody() (answer.Answer, bool) {
	if e.Closed || e.NoMailPrograms {
		return answer.Answer{}, false
	}
	a, err := answer.New(settings.Account{Provider: e.Provider}, answer.Request{})
	return a, err == nil
}

// Clients are the ids of the clients that can be used with the provider.
func (e *Entry) Clients() []string {
	a, ok := e.anybody()
	if !ok {
		return nil
	}
	var ids []string
	for _, c := range clients {
		if c.canUse(a) {
			ids = append(ids, c.id)
		}
	}
	return ids
}

// Client is the page with the procedure of one client for a provider. False: there is
// no such page.
func (s *Site) Client(r Reader, e *Entry, id string) (body []byte, ok bool, err error) {
	a, ok := e.anybody()
	i := slices.IndexFunc(clients, func(c client) bool { return c.id == id })
	if !ok || i < 0 {
		return nil, false, nil
	}
	v := s.view(r, "/providers/"+e.ID+"/"+id, "")
	page := clientPage{Answer: a, Provided: e.page()}
	page.Procedure = v.procedureOf(clients[i], a)
	v.NoIndex = !clients[i].canUse(a)
	v.Heading = v.T("client-title", "provider", e.DisplayName, "client", page.Procedure.Name)
	v.Description = v.Heading + ". " + v.inShort([]settings.Server{a.Incoming, a.Outgoing}) + "."
	body, err = s.render(pageClient, v, page)
	return body, true, err
}

// ClientLinks lead to the procedures of all clients that can be used.
func (p providerPage) ClientLinks(v *view) []clientLink {
	var links []clientLink
	for _, id := range p.clients {
		i := slices.IndexFunc(clients, func(c client) bool { return c.id == id })
		links = append(links, clientLink{Name: v.clientName(clients[i]), URL: v.Link("/providers/" + p.Provider.ID + "/" + id)})
	}
	return links
}
