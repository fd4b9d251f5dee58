package doctor

import (
	"fmt"
	"slices"
	"strings"

	"milepost/settings"
)

// greeted says what stops a program at a server.
func (j *judge) greeted(e Endpoint, g Greeting, s settings.Server, c *Client) []cause {
	at := fmt.Sprintf("%s:%d", e.Host, e.Port)
	one := func(id ID, format string, args ...any) []cause {
		return []cause{j.cause(id, at, connected, format, args...)}
	}
	switch g.Failure {
	case "":
	case NoAddress:
		if alias := j.dangling(e.Host); alias != "" {
			return one(danglingAlias, "%s is an alias of %s, which has no address", e.Host, alias)
		}
		return one(serverNoAddress, "%s has no address", e.Host)
	case NotAsked, Forbidden:
		return one(notSeen, "%s: %s", at, g.Failure)
	case NoTLS:
		if g.Speaks != "" {
			return one(serverNoTLS, "%s begins in clear text (%q), where TLS is expected at once", at, g.Banner)
		}
		return one(serverNoTLS, "%s: no TLS can be spoken: %s", at, g.Detail)
	case NoStartTLS:
		if g.Speaks != "" && g.Speaks != e.Protocol {
			return one(wrongProtocol, "%s greets as a server of %s: %q", at, upper(g.Speaks), g.Banner)
		}
		return one(serverNoStartTLS, "%s does not offer STARTTLS: %s", at, list(g.Before))
	case NotMail:
		return one(serverSilent, "%s is no server of %s: %s", at, upper(e.Protocol), g.Detail)
	default:
		return one(serverUnreachable, "%s: %s", at, g.Failure)
	}
	if bad := j.certificate(e.Host, &e, g.TLS, connected); bad != nil {
		return bad
	}
	if g.Speaks != e.Protocol {
		return one(wrongProtocol, "%s greets as a server of %s: %q", at, upper(g.Speaks), g.Banner)
	}
	methods := methodsOf(e.Protocol, g.Capabilities)
	password := slices.ContainsFunc(methods, func(m string) bool { return m == "PLAIN" || m == "LOGIN" })
	switch {
	case e.SocketType == settings.Plain && e.Protocol == settings.IMAP && slices.Contains(g.Capabilities, "LOGINDISABLED"),
		e.SocketType == settings.Plain && e.Protocol != settings.IMAP && !password && g.Before != nil:
		return one(loginNeedsTLS, "%s takes no password in clear text, and the settings have no encryption", at)
	case e.Protocol == settings.SMTP && methods == nil:
		return one(submissionNoAuth, "%s offers no AUTH", at)
	case !password:
		if slices.ContainsFunc(methods, func(m string) bool { return m == "OAUTHBEARER" || m == "XOAUTH2" }) {
			if s.Authentication[0] == settings.OAuth2 {
				return nil
			}
			return one(serverOAuthAlone, "%s takes only %s", at, strings.Join(methods, ", "))
		}
		if c.Login.Reads && slices.Contains(s.Authentication, settings.PasswordEncrypted) && len(methods) > 0 {
			return nil
		}
		return one(loginDisabled, "%s offers no login with a password: %s", at, list(g.Capabilities))
	case c.Login.Reads && s.Authentication[0] == settings.PasswordEncrypted && !slices.ContainsFunc(methods, encrypts):
		return one(noEncryptedPassword, "%s offers %s; the settings say password-encrypted", at, strings.Join(methods, ", "))
	}
	return nil
}

func encrypts(method string) bool {
	return method == "CRAM-MD5" || method == "DIGEST-MD5" || strings.HasPrefix(method, "SCRAM-") || method == "APOP"
}

func upper(p settings.Protocol) string {
	if p == "" {
		return "nothing that is known"
	}
	return strings.ToUpper(string(p))
}

// methodsOf are the ways to log in that capabilities name, in upper case; nil: none.
func methodsOf(p settings.Protocol, capabilities []string) (out []string) {
	disabled := false
	for _, c := range capabilities {
		c = strings.ToUpper(c)
		words := strings.Fields(c)
		switch {
		case c == "LOGINDISABLED":
			disabled = true
		case p == settings.IMAP && strings.HasPrefix(c, "AUTH="):
			out = append(out, strings.TrimPrefix(c, "AUTH="))
		case p == settings.POP3 && len(words) > 0 && words[0] == "SASL":
			out = append(out, words[1:]...)
		case p == settings.POP3 && c == "USER":
			out = append(out, "LOGIN")
		case p == settings.SMTP && strings.HasPrefix(c, "AUTH="):
			out = append(out, strings.Fields(strings.TrimPrefix(c, "AUTH="))...)
		case p == settings.SMTP && len(words) > 0 && words[0] == "AUTH":
			out = append(out, words[1:]...)
		}
	}
	if p == settings.POP3 && len(capabilities) == 0 { // it does not know CAPA
		out = append(out, "LOGIN")
	}
	if p == settings.IMAP && !disabled { // the command needs no capability (RFC 9051 §6.2.3)
		out = append(out, "LOGIN")
	}
	return out
}

// sizeOf is the largest message that submission takes, in octets; 0: it does not say
// (RFC 1870).
func sizeOf(g Greeting) (size int64) {
	for _, c := range g.Capabilities {
		fmt.Sscanf(strings.ToUpper(c), "SIZE %d", &size)
	}
	return size
}
