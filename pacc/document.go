package pacc

// The members as they are written: their order is that of the bytes, so it must not
// change.

type document struct {
	Protocols      protocols      `json:"protocols"`
	Authentication authentication `json:"authentication"` // optional, but Himalaya's reader demands it
	Info           about          `json:"info"`
}

type protocols struct {
	JMAP    *service `json:"jmap,omitempty"`
	IMAP    *server  `json:"imap,omitempty"`
	POP3    *server  `json:"pop3,omitempty"`
	SMTP    *server  `json:"smtp,omitempty"`   // submission, as revision -02 names it
	Submit  *server  `json:"submit,omitempty"` // the same since -03; each passes over the other
	CalDAV  *service `json:"caldav,omitempty"`
	CardDAV *service `json:"carddav,omitempty"`
	WebDAV  *service `json:"webdav,omitempty"`
}

type server struct {
	Host string `json:"host"`
}

type service struct {
	URL string `json:"url"`
}

type authentication struct {
	Password    bool         `json:"password"`
	OAuthPublic *oauthPublic `json:"oauth-public,omitempty"`
}

// oauthPublic is for programs that follow draft-ietf-mailmaint-oauth-public.
type oauthPublic struct {
	Issuer string `json:"issuer"`
}

type about struct {
	Provider provider `json:"provider"`
	Help     *help    `json:"help,omitempty"`
}

type provider struct {
	Name      string `json:"name"`
	ShortName string `json:"shortName,omitempty"`
}

type help struct {
	Documentation string `json:"documentation"`
}

// The most characters that a name may have.
const (
	maxName      = 60
	maxShortName = 20
)
