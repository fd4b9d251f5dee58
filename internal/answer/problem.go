package answer

// ProblemType is the media type of a Problem (RFC 9457).
const ProblemType = "application/problem+json"

// Code names a kind of problem. A program may rely on it: it keeps its meaning, and the
// sentences beside it do not.
type Code string

// The codes. The first five say more than their status does.
const (
	AddressMissing  Code = "address-missing"
	AddressInvalid  Code = "address-invalid"
	DomainUnknown   Code = "domain-unknown"
	AddressUnknown  Code = "address-unknown"
	ProviderUnknown Code = "provider-unknown"

	BadRequest       Code = "bad-request"
	Forbidden        Code = "forbidden"
	NotFound         Code = "not-found"
	MethodNotAllowed Code = "method-not-allowed"
	TooManyRequests  Code = "too-many-requests"
	ServerMistake    Code = "server-mistake"
	ServerBusy       Code = "server-busy"
)

var ofStatus = map[int]Code{400: BadRequest, 403: Forbidden, 404: NotFound, 405: MethodNotAllowed, 429: TooManyRequests, 500: ServerMistake, 503: ServerBusy}

// titles say in a few words what kind of problem it is.
var titles = map[Code]string{
	AddressMissing:  "The address is missing",
	AddressInvalid:  "This is no mail address",
	DomainUnknown:   "No provider is known for the domain",
	AddressUnknown:  "The provider does not know the address",
	ProviderUnknown: "There is no provider with this id",

	BadRequest:       "The request cannot be understood",
	Forbidden:        "The request is not allowed",
	NotFound:         "Nothing is at this path",
	MethodNotAllowed: "The path is asked with another method",
	TooManyRequests:  "The client asks too much",
	ServerMistake:    "The server made a mistake",
	ServerBusy:       "The server is busy",
}

// Problem is an error for programs (RFC 9457).
type Problem struct {
	Code        Code
	Status      int
	Detail      string   // a sentence about this one
	Suggestions []string // domains that may have been meant, the nearest first
}

func (p *Problem) Error() string { return p.Detail }

// StatusProblem is the problem that a status alone stands for.
func StatusProblem(status int, detail string) *Problem {
	code, ok := ofStatus[status]
	if !ok {
		code = BadRequest
	}
	return &Problem{Code: code, Status: status, Detail: detail}
}

// ProblemPath stands before a code in the type of a problem: a URL reference, whose
// page says what the code means.
const ProblemPath = "/api/v1/problems/"

// JSON is the problem as it is sent. PublicURL makes its type absolute, if it is known.
func (p *Problem) JSON(publicURL string) ([]byte, error) {
	return encode(struct {
		Type        string   `json:"type"`
		Title       string   `json:"title"`
		Status      int      `json:"status"`
		Detail      string   `json:"detail"`
		Code        Code     `json:"code"`
		Suggestions []string `json:"suggestions,omitempty"`
	}{publicURL + ProblemPath + string(p.Code), titles[p.Code], p.Status, p.Detail, p.Code, p.Suggestions})
}

// Explain is what a code means, for who follows the type of a problem. False: there is
// no such code.
func Explain(code string) ([]byte, bool) {
	title, ok := titles[Code(code)]
	if !ok {
		return nil, false
	}
	body, err := encode(struct {
		Code  string `json:"code"`
		Title string `json:"title"`
	}{code, title})
	return body, err == nil
}
