package pages

// helpSection explains one word.
type helpSection struct {
	ID    string   // its anchor; links in messages lead there
	Title string   // key of a message
	Texts []string // keys of messages, a paragraph each
}

var helpSections = []helpSection{
	{"servers", "help-servers", []string{"help-servers-1", "help-servers-2"}},
	{"imap", "help-imap", []string{"help-imap-1", "help-imap-2"}},
	{"pop", "help-pop", []string{"help-pop-1", "help-pop-2"}},
	{"smtp", "help-smtp", []string{"help-smtp-1"}},
	{"ssl-tls", "help-ssl", []string{"help-ssl-1"}},
	{"starttls", "help-starttls", []string{"help-starttls-1"}},
	{"unencrypted", "help-unencrypted", []string{"help-unencrypted-1"}},
	{"hostname", "help-hostname", []string{"help-hostname-1"}},
	{"port", "help-port", []string{"help-port-1"}},
	{"username", "help-username", []string{"help-username-1"}},
	{"app-password", "help-app-password", []string{"help-app-password-1"}},
	{"oauth2", "help-oauth2", []string{"help-oauth2-1"}},
	{"calendars", "help-calendars", []string{"help-calendars-1"}},
	{"profile", "help-profile", []string{"help-profile-1"}},
	{"trouble", "help-trouble", []string{"help-trouble-1", "help-trouble-2"}},
}
