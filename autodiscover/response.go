package autodiscover

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"milepost/address"
	"milepost/internal/xmlwriter"
)

// MaxResponse is the longest response in octets that is read.
const MaxResponse = 256 << 10

// Response is an answer in the Outlook schema, as it was written: what its values mean
// is each client's own reading.
type Response struct {
	Accounts        int // there should be one
	RedirectURL     string
	RedirectAddress string
	Protocols       []Protocol
	Error           string // the code and message of an error document
}

// Protocol is a Protocol element (MS-OXDSCLI §2.2.4.1.1.2.6). Port 0: there is none, or
// it is no number.
type Protocol struct {
	Type, Server, LoginName string
	Port                    uint16
	SSL, Encryption, SPA    string
	AuthRequired            string
	DomainRequired          string
}

type responseDocument struct {
	XMLName  xml.Name
	Response struct {
		Error   *responseError `xml:"Error"`
		Account []struct {
			Action       string             `xml:"Action"`
			RedirectURL  string             `xml:"RedirectUrl"`
			RedirectAddr string             `xml:"RedirectAddr"`
			Error        *responseError     `xml:"Error"`
			Protocol     []responseProtocol `xml:"Protocol"`
		} `xml:"Account"`
	} `xml:"Response"`
}

type responseError struct {
	Code    string `xml:"ErrorCode"`
	Message string `xml:"Message"`
}

type responseProtocol struct {
	Type           string `xml:"Type"`
	Server         string `xml:"Server"`
	Port           string `xml:"Port"`
	LoginName      string `xml:"LoginName"`
	SSL            string `xml:"SSL"`
	Encryption     string `xml:"Encryption"`
	SPA            string `xml:"SPA"`
	AuthRequired   string `xml:"AuthRequired"`
	DomainRequired string `xml:"DomainRequired"`
}

// ParseResponse reads a response in the Outlook schema. It fails if the text is no
// well-formed UTF-8 XML, its root is not Autodiscover, or it holds neither an account nor
// an error.
func ParseResponse(body []byte) (Response, error) {
	if len(body) > MaxResponse {
		return Response{}, fmt.Errorf("response has %d octets; at most %d are read", len(body), MaxResponse)
	}
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	d.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("response is in %s; UTF-8 is allowed", charset)
	}
	var doc responseDocument
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return Response{}, errors.New("response is empty")
	} else if err != nil {
		return Response{}, fmt.Errorf("response is not well-formed: %w", err)
	}
	if doc.XMLName.Local != "Autodiscover" {
		return Response{}, fmt.Errorf("response's root is %s; Autodiscover is allowed", doc.XMLName.Local)
	}
	r := Response{Accounts: len(doc.Response.Account), Error: doc.Response.Error.String()}
	for _, a := range doc.Response.Account {
		if e := a.Error.String(); r.Error == "" {
			r.Error = e // older servers put it here
		}
		switch strings.ToLower(strings.TrimSpace(a.Action)) {
		case "redirecturl":
			r.RedirectURL = strings.TrimSpace(a.RedirectURL)
		case "redirectaddr":
			r.RedirectAddress = strings.TrimSpace(a.RedirectAddr)
		}
		for _, p := range a.Protocol {
			r.Protocols = append(r.Protocols, p.protocol())
		}
	}
	if r.Accounts == 0 && r.Error == "" {
		return Response{}, errors.New("response has neither an Account nor an Error element")
	}
	return r, nil
}

// String is what an error document says; empty: it is none.
func (e *responseError) String() string {
	if e == nil {
		return ""
	}
	return strings.TrimSpace(e.Code + " " + e.Message)
}

func (p responseProtocol) protocol() Protocol {
	port, _ := strconv.ParseUint(strings.TrimSpace(p.Port), 10, 16)
	return Protocol{
		Type: strings.TrimSpace(p.Type), Server: strings.TrimSpace(p.Server), LoginName: strings.TrimSpace(p.LoginName), Port: uint16(port),
		SSL: strings.TrimSpace(p.SSL), Encryption: strings.TrimSpace(p.Encryption), SPA: strings.TrimSpace(p.SPA),
		AuthRequired: strings.TrimSpace(p.AuthRequired), DomainRequired: strings.TrimSpace(p.DomainRequired),
	}
}

// RenderRequest makes the body that Outlook sends about an address.
func RenderRequest(a address.Address) []byte {
	w := xmlwriter.New()
	w.Element("Autodiscover", func() {
		w.Element("Request", func() {
			w.Leaf("EMailAddress", a.String())
			w.Leaf("AcceptableResponseSchema", string(Outlook))
		})
	}, xmlns("http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"))
	return w.Bytes()
}
