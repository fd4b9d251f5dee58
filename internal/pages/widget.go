package pages

import (
	"milepost/internal/answer"
	"milepost/settings"
)

// widgetPage is the model of the page that others put into theirs.
type widgetPage struct {
	Answer  *answer.Answer // nil: nothing was asked, or nothing is known
	Unknown *unknownPage
}

// Chosen are the servers that the answer recommends; there are none where no mail
// program gets in, or nothing is left.
func (p widgetPage) Chosen() []settings.Server {
	if p.Answer == nil || p.Answer.Provider.Closed || p.Answer.Provider.NoMailPrograms {
		return nil
	}
	return []settings.Server{p.Answer.Incoming, p.Answer.Outgoing}
}

// Free tells whether a server asks nobody who they are.
func (v *view) Free(s settings.Server) bool {
	return answer.SignInAt(s.Authentication) == answer.ByNothing
}

// AnswerURL is the path of the whole answer.
func (p widgetPage) AnswerURL() string { return "/setup?" + p.Answer.Request.Query() }

// Widget is a small page without script for an iframe of another site. It asks for an
// address.
func (s *Site) Widget(r Reader) ([]byte, error) {
	return s.widget(s.view(r, "/widget", ""), widgetPage{})
}

// WidgetAnswer has the recommended servers, and leads to the whole answer.
func (s *Site) WidgetAnswer(r Reader, a answer.Answer) ([]byte, error) {
	v := s.view(r, "/widget", a.Request.Query())
	v.Typed = a.Request.Typed
	return s.widget(v, widgetPage{Answer: &a})
}

// WidgetUnknown says that no provider is known, and which domains may have been meant.
func (s *Site) WidgetUnknown(r Reader, q answer.Request, l *List) ([]byte, error) {
	v := s.view(r, "/widget", q.Query())
	v.Typed = q.Typed
	return s.widget(v, widgetPage{Unknown: newUnknown("/widget", q, l)})
}

// WidgetMistyped asks again.
func (s *Site) WidgetMistyped(r Reader, q answer.Request) ([]byte, error) {
	v := s.view(r, "/widget", q.Query())
	v.Typed, v.Mistake = q.Typed, v.mistake(q)
	return s.widget(v, widgetPage{})
}

func (s *Site) widget(v *view, model widgetPage) ([]byte, error) {
	v.Heading = v.T("home-title")
	v.NoIndex = true
	v.Model = model
	return s.execute(pageWidget, "widget", v)
}
