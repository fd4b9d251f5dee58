package mobileconfig

import "golang.org/x/text/language"

// message is what a profile says to a person. The placeholders are %s.
type message struct {
	title       string // the provider
	description string // the address
	consent     string // the address
	calendar    string // the provider
	contacts    string // the provider
}

// The first language is the one for everybody else.
var languages = []language.Tag{
	language.English, language.French, language.German, language.Spanish, language.Italian, language.Dutch, language.Portuguese,
}

var matcher = language.NewMatcher(languages)

var messages = map[string]message{
	"en": {
		"%s mail account", "Sets up the account %s.",
		"This profile sets up the account %s on this device. It holds no password: you will be asked for it.",
		"%s calendar", "%s contacts",
	},
	"fr": {
		"Compte de messagerie %s", "Configure le compte %s.",
		"Ce profil configure le compte %s sur cet appareil. Il ne contient pas de mot de passe\u00a0: celui-ci vous sera demandé.",
		"Calendrier %s", "Contacts %s",
	},
	"de": {
		"E-Mail-Konto bei %s", "Richtet das Konto %s ein.",
		"Dieses Profil richtet das Konto %s auf diesem Gerät ein. Es enthält kein Passwort: Sie werden danach gefragt.",
		"Kalender von %s", "Kontakte von %s",
	},
	"es": {
		"Cuenta de correo de %s", "Configura la cuenta %s.",
		"Este perfil configura la cuenta %s en este dispositivo. No contiene ninguna contraseña: se le pedirá.",
		"Calendario de %s", "Contactos de %s",
	},
	"it": {
		"Account di posta %s", "Configura l’account %s.",
		"Questo profilo configura l’account %s su questo dispositivo. Non contiene alcuna password: verrà chiesta.",
		"Calendario %s", "Contatti %s",
	},
	"nl": {
		"Mailaccount van %s", "Stelt het account %s in.",
		"Dit profiel stelt het account %s op dit apparaat in. Het bevat geen wachtwoord: daar wordt om gevraagd.",
		"Agenda van %s", "Contacten van %s",
	},
	"pt": {
		"Conta de correio %s", "Configura a conta %s.",
		"Este perfil configura a conta %s neste dispositivo. Não contém nenhuma palavra-passe: esta será pedida.",
		"Calendário %s", "Contactos %s",
	},
}

// chooseLanguage finds the language of ours that suits best what is preferred:
// a tag, or an Accept-Language header (RFC 9110 §12.5.4).
func chooseLanguage(preferred string) string {
	if len(preferred) > 200 {
		return "en"
	}
	tags, _, err := language.ParseAcceptLanguage(preferred)
	if err != nil || len(tags) == 0 {
		return "en"
	}
	_, i, _ := matcher.Match(tags...)
	base, _ := languages[i].Base()
	return base.String()
}
