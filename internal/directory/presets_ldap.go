package directory

import (
	"milepost/internal/config"
	"milepost/settings"
)

// ldapPreset is what a system keeps in LDAP. The pages in testdata/ldap have each
// system's schema, and say where it was read.
type ldapPreset struct {
	domains []ldapSearch
	// configuration: the domains are in Active Directory's configuration, which has a
	// naming context of its own.
	configuration bool

	login                         string // filter
	loginAttribute, nameAttribute string
}

// ldapSearch is a filter and the attributes that hold domains.
type ldapSearch struct {
	filter     string
	attributes []string
}

var ldapPresets = map[string]ldapPreset{
	// iRedMail: the base is o=domains,dc=example,dc=com. An alias domain counts where
	// the domain has the service domainalias, as for its Postfix. Its users' addresses in alias
	// domains are among their shadowAddress.
	"iredmail": {
		domains: []ldapSearch{
			{iredmailDomains("(enabledService=mail)"), []string{"domainName"}},
			{iredmailDomains("(enabledService=mail)(enabledService=domainalias)"), []string{"domainAliasName"}},
		},
		login: "(&(objectClass=mailUser)(accountStatus=active)(!(domainStatus=disabled))(enabledService=mail)" +
			"(|(mail=" + settings.EmailAddress + ")(shadowAddress=" + settings.EmailAddress + ")))",
		loginAttribute: "mail", nameAttribute: "cn",
	},
	// Active Directory: the accepted domains of Exchange, and the UPN suffixes that were
	// added to the forest. The login name is the userPrincipalName. Accounts that are
	// disabled count: those of shared mailboxes are.
	"activedirectory": {
		domains: []ldapSearch{
			{"(objectClass=msExchAcceptedDomain)", []string{"msExchAcceptedDomainName"}},
			{"(objectClass=crossRefContainer)", []string{"uPNSuffixes"}},
		},
		configuration: true,
		login: "(&(objectClass=user)(|(userPrincipalName=" + settings.EmailAddress + ")(mail=" + settings.EmailAddress + ")" +
			"(proxyAddresses=smtp:" + settings.EmailAddress + ")))",
		loginAttribute: "userPrincipalName", nameAttribute: "displayName",
	},
	// A plain OpenLDAP: the domains that entries are related to (RFC 4524 §3.4), and
	// people by their mail (RFC 2798).
	"openldap": {
		domains:        []ldapSearch{{"(objectClass=domainRelatedObject)", []string{"associatedDomain"}}},
		login:          "(&(objectClass=inetOrgPerson)(mail=" + settings.EmailAddress + "))",
		loginAttribute: "uid", nameAttribute: "cn",
	},
}

func iredmailDomains(services string) string {
	return "(&(objectClass=mailDomain)(accountStatus=active)(!(domainBackupMX=yes))" + services + ")"
}

// searches are those of a source: of what it has itself, else of its preset. The key is
// that of the mistake.
func (p ldapPreset) searches(source config.Source) (searches []ldapSearch, key string, err error) {
	if source.Filter == "" && source.DomainAttribute == "" {
		return p.domains, "", nil
	}
	var s ldapSearch
	if len(p.domains) > 0 {
		s.filter = p.domains[0].filter
	}
	for _, known := range p.domains {
		s.attributes = append(s.attributes, known.attributes...)
	}
	if source.Filter != "" {
		if err := parseFilter(source.Filter); err != nil {
			return nil, "filter", err
		}
		s.filter = source.Filter
	}
	if source.DomainAttribute != "" {
		if s.attributes, err = parseAttributes(source.DomainAttribute); err != nil {
			return nil, "domain_attribute", err
		}
	}
	return []ldapSearch{s}, "", nil
}
