package pages

import (
	"slices"

	"milepost/internal/answer"
	"milepost/internal/thunderbirdqr"
	"milepost/settings"
)

func thunderbird(g *guide) {
	g.prepare()
	g.p.Values = !g.byPage()
	g.say("thunderbird-1")
	g.say("thunderbird-2")
	if g.byPage() {
		g.say("thunderbird-4")
	} else {
		g.say("thunderbird-3")
	}
	g.signIn("thunderbird-password")
	if g.Provider.Password.Kind == settings.BridgePassword {
		g.say("thunderbird-bridge")
	}
	g.append("thunderbird-finish")
	g.calendars()
}

// thunderbirdAndroidOpens goes by hostname, as the program does.
func thunderbirdAndroidOpens(a answer.Answer) bool {
	return thunderbirdqr.OpensPage(a.Incoming) && thunderbirdqr.OpensPage(a.Outgoing)
}

// A code is for another screen than the telephone's own. Thunderbird's own scanner reads
// it; a telephone's camera program does not know what it is.
func thunderbirdAndroid(g *guide) {
	if c, ok := thunderbirdqr.Encode(g.Answer); ok && g.v.Reader.Device != Android {
		if image, ok := codeImage(c.Text); ok {
			g.p.SignIn = c.SignIn
			g.prepare()
			g.say("android-code-1")
			g.say("android-code-2")
			g.p.Steps[1].Code = &code{image, g.v.T("android-code-alt")}
			g.say("android-code-3")
			g.signIn("step-password")
			return
		}
	}
	g.prepare()
	g.p.Values = !g.byPage()
	g.say("android-thunderbird-1")
	g.say("android-thunderbird-2")
	if g.byPage() {
		g.say("step-oauth2")
		return
	}
	if g.Incoming.Protocol == settings.POP3 { // the program takes IMAP by itself
		g.say("android-thunderbird-pop")
	} else {
		g.say("android-thunderbird-3")
	}
	g.signIn("step-password")
}

// Only the dialogue in Windows' Control Panel has fields for usernames: what File › Add
// Account opens signs in with the whole address.
func outlookClassic(g *guide) {
	if g.byPage() {
		if !opening(microsoft)(g.Answer) { // whose own protocol needs nothing switched on
			g.prepare()
		}
		g.say("outlook-classic-1")
		g.say("outlook-classic-self")
		g.say("step-oauth2")
		return
	}
	g.prepare()
	g.p.Values = true
	if g.signsInByAddress(g.Incoming) && g.signsInByAddress(g.Outgoing) {
		g.say("outlook-classic-1")
		g.say("outlook-classic-2")
		g.say("outlook-classic-3")
		g.signIn("outlook-classic-4")
		return
	}
	g.say("outlook-panel-1")
	g.say("outlook-panel-2")
	g.say("outlook-panel-3")
	g.say("outlook-panel-4")
	if g.SendingSignIn() == answer.ByPassword {
		g.say("outlook-panel-send")
	}
	g.say("outlook-panel-5")
}

// signsInByAddress tells whether a server's username is the whole address.
func (g *guide) signsInByAddress(s settings.Server) bool {
	return s.Username == settings.EmailAddress || s.Username == settings.Login && g.Login == g.Address.String()
}

// cloudOutlook are the steps of every Outlook that has Microsoft's servers fetch the mail.
func (g *guide) cloudOutlook(start, kind, fields string) {
	if g.byPage() {
		own := opening(microsoft)(g.Answer)
		if !own {
			g.prepare()
		}
		g.say(start)
		g.say("outlook-new-2")
		g.say("step-oauth2")
		if !own {
			g.say("outlook-sync")
		}
		return
	}
	g.prepare()
	g.p.Values = true
	g.say(start)
	g.say("outlook-new-2")
	g.say(kind)
	g.say(fields)
	g.say("outlook-sync")
}

func outlookNew(g *guide) { g.cloudOutlook("outlook-new-1", "outlook-new-3", "outlook-new-4") }
func outlookMac(g *guide) { g.cloudOutlook("outlook-mac-1", "outlook-new-3", "outlook-mac-4") }

// It has no POP.
func outlookMobile(g *guide) {
	if g.Incoming.Protocol == settings.POP3 {
		if slices.Contains(g.Choices, settings.IMAP) {
			g.refuse("refused-pop")
		} else {
			g.refuse("refused-imap")
		}
		return
	}
	g.cloudOutlook("outlook-mobile-1", "outlook-new-3", "outlook-mobile-4")
}

// apple has the messages in which Apple's two programs differ.
type apple struct{ iCloud, list, save, download, open, install, other string }

func appleMobile(g *guide) {
	g.apple(apple{"apple-icloud-mobile", "apple-list-mobile", "apple-save", "apple-profile-1", "apple-profile-2", "apple-profile-3", "apple-other-mobile"})
}

func appleMac(g *guide) {
	g.apple(apple{"apple-icloud-mac", "apple-list-mac", "apple-done", "apple-mac-1", "apple-mac-2", "apple-mac-3", "apple-other-mac"})
}

func (g *guide) apple(m apple) {
	switch {
	case g.Provider.AppleName == "iCloud" && g.byPage():
		g.say(m.iCloud)
	case g.byPage():
		g.say(m.list)
		g.say("apple-choose", "name", g.Provider.AppleName)
		g.say("step-oauth2")
		g.say(m.save)
	case g.Profile != "":
		g.profile(m.download)
		g.say(m.open)
		g.say(m.install)
		g.unsigned()
		g.signIn("apple-profile-4")
		g.calendarsBesideProfile()
	default:
		g.prepare()
		g.p.Values = true
		g.say(m.list)
		g.say(m.other)
		g.say("apple-values")
		g.sending()
		g.calendars()
	}
}

// profile is the button and, where the page may be read on another device than the iPhone,
// a code that opens the profile there. A code must name the whole URL, and a request's
// Host may say anything: without a public URL there is none.
func (g *guide) profile(download string) {
	g.prepare()
	s := step{Text: g.text(download), More: g.text("apple-profile"), Button: &button{URL: g.Profile, Label: g.v.T("apple-button")}}
	if public := g.v.Site.publicURL; g.client.id == "apple-mobile" && public != "" && g.v.Reader.Device != IPhone {
		if image, ok := codeImage(public + g.Profile); ok {
			s.Text, s.Code = g.text("apple-code"), &code{image, g.v.T("apple-code-alt")}
			if d := g.v.Reader.Device; d != "" && d != Mac { // which an iPad says it is
				s.Button = nil
			}
		}
	}
	g.p.First = append(g.p.First, s)
}

func (g *guide) unsigned() {
	if !g.ProfileSigned {
		g.p.Steps[len(g.p.Steps)-1].More = g.text("apple-unsigned")
	}
}

func gmailApp(g *guide) {
	if g.byPage() {
		g.say("android-gmail-1")
		g.say("apple-choose", "name", g.Provider.GoogleName)
		g.say("step-oauth2")
		return
	}
	g.prepare()
	g.p.Values = true
	g.say("android-gmail-1")
	g.say("android-gmail-2")
	g.say("android-gmail-3")
	g.sending()
}

func samsung(g *guide) {
	g.prepare()
	g.say("samsung-1")
	if g.byPage() {
		g.say("samsung-list")
		g.say("step-oauth2")
		return
	}
	g.p.Values = true
	g.say("samsung-2")
	g.say("samsung-3")
	g.sending()
}

func fairEmail(g *guide) {
	g.prepare()
	switch {
	case g.byPage():
		g.say("fairemail-1")
		g.say("fairemail-oauth", "name", fairEmailName(g.Answer))
		g.say("step-oauth2")
	case g.Incoming.Protocol == settings.POP3: // what FairEmail finds by itself is IMAP
		g.p.Values = true
		g.say("fairemail-1")
		g.say("fairemail-pop-2")
		g.say("fairemail-pop-3")
	default:
		g.p.Values = true
		g.say("fairemail-1")
		g.say("fairemail-2")
		g.say("fairemail-3")
	}
}

// fairEmailName is what a provider is called in FairEmail's list, in every language
// (its providers.xml).
func fairEmailName(a answer.Answer) string {
	switch {
	case a.Provider.OAuth2.Issuer == google:
		return "Gmail"
	case a.Provider.OAuth2.Issuer == yahoo:
		return "Yahoo/AT&T"
	case a.Outgoing.Hostname == "smtp-mail.outlook.com":
		return "Outlook/Hotmail/Live"
	}
	return "Outlook/Office 365"
}

func kmail(g *guide) {
	g.prepare()
	g.p.Values = true
	g.say("kmail-1")
	if g.p.SignIn == answer.ByPassword {
		g.say("kmail-2")
	} else {
		g.say("kmail-page")
	}
	g.say("kmail-3")
	if g.byPage() {
		g.append("kmail-oauth")
	}
	g.say("kmail-4")
	if g.byPage() {
		g.append("step-oauth2")
	}
	g.calendars()
}

// evolutionNames are how Evolution lists the sign-in pages, in every language (Camel).
var evolutionNames = map[string]string{google: "OAuth2 (Google)", microsoft: "OAuth2 (Outlook)", yahoo: "OAuth2 (Yahoo!)"}

// Without Evolution's own look-up, which leaves screens out when it finds something.
func evolution(g *guide) {
	g.prepare()
	g.p.Values = true
	g.say("evolution-1")
	g.say("evolution-2")
	byPage := func() {
		if g.byPage() {
			g.append("evolution-oauth", "name", evolutionNames[g.Provider.OAuth2.Issuer])
		}
	}
	g.say("evolution-3")
	byPage()
	g.append("evolution-next")
	g.say("evolution-4")
	if g.SendingSignIn() != answer.ByNothing {
		g.append("evolution-send")
	}
	byPage()
	g.say("evolution-5")
	g.signIn("step-password")
	g.calendars()
}

func otherClient(g *guide) {
	g.prepare()
	g.p.Values = true
	g.say("other-1")
	g.say("other-2")
	g.say("other-3")
	switch g.p.SignIn {
	case answer.ByOAuth2:
		g.say("other-oauth2")
		g.append("step-oauth2")
	case answer.ByPassword:
		g.say("step-password")
		g.sending()
	}
	if g.Incoming.SocketType == settings.SSL || g.Outgoing.SocketType == settings.SSL {
		g.say("other-4")
	}
}
