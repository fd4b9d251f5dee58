package doctor

import "milepost/settings"

// Client describes a mail program: what it asks in which order, and what it accepts.
type Client struct {
	Name  string
	Used  Used
	Steps []Group

	Autoconfig   *AutoconfigRules   // how it reads Mozilla's documents; nil: it does not
	Autodiscover *AutodiscoverRules // how it reads Microsoft's
	Redirects    RedirectRules
	Login        LoginRules

	// Spoilt401 says that after a 401 from any Autodiscover URL nothing is guessed: the
	// program asks for another password.
	Spoilt401 bool
	// Incoming are the protocols of which one must be found; nil: the program only sends.
	Incoming []settings.Protocol
	// OnlyReceives says that no outgoing server is looked for.
	OnlyReceives bool
}

// Used is how many people use a program: an order of magnitude to rank by, no count.
type Used int

const (
	ByMost Used = 30 // one of the few that come with a system or an office suite
	ByMany Used = 6
	BySome Used = 1
)

// Group is a number of steps that a program takes in their order, or begins at once and
// prefers in their order.
type Group struct {
	Steps []Step
	// Ends is what ends the search among them, found or not.
	Ends Ends
	// Whole says that then no later group is looked at either.
	Whole bool
	// Guesses says that what is found has been guessed: the person must confirm it.
	Guesses bool
}

// Ends is what a program takes for an answer.
type Ends int

const (
	OnSettings   Ends = iota // settings that it can use; after anything else it goes on
	OnDocument               // any well-formed document of the format, whatever is in it
	OnSuccess                // any answer with the status 200, whatever it is
	OnWellFormed             // any well-formed document
)

// Step is one thing that a program tries. In URLs and names stand:
//
//	{domain}      the address's domain
//	{address}     the address, percent-encoded; {rawaddress} as it is
//	{md5}         the MD5 of the address in lower case, in hexadecimal
//	{mx}          the host of the lowest preference; {mxfull} without its first label; {mxbase} its registrable domain
//
// A step whose MX names are none, or the domain itself, is left out.
type Step interface {
	follow(j *judge, c *Client) outcome
}

// Document is Mozilla's XML at a URL.
type Document struct{ URL string }

// Outlook is Microsoft's XML at a URL, asked for with Outlook's request (POST) or none.
type Outlook struct{ Method, URL string }

// OutlookRedirect is the URL over HTTP whose one use is to send on to HTTPS.
type OutlookRedirect struct{ URL string }

// OutlookSRV is the record _autodiscover._tcp, which names the host to ask.
type OutlookSRV struct{ Picks Picks }

// OutlookJSON is what points to Microsoft's XML.
type OutlookJSON struct{ URL string }

// PACC is the IETF's JSON, with its digest in DNS.
type PACC struct{}

// Profile is Apple's, at the URLs that servers have it under.
type Profile struct{ URLs []string }

// MailConf is a TXT record mailconf=URL at the domain.
type MailConf struct{}

// Lookup is the SRV records of RFC 6186.
type Lookup struct {
	// Incoming and Outgoing are tried in their order; the first that is offered counts.
	Incoming, Outgoing []Label
	Picks              Picks
	// LocalPart says that the program logs in with the local part alone.
	LocalPart bool
}

// Label is a service label and what a program makes of it.
type Label struct {
	Name       string // as _imaps
	Protocol   settings.Protocol
	SocketType settings.SocketType
	// Elsewhere is the socket type at any other port than Port; empty: the same.
	Port      uint16
	Elsewhere settings.SocketType
}

// Picks is which of several SRV records a program takes.
type Picks int

const (
	ByPriority    Picks = iota // as RFC 2782 says
	HighestWeight              // whatever the priority
	LowestWeight               // whatever the priority
)

// Guess tries host names at ports until something answers.
type Guess struct {
	Incoming, Outgoing []Try
	// LocalPart is as in Lookup.
	LocalPart bool
}

// Try is a server that is guessed.
type Try struct {
	Host       string
	Protocol   settings.Protocol
	Port       uint16
	SocketType settings.SocketType
}

// RedirectRules are what a program does when it is sent elsewhere.
type RedirectRules struct {
	Most     int  // redirects that it follows
	Absolute bool // it cannot resolve a relative Location, and takes the last of several
	// Distrusts says that the person must approve what came over HTTP, if only for one hop.
	Distrusts bool
}

// LoginRules are what a program needs of a server to log in.
type LoginRules struct {
	// Reads says that it goes by the document's authentication; otherwise it sends a
	// password in whatever way the server takes one.
	Reads bool
}

// AutoconfigRules are how a program reads Mozilla's documents.
type AutoconfigRules struct {
	XMLType    bool // the content type must be one of XML
	Only200    bool // other statuses of success do not count
	BOM        bool // a byte order mark may stand at the head
	Latin1     bool // encodings other than UTF-8 are read
	Domain     bool // a valid <domain> is needed, and an id
	Attributes bool // a leaf may have attributes
	Spaces     bool // white space around a leaf's text is taken away
	NameSpaces bool // around host names, ports and usernames alone it is
	FoldsCase  bool // of types and names

	Section  Which // of several servers of one protocol
	Outgoing Which // of several outgoing servers
	Leaf     Which // of a repeated leaf
	Strict   bool  // an imap or smtp section that is not understood spoils the whole document

	SocketTypes []settings.SocketType
	Unknown     settings.SocketType // what any other socket type is taken for; empty: the section is dropped
	// Methods are those of authentication that count, of which a section must have one;
	// nil: it is not read.
	Methods []string
	// OAuth2 are the hosts at which the program knows it, and those below them.
	OAuth2   []string
	Username bool // a section must have one
	// Undefined says that without one the program logs in as "undefined".
	Undefined bool
	// HostFirst says that the first incoming server must be one with a host name.
	HostFirst bool

	// Placeholders are those that are filled into a username, ExactUsernames those that
	// are if nothing else stands there.
	Placeholders, ExactUsernames []string
	Hostnames                    bool // placeholders in host names are filled in
	Unfilled                     Unfilled
	Entities                     bool // what stands before an entity in a leaf is kept
	SectionAttributes            bool // a section may have attributes beside its type
}

// Which of several counts.
type Which int

const (
	First Which = iota
	Last
)

// Unfilled is what becomes of a host name whose placeholder a program does not fill in.
type Unfilled int

const (
	Dropped      Unfilled = iota // it is none, so the section is dropped
	AsItStands                   // the program asks for it
	WithoutLabel                 // it does for what is left without the placeholder
)

// AutodiscoverRules are how a program reads Microsoft's documents.
type AutodiscoverRules struct {
	XMLType bool // the content type must be one of XML
	// Encryption says that the element counts and goes before SSL; otherwise the port says
	// whether it is STARTTLS.
	Encryption bool
	// Port says that there must be one; otherwise the protocol's own is taken.
	Port bool
	// LoginName of the answer counts; otherwise the address is taken.
	LoginName bool
	// Local says that without a LoginName the local part is taken.
	Local bool
	// OnOff says that a Protocol is dropped in which SSL, SPA or Encryption is true or false.
	OnOff     bool
	Redirects int // RedirectUrl and RedirectAddr that are followed
}
