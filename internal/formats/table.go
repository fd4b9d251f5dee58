package formats

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/autodiscover"
	"milepost/internal/lookup"
	"milepost/internal/mtasts"
	"milepost/mobileconfig"
	"milepost/pacc"
	"milepost/settings"
)

var (
	get  = []string{http.MethodGet, http.MethodHead}
	post = []string{http.MethodPost}
)

var table = []Format{
	{
		Name: "autoconfig", Paths: autoconfigPaths(), Methods: get,
		ContentType: autoconfig.ContentType, Cached: true,
		Parse: func(r Request) (lookup.Question, Options, error) {
			q := autoconfig.ParseRequest(r.Host, r.Path, r.RawQuery)
			return lookup.Question{Addresses: []address.Address{q.Address}, Host: q.Host, Err: q.Err}, Options{}, nil
		},
		Render: func(a []settings.Account, _ Options) ([]byte, error) { return autoconfig.Render(a[0]) },
		Refuse: notFound,
	},
	{
		Name: "autodiscover", Paths: []string{autodiscover.POXPath}, Methods: post,
		MaxBody: autodiscover.MaxRequest, ContentType: autodiscover.ContentType,
		Parse: func(r Request) (lookup.Question, Options, error) {
			q, err := autodiscover.ParseRequest(r.Body)
			return about(q.Address), Options{Schema: q.Schema}, err
		},
		Render: func(a []settings.Account, o Options) ([]byte, error) {
			if o.Schema == autodiscover.MobileSync {
				return autodiscover.RenderMobileSync(a[0])
			}
			return autodiscover.Render(a[0])
		},
		Refuse: refusePOX,
	},
	{
		// What holds for the Host's whole domain: Delta Chat and MyMail ask so. The
		// redirect is the last step of Outlook and of Thunderbird.
		Paths: []string{autodiscover.POXPath}, Methods: get,
		ContentType: autodiscover.ContentType, Cached: true, Vary: "Forwarded, X-Forwarded-Proto",
		Parse: func(r Request) (lookup.Question, Options, error) {
			q := lookup.Question{Addresses: []address.Address{{}}, Host: address.Host{Header: r.Host, Label: autodiscover.HostLabel}}
			if r.PublicURL != "" && !r.HTTPS && strings.HasPrefix(strings.ToLower(r.Host), autodiscover.HostLabel+".") {
				return q, Options{}, &Redirect{r.PublicURL + autodiscover.POXPath}
			}
			return q, Options{}, nil
		},
		Render: func(a []settings.Account, _ Options) ([]byte, error) { return autodiscover.Render(a[0]) },
		Refuse: notFound,
	},
	{
		Name: "mobilesync", ContentType: autodiscover.ContentType,
		Render: func(a []settings.Account, _ Options) ([]byte, error) { return autodiscover.RenderMobileSync(a[0]) },
	},
	{
		Name: "autodiscover-json", Paths: []string{autodiscover.JSONPath, autodiscover.JSONAddressPath + "*"}, Methods: get,
		ContentType: autodiscover.JSONContentType,
		Parse: func(r Request) (lookup.Question, Options, error) {
			q, err := autodiscover.ParseJSONRequest(r.Path, r.RawQuery)
			return about(q.Address), Options{Protocol: q.Protocol}, err
		},
		Render: func(a []settings.Account, o Options) ([]byte, error) {
			return autodiscover.RenderJSON(a[0], o.Protocol, autodiscover.POXURL(o.PublicURL, a[0].Address.Domain))
		},
		Refuse: refuseJSON,
	},
	{
		Name: "mobileconfig", Paths: mobileconfig.Paths, Methods: get,
		ContentType: mobileconfig.ContentType, Attachment: true, Signed: true, Vary: "Accept-Language",
		Parse: func(r Request) (lookup.Question, Options, error) {
			q, err := mobileconfig.ParseRequest(r.RawQuery, r.Languages)
			return lookup.Question{Addresses: q.Addresses}, Options{Profile: q.Options}, err
		},
		Render: func(a []settings.Account, o Options) ([]byte, error) { return mobileconfig.Render(a, o.Profile) },
		Refuse: refuseProfile,
	},
	{
		Name: "pacc", Paths: []string{pacc.Path}, Methods: get,
		ContentType: pacc.ContentType, Cached: true, OfDomain: true, Announced: true, Vary: "Forwarded, X-Forwarded-Proto",
		Parse: func(r Request) (lookup.Question, Options, error) {
			host, err := pacc.ParseRequest(r.Host, r.HTTPS)
			return lookup.Question{Addresses: []address.Address{{}}, Host: host}, Options{}, err
		},
		Render: func(a []settings.Account, _ Options) ([]byte, error) { return pacc.Render(a[0]) },
		Refuse: notFound,
	},
	{
		// Over plain HTTP too, where no mail server asks: a proxy that does not say that it
		// speaks HTTPS hides no policy. Nothing is cached (RFC 8461 §3.3).
		Name: "mta-sts", Paths: []string{mtasts.Path}, Methods: get,
		ContentType: mtasts.ContentType, OfDomain: true,
		Parse: func(r Request) (lookup.Question, Options, error) {
			host, err := mtasts.ParseRequest(r.Host)
			return lookup.Question{Addresses: []address.Address{{}}, Host: host}, Options{}, err
		},
		Render: func(a []settings.Account, _ Options) ([]byte, error) { return mtasts.Render(a[0].Provider.MTASTS) },
		Refuse: notFound,
	},
}

// about is the question about one address.
func about(a address.Address) lookup.Question {
	return lookup.Question{Addresses: []address.Address{a}}
}

func autoconfigPaths() []string {
	paths := slices.Clone(autoconfig.Paths)
	for _, folder := range autoconfig.ISPDBPaths {
		paths = append(paths, folder+":domain")
	}
	return paths
}

// notFound is what clients pass over, and go on looking: they would take a page
// with 200 for an answer, and 401 for the end of all looking.
func notFound(error, time.Time) Refusal { return Refusal{Status: http.StatusNotFound} }

// refusePOX answers 200 with an error document: clients take any other status for
// "nobody is here".
func refusePOX(err error, now time.Time) Refusal {
	e, ok := errors.AsType[*autodiscover.Error](err)
	if !ok {
		return notFound(err, now)
	}
	return Refusal{http.StatusOK, autodiscover.ContentType, autodiscover.RenderError(e, now.UTC().Format("15:04:05.0000000"), errorID)}
}

// errorID stands for the server in an error document. It is the same everywhere,
// so that it tells nothing about a machine.
const errorID = 2477272013

func refuseJSON(err error, _ time.Time) Refusal {
	e, ok := errors.AsType[*autodiscover.JSONError](err)
	if _, unknown := errors.AsType[*lookup.UnknownDomain](err); unknown {
		e, ok = autodiscover.ErrUserNotFound, true
	}
	if !ok {
		return Refusal{}
	}
	body, err := autodiscover.RenderJSONError(e)
	if err != nil {
		return Refusal{}
	}
	return Refusal{e.Status, autodiscover.JSONContentType, body}
}

func refuseProfile(err error, _ time.Time) Refusal {
	if _, unknown := errors.AsType[*lookup.UnknownDomain](err); unknown {
		return Refusal{Status: http.StatusNotFound}
	}
	if errors.Is(err, mobileconfig.ErrNotExpressible) {
		return Refusal{Status: http.StatusUnprocessableEntity}
	}
	return Refusal{Status: http.StatusBadRequest}
}
