package doctor

import (
	"slices"

	"milepost/settings"
)

// Where documents are, as the programs write it.
const (
	hostHTTPS      = "https://autoconfig.{domain}/mail/config-v1.1.xml"
	hostHTTP       = "http://autoconfig.{domain}/mail/config-v1.1.xml"
	wellKnownHTTPS = "https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml"
	wellKnownHTTP  = "http://{domain}/.well-known/autoconfig/mail/config-v1.1.xml"

	ispdb     = "https://autoconfig.thunderbird.net/v1.1/"
	ispdbLive = "https://live.thunderbird.net/autoconfig/v1.1/"

	withAddress    = "?emailaddress={address}"
	withRawAddress = "?emailaddress={rawaddress}"
	asEvolution    = "?emailaddress=EVOLUTIONUSER%40{domain}&emailmd5={md5}"

	discoverRoot = "https://{domain}/autodiscover/autodiscover.xml"
	discoverHost = "https://autodiscover.{domain}/autodiscover/autodiscover.xml"
	discoverHTTP = "http://autodiscover.{domain}/autodiscover/autodiscover.xml"
	discoverJSON = "/autodiscover/autodiscover.json?Email={address}&Protocol=AutodiscoverV1&RedirectCount=1"
)

func documents(urls ...string) (steps []Step) {
	for _, u := range urls {
		steps = append(steps, Document{u})
	}
	return steps
}

func posts(urls ...string) (steps []Step) {
	for _, u := range urls {
		steps = append(steps, Outlook{"POST", u})
	}
	return steps
}

var (
	imapOrPOP = []settings.Protocol{settings.IMAP, settings.POP3}
	imapAlone = []settings.Protocol{settings.IMAP}

	anySocket       = settings.SocketTypes
	encryptedSocket = []settings.SocketType{settings.SSL, settings.STARTTLS}
	allPlaceholders = []string{settings.EmailAddress, settings.EmailLocalPart, settings.EmailDomain}
)

// guesses are the servers that most programs try which guess.
func guesses(incoming ...settings.Protocol) Group {
	var g Guess
	for _, p := range incoming {
		host := map[settings.Protocol]string{settings.IMAP: "imap.{domain}", settings.POP3: "pop.{domain}"}[p]
		for _, h := range []string{host, "mail.{domain}", "{domain}"} {
			for _, t := range encryptedSocket {
				g.Incoming = append(g.Incoming, Try{h, p, settings.DefaultPort(p, t), t})
			}
		}
	}
	for _, h := range []string{"smtp.{domain}", "mail.{domain}", "{domain}"} {
		for _, t := range encryptedSocket {
			g.Outgoing = append(g.Outgoing, Try{h, settings.SMTP, settings.DefaultPort(settings.SMTP, t), t})
		}
	}
	return Group{Steps: []Step{g}, Guesses: true}
}

// asLocalPart has guesses log in with the local part.
func asLocalPart(g Group) Group {
	for i, s := range g.Steps {
		if guess, ok := s.(Guess); ok {
			guess.LocalPart = true
			g.Steps[i] = guess
		}
	}
	return g
}

var followed = RedirectRules{Most: 10}

// Clients lists the programs. The facts are those of their source code and of runs on
// loopback; the sources are in docs/doctor.md.
func Clients() []Client {
	return slices.Concat(appleAndMicrosoft(), mozilla(), desktops(), phonesAndWeb(), terminals())
}

func appleAndMicrosoft() []Client {
	outlook := &AutodiscoverRules{Encryption: true, LoginName: true, Local: true, Redirects: 10}
	// The wizard of Outlook for Windows (KB 3211279), without what is Active Directory's
	// and Office 365's own.
	classic := Client{
		Name: "Outlook (classic)", Used: ByMost, Autodiscover: outlook, Redirects: followed, Incoming: imapOrPOP,
		Steps: []Group{{Steps: append(posts(discoverRoot, discoverHost), OutlookRedirect{discoverHTTP}, OutlookSRV{})}, guesses(settings.IMAP, settings.POP3)},
	}
	// Microsoft's AutoDetect service asks from its own machines for these, and they need not
	// take what it finds for IMAP.
	cloud := func(name string) Client {
		return Client{
			Name: name, Used: ByMost, Autodiscover: outlook, Redirects: followed, Incoming: imapAlone,
			Steps: []Group{{Steps: []Step{
				OutlookJSON{"https://autodiscover.{domain}" + discoverJSON}, OutlookJSON{"https://{domain}" + discoverJSON},
				Outlook{"POST", discoverHost}, Outlook{"POST", discoverRoot},
			}}, guesses(settings.IMAP)},
		}
	}
	apple := Client{
		Name: "Apple Mail", Used: ByMost, Redirects: followed, Incoming: imapOrPOP,
		Steps: []Group{{Steps: []Step{PACC{}, Profile{[]string{
			"https://autoconfig.{domain}/mobileconfig?emailaddress={address}",
			"https://autoconfig.{domain}/email.mobileconfig?email={address}",
			"https://autodiscover.{domain}/email.mobileconfig?email={address}",
			"https://{domain}/.well-known/mobileconfig",
		}}}}, guesses(settings.IMAP)},
	}
	return []Client{apple, classic, cloud("Outlook (new)"), cloud("Outlook (mobile)"), {
		Name: "eM Client", Used: ByMany, Autodiscover: outlook, Redirects: followed, Incoming: imapOrPOP,
		Steps: []Group{{Steps: append([]Step{OutlookSRV{}}, posts(discoverRoot, discoverHost)...)}, guesses(settings.IMAP, settings.POP3)},
	}}
}

func mozilla() []Client {
	methods := []string{"password-cleartext", "password-encrypted", "plain", "secure", "NTLM", "GSSAPI"}
	mxSteps := documents("https://autoconfig.{mxfull}/mail/config-v1.1.xml"+withAddress, ispdbLive+"{mxfull}",
		"https://autoconfig.{mxbase}/mail/config-v1.1.xml"+withAddress, ispdbLive+"{mxbase}")
	thunderbird := Client{
		Name: "Thunderbird", Used: ByMany, Redirects: followed, Incoming: imapOrPOP, Spoilt401: true, Login: LoginRules{Reads: true},
		Autoconfig: &AutoconfigRules{XMLType: true, BOM: true, Latin1: true, Domain: true, Outgoing: First, Entities: true, SectionAttributes: true,
			SocketTypes: anySocket, Methods: methods, OAuth2: oauth2Desktop, Undefined: true, Placeholders: allPlaceholders, Hostnames: true},
		Autodiscover: &AutodiscoverRules{XMLType: true, Port: true, LoginName: true, OnOff: true, Redirects: 2},
		Steps: []Group{
			{Steps: documents(hostHTTPS+withAddress, wellKnownHTTPS+withAddress, hostHTTP+withAddress, wellKnownHTTP+withAddress), Ends: OnSuccess},
			{Steps: documents(ispdbLive + "{domain}")},
			{Steps: mxSteps},
			{Steps: append(posts(discoverHost, discoverRoot), OutlookRedirect{discoverHTTP}, OutlookSRV{LowestWeight})},
			asLocalPart(guesses(settings.IMAP, settings.POP3)),
		},
	}
	android := &AutoconfigRules{Latin1: false, Domain: true, Attributes: true, Strict: true, Leaf: Last, Entities: true, SectionAttributes: true,
		SocketTypes: encryptedSocket, Methods: []string{"password-cleartext", "password-encrypted"}, OAuth2: oauth2Android, Username: true, Placeholders: allPlaceholders, Hostnames: true}
	onAndroid := func(name string) Client {
		return Client{
			Name: name, Used: ByMany, Autoconfig: android, Redirects: RedirectRules{Most: 10, Distrusts: true}, Incoming: imapAlone, Login: LoginRules{Reads: true},
			Steps: []Group{
				{Steps: documents(hostHTTPS, wellKnownHTTPS, hostHTTP, wellKnownHTTP)},
				{Steps: documents(ispdb + "{domain}")},
				{Steps: documents("https://autoconfig.{mxfull}/mail/config-v1.1.xml", ispdb+"{mxfull}", "https://autoconfig.{mxbase}/mail/config-v1.1.xml", ispdb+"{mxbase}")},
			},
		}
	}
	return []Client{thunderbird, onAndroid("Thunderbird for Android"), onAndroid("K-9 Mail")}
}

// Where Thunderbird knows OAuth 2.0 (OAuth2Providers.sys.mjs), and its sister on Android.
var (
	oauth2Desktop = []string{"googlemail.com", "gmail.com", "imap.mail.ru", "smtp.mail.ru", "imap.yandex.com", "smtp.yandex.com", "yahoo.com", "att.net", "aol.com",
		"office365.com", "outlook.com", "hotmail.com", "imap.fastmail.com", "pop.fastmail.com", "smtp.fastmail.com", "imap.comcast.net", "pop.comcast.net", "smtp.comcast.net", "thundermail.com"}
	oauth2Android = []string{"imap.aol.com", "smtp.aol.com", "imap.fastmail.com", "smtp.fastmail.com", "imap.gmail.com", "smtp.gmail.com", "imap.googlemail.com", "smtp.googlemail.com",
		"outlook.office365.com", "smtp.office365.com", "smtp-mail.outlook.com", "imap.mail.yahoo.com", "smtp.mail.yahoo.com", "mail.tb.pro", "mail.thundermail.com"}
)

func desktops() []Client {
	evolution := &AutoconfigRules{Attributes: true, NameSpaces: true, Section: Last, Outgoing: Last, Leaf: Last, Entities: true,
		SocketTypes: encryptedSocket, Unknown: settings.Plain, Placeholders: allPlaceholders, Unfilled: WithoutLabel}
	kmail := &AutoconfigRules{Only200: true, BOM: true, Latin1: true, Attributes: true, Leaf: Last, Entities: true, SectionAttributes: true,
		SocketTypes: anySocket, Placeholders: allPlaceholders, Hostnames: true}
	geary := &AutoconfigRules{HostFirst: true, BOM: true, Latin1: true, Attributes: true, Entities: true, SectionAttributes: true,
		SocketTypes: encryptedSocket, Unknown: settings.Plain, Unfilled: AsItStands}
	return []Client{{
		Name: "Evolution", Used: BySome, Autoconfig: evolution, Redirects: followed, Incoming: imapOrPOP, Login: LoginRules{Reads: true},
		Steps: []Group{
			{Steps: documents(hostHTTPS+asEvolution, hostHTTP+asEvolution, wellKnownHTTPS+asEvolution, wellKnownHTTP+asEvolution, ispdb+"{domain}",
				"https://autoconfig.{mx}/mail/config-v1.1.xml"+asEvolution, "https://autoconfig.{mxfull}/mail/config-v1.1.xml"+asEvolution,
				"https://autoconfig.{mxbase}/mail/config-v1.1.xml"+asEvolution), Ends: OnWellFormed},
			{Steps: []Step{Lookup{Incoming: []Label{imaps, imap, pop3s, pop3}, Outgoing: []Label{submissions, submission}}}},
		},
	}, {
		Name: "KMail", Used: BySome, Autoconfig: kmail, Redirects: followed, Incoming: imapOrPOP, Login: LoginRules{Reads: true},
		Steps: []Group{{Steps: documents(ispdb+"{domain}", hostHTTP, wellKnownHTTP), Ends: OnSuccess}},
	}, {
		Name: "Geary", Used: BySome, Autoconfig: geary, Redirects: followed, Incoming: imapAlone,
		Steps: []Group{{Steps: documents(hostHTTPS, ispdb+"{domain}")}},
	}}
}

func phonesAndWeb() []Client {
	delta := &AutoconfigRules{BOM: true, Latin1: true, Attributes: true, FoldsCase: true, Spaces: true, Leaf: Last, SectionAttributes: true,
		SocketTypes: anySocket, Unknown: settings.SSL, Username: true, Placeholders: allPlaceholders, Hostnames: true}
	fairEmail := &AutoconfigRules{BOM: true, Latin1: true, Only200: true, Attributes: true, Section: Last, Outgoing: Last, Leaf: Last, Entities: true, SectionAttributes: true,
		SocketTypes: encryptedSocket, Unknown: settings.SSL, ExactUsernames: []string{settings.EmailAddress, settings.EmailLocalPart}}
	nextcloud := &AutoconfigRules{BOM: true, Latin1: true, Attributes: true, Entities: true, SectionAttributes: true,
		SocketTypes: encryptedSocket, Unknown: settings.Plain, Placeholders: []string{settings.EmailAddress}}
	return []Client{{
		Name: "Delta Chat", Used: ByMany, Autoconfig: delta, Incoming: imapAlone,
		Autodiscover: &AutodiscoverRules{Port: true, Redirects: 10},
		Redirects:    RedirectRules{Most: 10, Absolute: true},
		Steps: []Group{
			{Steps: append(documents(hostHTTPS+withAddress, wellKnownHTTPS, hostHTTP+withAddress), Outlook{"GET", discoverRoot}, Outlook{"GET", discoverHost}, Document{ispdb + "{domain}"}), Ends: OnWellFormed, Whole: true},
			guesses(settings.IMAP),
		},
	}, {
		Name: "FairEmail", Used: ByMany, Autoconfig: fairEmail, Redirects: followed, Incoming: imapAlone,
		Steps: []Group{
			{Steps: []Step{Lookup{Incoming: []Label{imaps, {"_imap", settings.IMAP, settings.STARTTLS, 143, settings.SSL}},
				Outgoing: []Label{{"_submission", settings.SMTP, settings.STARTTLS, 587, settings.SSL}, submissions}}}},
			{Steps: documents(hostHTTPS+withRawAddress, wellKnownHTTPS+withRawAddress, ispdb+"{domain}")},
		},
	}, {
		Name: "Nextcloud Mail", Used: BySome, Autoconfig: nextcloud, Redirects: followed, Incoming: imapAlone,
		Steps: []Group{
			{Steps: documents(hostHTTPS+withRawAddress, wellKnownHTTPS+withRawAddress, ispdb+"{domain}", hostHTTP+withRawAddress, wellKnownHTTP+withRawAddress)},
			{Steps: documents("https://autoconfig.{mx}/mail/config-v1.1.xml"+withRawAddress, "https://autoconfig.{mxfull}/mail/config-v1.1.xml"+withRawAddress)},
			guesses(settings.IMAP),
		},
	}, {
		Name: "MyMail", Used: BySome, Redirects: followed, Incoming: imapAlone,
		Autodiscover: &AutodiscoverRules{Encryption: true, LoginName: true},
		Steps:        []Group{{Steps: []Step{Outlook{"GET", discoverRoot}, Outlook{"GET", discoverHost}}}, guesses(settings.IMAP)},
	}}
}

func terminals() []Client {
	aerc := &AutoconfigRules{BOM: true, Attributes: true, FoldsCase: true, Outgoing: Last, Leaf: Last, Entities: true, SectionAttributes: true,
		SocketTypes: anySocket, Unknown: settings.STARTTLS, Unfilled: AsItStands, ExactUsernames: []string{settings.EmailAddress}}
	himalaya := &AutoconfigRules{BOM: true, Attributes: true, Spaces: true, Entities: true, SectionAttributes: true,
		SocketTypes: anySocket, Placeholders: allPlaceholders, Hostnames: true}
	submissionAnyPort := Label{"_submission", settings.SMTP, settings.STARTTLS, 0, ""}
	return []Client{{
		Name: "aerc", Used: BySome, Autoconfig: aerc, Redirects: followed, Incoming: imapAlone,
		Steps: []Group{
			{Steps: []Step{Lookup{Incoming: []Label{imap, imaps}, Outgoing: []Label{submissionAnyPort, {"_smtps", settings.SMTP, settings.SSL, 0, ""}}, Picks: HighestWeight}}},
			{Steps: documents(hostHTTPS+withAddress, wellKnownHTTPS+withAddress), Ends: OnDocument},
			{Steps: documents(ispdb + "{domain}")},
			guesses(settings.IMAP),
		},
	}, {
		Name: "Himalaya", Used: BySome, Autoconfig: himalaya, Redirects: followed, Incoming: imapAlone,
		Steps: []Group{
			{Steps: append([]Step{PACC{}}, append(documents(hostHTTPS+withAddress, wellKnownHTTPS, hostHTTP+withAddress, wellKnownHTTP, ispdb+"{domain}"), MailConf{},
				Lookup{Incoming: []Label{imaps, imap}, Outgoing: []Label{submission}})...)},
		},
	}, {
		Name: "msmtp", Used: BySome,
		Steps: []Group{{Steps: []Step{Lookup{Outgoing: []Label{submissions, submission}, LocalPart: true}}}},
	}, {
		Name: "mpop", Used: BySome, OnlyReceives: true, Incoming: []settings.Protocol{settings.POP3},
		Steps: []Group{{Steps: []Step{Lookup{Incoming: []Label{pop3s, pop3}, LocalPart: true}}}},
	}}
}

// The service labels (RFC 6186 §3, RFC 8314 §5.1).
var (
	imaps       = Label{"_imaps", settings.IMAP, settings.SSL, 0, ""}
	imap        = Label{"_imap", settings.IMAP, settings.STARTTLS, 0, ""}
	pop3s       = Label{"_pop3s", settings.POP3, settings.SSL, 0, ""}
	pop3        = Label{"_pop3", settings.POP3, settings.STARTTLS, 0, ""}
	submissions = Label{"_submissions", settings.SMTP, settings.SSL, 0, ""}
	submission  = Label{"_submission", settings.SMTP, settings.STARTTLS, 0, ""}
)
