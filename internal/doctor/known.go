package doctor

import "slices"

const (
	domainMissing       ID = "domain-missing"
	dnssecBogus         ID = "dnssec-bogus"
	dnsFails            ID = "dns-fails"
	nameServerGone      ID = "name-server-without-address"
	nameServerLame      ID = "name-server-lame"
	nameServerSilent    ID = "name-server-silent"
	nameServersDisagree ID = "name-servers-disagree"
	delegationDiffers   ID = "delegation-differs"
	addressSilent       ID = "address-silent"
	caaForbids          ID = "caa-forbids"

	wildcardWebPage ID = "wildcard-web-page"
	danglingAlias   ID = "dangling-alias"
	webNoTLS        ID = "web-no-tls"
	webUnreachable  ID = "web-unreachable"

	encryptionAtOdds  ID = "autodiscover-encryption-at-odds"
	autodiscoverType  ID = "autodiscover-type"
	autodiscoverError ID = "autodiscover-error"
	severalAccounts   ID = "autodiscover-several-accounts"
	spaOn             ID = "autodiscover-spa"
	trueOrFalse       ID = "autodiscover-true-false"
	domainRequired    ID = "autodiscover-domain-required"
	noLoginName       ID = "autodiscover-no-login-name"
	notAutodiscover   ID = "not-autodiscover"

	loginDemanded   ID = "login-demanded"
	webRefuses      ID = "web-forbids"
	webError        ID = "web-error"
	redirectLoop    ID = "redirect-loop"
	redirectBroken  ID = "redirect-broken"
	webPage         ID = "web-page-instead-of-document"
	documentMissing ID = "document-missing"
	documentEndless ID = "document-endless"
	contentType     ID = "content-type"
	notXML          ID = "not-xml"
	notAutoconfig   ID = "not-autoconfig"
	byteOrderMark   ID = "byte-order-mark"
	notUTF8         ID = "not-utf-8"
	noDomain        ID = "autoconfig-no-domain"
	clearText       ID = "autoconfig-clear-text"
	whiteSpace      ID = "autoconfig-white-space"

	leafAttribute    ID = "autoconfig-attribute"
	sectionAttribute ID = "autoconfig-section-attribute"
	noUsername       ID = "autoconfig-no-username"
	noHostFirst      ID = "autoconfig-first-without-host"
	noAuthentication ID = "autoconfig-no-authentication"
	badSocketType    ID = "autoconfig-socket-type"
	oauthAlone       ID = "autoconfig-oauth2-alone"
	badHostname      ID = "bad-hostname"
	badPort          ID = "bad-port"
	noSettings       ID = "no-servers-in-document"
	placeholderLeft  ID = "placeholder-left"
	entity           ID = "entity-in-username"
	overHTTP         ID = "only-over-http"

	paccMissing    ID = "pacc-missing"
	paccNoDigest   ID = "pacc-no-digest"
	paccDigest     ID = "pacc-digest"
	paccRefused    ID = "pacc-refused"
	profileRefused ID = "profile-refused"

	srvPort       ID = "srv-port"
	srvAlias      ID = "srv-target-alias"
	srvNoAddress  ID = "srv-target-no-address"
	noIncomingSRV ID = "no-incoming-srv"
	noOutgoingSRV ID = "no-submission-srv"

	wrongProtocol       ID = "wrong-protocol"
	serverNoAddress     ID = "server-no-address"
	serverUnreachable   ID = "server-unreachable"
	serverNoTLS         ID = "server-no-tls"
	serverNoStartTLS    ID = "server-no-starttls"
	serverSilent        ID = "server-silent"
	loginDisabled       ID = "login-disabled"
	loginNeedsTLS       ID = "login-needs-tls"
	submissionNoAuth    ID = "submission-no-auth"
	serverOAuthAlone    ID = "server-oauth2-alone"
	noEncryptedPassword ID = "no-encrypted-password"
	smallMessages       ID = "small-messages"

	clientsDiffer    ID = "clients-differ"
	catalogueDiffers ID = "catalogue-differs"
	noAutoconfig     ID = "no-autoconfig"
	noAutodiscover   ID = "no-autodiscover"
	noProfile        ID = "no-profile"
	expiresSoon      ID = "certificate-expires-soon"
	documentNotes    ID = "document-notes"
	notSeen          ID = "not-seen"
)

// explained is a kind of finding. In a fix stand {domain}, {place} (where it was seen),
// {host} (the host of that) and {service} (the host that serves settings); in one about a
// certificate {connect} too, which is how openssl gets to see it.
type explained struct {
	id       ID
	severity Severity
	why, fix string
}

// known returns what is to be said of an ID.
func known(id ID) explained { return kinds[rank(id)] }

// rank is the place of an ID among all: what comes first explains what comes later.
func rank(id ID) int {
	return slices.IndexFunc(kinds, func(k explained) bool { return k.id == id })
}

const (
	discoverRecord = "autodiscover.{domain}. 3600 IN CNAME {service}."
	configRecord   = "autoconfig.{domain}. 3600 IN CNAME {service}."
	newCertificate = "a certificate that has {host} among its names, as by 'certbot certonly -d {host}', or [tls] of milepost.toml: obtain = true"
)

var kinds = slices.Concat(kindsOfDNS, kindsOfAddresses, kindsOfCertificates("web"), kindsOfWeb, kindsOfDocuments, kindsOfCertificates("mail"), kindsOfServers, kindsOfAbsence)

var kindsOfDNS = []explained{
	{domainMissing, Error, "The domain does not exist in DNS, so nobody finds anything.", "register {domain}, or have its zone served: 'dig {domain} SOA' has to answer"},
	{dnssecBogus, Error, "Resolvers that validate DNSSEC refuse every answer of the zone; most large providers' resolvers do.", "sign the zone anew, or have the parent's DS record of {domain} changed to the key that signs: 'delv {domain} SOA' says which it is"},
	{dnsFails, Error, "Without an answer a program takes the name for missing, after it has waited for seconds.", "have the name servers of {domain} answer: 'dig +trace {host}' says which does not"},
	{nameServerGone, Error, "A name server without an address cannot be asked; each question that goes to it is lost.", "{host}. 3600 IN A ADDRESS-OF-THE-NAME-SERVER"},
	{nameServerLame, Error, "Who asks this name server gets nothing; programs give up before another one is asked.", "have {host} serve the zone {domain}, or take '{domain}. IN NS {host}.' out of the zone and its parent"},
	{nameServersDisagree, Error, "Which settings somebody finds is a matter of chance: each resolver asks another name server.", "raise the serial in the SOA record of {domain} and have all its name servers transfer the zone: 'dig +nssearch {domain}' must show one serial"},
	{nameServerSilent, Warning, "Every question that goes to it costs seconds; programs wait 5 seconds in all.", "have {host} answer over UDP and TCP at port 53, or take '{domain}. IN NS {host}.' out of the zone and its parent"},
}

var kindsOfAddresses = []explained{
	{delegationDiffers, Warning, "Who comes by way of the parent zone asks other name servers than the zone names; one day they will not serve it.", "have the registrar of {domain} enter the name servers that the zone has: 'dig {domain} NS'"},
	{addressSilent, Warning, "Programs try one address after the other, some IPv6 first; who meets the one that does not answer waits, or fails.", "have the server listen on that address too, or take it out of the zone of {host}"},
	{caaForbids, Warning, "The CAA records let nobody issue certificates, so the next renewal fails.", "{domain}. 3600 IN CAA 0 issue \"letsencrypt.org\""},
}

// kindsOfCertificates are the reasons to refuse one, of a web server or a mail server.
func kindsOfCertificates(of string) []explained {
	why := "A program never uses a host whose certificate it cannot check; most say nothing and look elsewhere."
	if of == "mail" {
		why = "Programs warn of the server or refuse it; nobody should get used to clicking that away."
	}
	kind := func(c Certificate, fix string) explained {
		return explained{ID(of + "-certificate-" + string(c)), Error, why, fix}
	}
	return []explained{
		kind(Expired, "renew the certificate of {host}, and reload the server: 'openssl s_client -connect {connect} -servername {host}' shows which it has"),
		kind(NotYet, "set the clock of {host}, or have a certificate that is valid now"),
		kind(WrongName, newCertificate),
		kind(SelfSigned, newCertificate),
		kind(Incomplete, "have {host} send the issuer's certificate along: 'fullchain.pem' in place of 'cert.pem'"),
		kind(Untrusted, newCertificate),
		kind(WeakKey, "a certificate of {host} with a key of ECDSA P-256, or RSA of 2048 bits at least"),
	}
}

var kindsOfWeb = []explained{
	{wildcardWebPage, Error, "A wildcard record leads every name to a web site. Its page says 200, and programs take it for the answer and look no further.", configRecord + "\n" + discoverRecord},
	{danglingAlias, Error, "The name leads nowhere.", "{host}. 3600 IN CNAME {service}."},
	{webNoTLS, Error, "Nearly all programs ask over HTTPS alone.", "have {host} answer HTTPS at port 443: [https] listen = [\":443\"] in milepost.toml, or a proxy before it"},
	{webUnreachable, Error, "The name leads to a host that does not answer; programs wait for it, and give up.", "open ports 80 and 443 of {host}, or lead the name elsewhere: '{host}. 3600 IN CNAME {service}.'"},
	{loginDemanded, Error, "Programs ask the person for a password then, for which there is no right answer; Thunderbird throws away what it has found elsewhere.", "have {place} answer without a login; where there is no Exchange, 404: nginx: 'location = /autodiscover/autodiscover.xml { return 404; }'"},
	{redirectLoop, Error, "A program goes round in circles, and gives up.", "have the proxy pass {place} on to milepost instead of redirecting it: nginx: 'proxy_pass http://127.0.0.1:8080;'"},
	{redirectBroken, Error, "Programs do not follow such a redirect.", "redirect {place} to one absolute https URL, in one Location header, or pass it on to milepost: nginx: 'proxy_pass http://127.0.0.1:8080;'"},
	{webError, Error, "The host is the right one, and cannot answer.", "look into the log of {host}; behind a proxy, whether milepost runs and 'proxy_pass' leads to it"},
	{webRefuses, Error, "Programs come without a login and from anywhere.", "have the web server of {host} let everybody have {place}"},
	{webPage, Error, "Some programs take any answer with the status 200 for the document, and look no further.", "have {place} answer 404, or pass it on to milepost: nginx: 'location /.well-known/autoconfig/ { proxy_pass http://127.0.0.1:8080; }'"},
	{documentEndless, Error, "No settings are so long; programs give up.", "have {place} send the document alone"},
}

var kindsOfDocuments = []explained{
	{contentType, Error, "Thunderbird reads XML only if its type says that it is.", "nginx: 'default_type text/xml;' for {place}"},
	{notXML, Error, "A document that is not well-formed is thrown away as a whole.", "'xmllint --noout' shows what is wrong with {place}; 'milepost show {domain}' prints a right one"},
	{notAutoconfig, Error, "Another kind of document is where programs look for <clientConfig>.", "serve what 'milepost show {domain}' prints at {place}"},
	{notAutodiscover, Error, "Outlook takes nothing but an Autodiscover document.", "serve what 'milepost show -format autodiscover {domain}' prints at {place}"},
	{byteOrderMark, Error, "Evolution and Thunderbird for Android refuse a document with a byte order mark.", "save {place} as UTF-8 without BOM: 'sed -i \"1s/^\\xEF\\xBB\\xBF//\"'"},
	{notUTF8, Error, "Evolution, aerc and Thunderbird for Android read UTF-8 alone.", "save {place} in UTF-8, and say so: '<?xml version=\"1.0\" encoding=\"UTF-8\"?>'"},
	{noDomain, Error, "Thunderbird throws away a document without an id and a <domain> that are host names.", "<emailProvider id=\"{domain}\"><domain>{domain}</domain>"},
	{clearText, Error, "A server without encryption makes Thunderbird for Android throw the whole document away.", "take the servers with <socketType>plain</socketType> out of {place}"},
	{whiteSpace, Error, "Most programs keep the white space, and know no such value.", "write each value on one line with its tags: <hostname>mail.{domain}</hostname>"},
	{leafAttribute, Error, "Thunderbird cannot read a value whose element has an attribute.", "take the attribute out, and what is not text: <hostname>mail.{domain}</hostname>"},
	{sectionAttribute, Error, "Evolution throws away a document in which a server has an attribute beside its type.", "<incomingServer type=\"imap\">"},
	{noUsername, Error, "Thunderbird for Android throws away a document in which a server has no username; Thunderbird logs in as undefined.", "<username>%EMAILADDRESS%</username>"},
	{noHostFirst, Error, "Geary looks at the first incoming server alone.", "put the server of IMAP before the services that have a URL"},
	{noAuthentication, Error, "Programs that read how to log in drop a server that does not say so, or the whole document.", "<authentication>password-cleartext</authentication>"},
	{badSocketType, Error, "Only SSL, STARTTLS and plain are known, in this spelling.", "<socketType>SSL</socketType>"},
	{oauthAlone, Error, "Programs know OAuth2 for a few large providers alone.", "<authentication>password-cleartext</authentication> behind the one of OAuth2, if passwords are taken"},
	{badHostname, Error, "There is no such host.", "the name of the mail server alone, without port, scheme or placeholder: <hostname>mail.{domain}</hostname>"},
	{badPort, Error, "Programs drop a server without a port.", "<port>993</port>"},
	{encryptionAtOdds, Error, "Encryption goes before SSL and says TLS for STARTTLS; Outlook does what it says, and hangs.", "at the ports 993, 995 and 465 <SSL>on</SSL><Encryption>SSL</Encryption>, at 143, 110 and 587 <SSL>on</SSL><Encryption>TLS</Encryption>"},
	{autodiscoverType, Error, "Programs know IMAP, POP3 and SMTP, in this spelling.", "<Type>POP3</Type>"},
	{autodiscoverError, Error, "The server knows neither the address nor the domain.", "add {domain} to the domains of its provider's file: domains = [\"{domain}\"]"},
	{noSettings, Error, "A mail account needs a server for incoming mail and one for outgoing.", "serve what 'milepost show {domain}' prints at {place}"},
	{severalAccounts, Warning, "Outlook reads the first Account alone.", "put all Protocol elements of {place} into one Account"},
	{spaOn, Warning, "SPA means NTLM, and is on where nothing is said; servers that do not know it refuse the login.", "<SPA>off</SPA>"},
	{trueOrFalse, Error, "The values are on and off; Thunderbird throws away what says true or false.", "<SSL>on</SSL>"},
	{domainRequired, Warning, "Outlook asks the person for a Windows domain.", "<DomainRequired>off</DomainRequired>"},
	{noLoginName, Warning, "Outlook takes the local part for the login name where none is given.", "<LoginName>fred@{domain}</LoginName>, filled in for each address"},
	{placeholderLeft, Warning, "Some programs know %EMAILADDRESS% alone and log in with the other placeholders as they stand.", "<username>%EMAILADDRESS%</username>, if the server takes the address"},
	{entity, Warning, "Delta Chat keeps only what follows an entity.", "<username>%EMAILADDRESS%</username>"},
	{overHTTP, Warning, "What comes in clear text can have been changed on its way, so the person is asked to approve it.", "have autoconfig.{domain} answer over HTTPS"},
	{paccMissing, Error, "The digest promises a document that is not there.", "ua-auto-config.{domain}. 3600 IN CNAME {service}."},
	{paccNoDigest, Warning, "Without its digest in DNS no program uses the document.", "add the TXT record of _ua-auto-config.{domain} that 'milepost dns {domain}' prints"},
	{paccDigest, Error, "The document is not the one that DNS vouches for, so programs refuse it.", "put the TXT record of _ua-auto-config.{domain} anew: 'milepost dns {domain}' prints it"},
	{paccRefused, Error, "The document breaks the draft's rules.", "serve what 'milepost show -format pacc {domain}' prints at {place}"},
	{profileRefused, Error, "An iPhone does not install it.", "serve what 'milepost show -format mobileconfig {domain}' prints at {place}"},
	{srvPort, Error, "The label says when TLS starts, whatever the port.", "_imaps._tcp.{domain}. 3600 IN SRV 0 1 993 MAIL-HOST.\n_submissions._tcp.{domain}. 3600 IN SRV 0 1 465 MAIL-HOST.\n_submission._tcp.{domain}. 3600 IN SRV 0 1 587 MAIL-HOST."},
	{srvNoAddress, Error, "The record leads to a host that does not exist.", "'milepost dns {domain}' prints the right records"},
	{srvAlias, Warning, "The target of an SRV record must have an address itself (RFC 2782); some resolvers' users get nothing.", "put the alias's own target into {place}"},
}

var kindsOfServers = []explained{
	{wrongProtocol, Error, "Another service listens at the port.", "the right port in the provider's file: [[incoming]] protocol = \"imap\" port = 993"},
	{serverNoAddress, Error, "The settings name a host that does not exist.", "{host}. 3600 IN A ADDRESS-OF-THE-MAIL-SERVER"},
	{serverUnreachable, Error, "The settings lead to a server that does not answer.", "have the server listen there and the firewall let it through, or give the right hostname and port in the provider's file"},
	{serverNoTLS, Error, "The settings promise TLS from the first byte.", "Dovecot: 'inet_listener imaps { port = 993 ssl = yes }'; or, if the port speaks STARTTLS, socket_type = \"STARTTLS\" in the provider's file"},
	{serverNoStartTLS, Error, "The settings demand STARTTLS and the server does not offer it: it is not set up, or something on the way takes it out.", "Dovecot: 'ssl = required'; Postfix: 'smtpd_tls_security_level = may' with a certificate; or look for a firewall that inspects mail"},
	{serverSilent, Error, "The port is open, and no mail server answers there.", "have the mail server listen there, or give the right port in the provider's file"},
	{loginDisabled, Error, "The server takes no password from anybody.", "Dovecot: 'auth_mechanisms = plain login'; and 'disable_plaintext_auth = no' only if TLS ends at a proxy before it"},
	{loginNeedsTLS, Error, "The server is right not to take a password in clear text; the settings are wrong.", "socket_type = \"SSL\" in the provider's file, with the port of TLS"},
	{submissionNoAuth, Error, "Without AUTH nobody can send.", "Postfix, for submission in master.cf: '-o smtpd_sasl_auth_enable=yes'"},
	{serverOAuthAlone, Error, "Programs know OAuth2 for a few large providers alone.", "a way to log in with a password, or with one for each program"},
	{noEncryptedPassword, Error, "The settings promise a method that the server does not have.", "authentication = [\"password-cleartext\"] in the provider's file: TLS protects the password"},
	{smallMessages, Note, "Many messages with attachments are longer.", "Postfix: 'message_size_limit = 52428800'"},
}

var kindsOfAbsence = []explained{
	{noAutodiscover, Error, "Outlook and eM Client find nothing and leave everything to the person.", discoverRecord + "\n_autodiscover._tcp.{domain}. 3600 IN SRV 0 0 443 {service}."},
	{noAutoconfig, Error, "Thunderbird, Evolution, KMail, Delta Chat and others find nothing and leave everything to the person.", configRecord},
	{noProfile, Warning, "Apple's programs look for PACC alone, and guess without it; a profile spares people the typing.", "ua-auto-config.{domain}. 3600 IN CNAME {service}.\nor a link to the page for people, https://autoconfig.{domain}/, which has the profile"},
	{noIncomingSRV, Error, "Programs that go by the records of RFC 6186 find no server for incoming mail.", "_imaps._tcp.{domain}. 3600 IN SRV 0 1 993 MAIL-HOST."},
	{noOutgoingSRV, Error, "Programs that go by the records of RFC 6186 find no server to send with.", "_submissions._tcp.{domain}. 3600 IN SRV 0 1 465 MAIL-HOST.\n_submission._tcp.{domain}. 3600 IN SRV 0 1 587 MAIL-HOST."},
	{documentMissing, Error, "The host is there for mail settings, and does not have those of this domain.", "add {domain} to the domains of its provider's file: domains = [\"{domain}\"]; behind a proxy, have it pass {place} on"},
	{catalogueDiffers, Warning, "The catalogue is not what programs go by, so a change of it will not reach them.", "publish what the catalogue says: 'milepost dns {domain}' prints the records, and a document that somebody else serves at {place} has to go"},
	{clientsDiffer, Warning, "People who compare their settings find different ones, and what works for one need not for another.", "give the same servers in all places: 'milepost dns {domain}' and 'milepost show {domain}' print what belongs together"},
	{expiresSoon, Warning, "When it has expired nobody finds settings or gets mail.", "renew the certificate of {host}"},
	{documentNotes, Note, "The draft has programs pass over what they do not know; each program decides for itself what that is.", "take it out of {place}, or write it as the draft does: 'milepost show {domain}' prints an example"},
	{notSeen, Note, "It was not asked, so nothing is known of it.", "run the doctor again; if it was not allowed, and is a server of yours: [doctor] allow = [\"ADDRESS\"] in milepost.toml"},
}
