package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
)

const manual = `NAME
    milepost - tells mail programs their settings

SYNOPSIS
    milepost serve [-http ADDR] [-dns ADDR] [-config FILE] [-public-url URL] [-sign-cert FILE -sign-key FILE]
                   [-providers DIR]... [-no-builtin]
    milepost show [-format FORMAT] [-all-servers] [-public-url URL] [-sign-cert FILE -sign-key FILE]
                  [-providers DIR]... [-no-builtin] ADDRESS-or-DOMAIN
    milepost dns [-format FORMAT] [-service-host NAME] [-service-address IP]... [-name-server NAME]...
                 [-not-offered SERVICES] [-ttl SECONDS] [-providers DIR]... [-no-builtin] -all | DOMAIN...
    milepost check [-config FILE [-public-url URL]] [PATH]...
    milepost version

COMMANDS
    serve   answers over HTTP, and with -dns over DNS, until SIGINT or SIGTERM;
            SIGHUP reads the providers and the configuration again, and keeps
            the old ones if there is a mistake
    show    prints what serve would send for an address or a domain
    dns     prints the DNS records that lead mail programs to the settings of
            domains, to be put where their DNS is kept
    check   reads provider files, or directories of them, and prints every
            mistake; without PATH, those that are built in. With -config, the
            configuration too, and the zones that serve would make of both.
    version prints the version

OPTIONS
    -http ADDR
            where to listen (default 127.0.0.1:8080); port 0 picks a free one
    -dns ADDR
            where to answer DNS questions, over UDP and TCP, as :53; port 0 picks
            a free one. The server is authoritative for _tcp, autoconfig and
            autodiscover of every domain that came with -providers, unless the
            configuration says otherwise.
    -config FILE
            milepost.toml: the service's name, looks and addresses, zones, name
            servers, secondaries and keys; docs/dns.md and docs/pages.md
            describe it
    -public-url URL
            the HTTPS address under which the server is reached, as
            https://mail.example.com: Autodiscover requests by plain HTTP are
            sent there, the JSON form names it, and the pages for people have
            a QR code that opens a profile there on a phone
    -sign-cert FILE, -sign-key FILE
            a certificate with its intermediates, and its RSA or ECDSA key, in
            PEM, to sign Apple profiles with; the one that the server has for
            HTTPS will do. The files are read again when they change.
    -providers DIR
            a directory of provider files (*.toml); may be given several
            times: a later one's provider replaces an earlier one's, and the
            shipped one's, by id, and takes its domains over
    -no-builtin
            leaves the shipped catalogue out
    -format FORMAT, of show
            autoconfig: the document that serve sends (default);
            autodiscover: the one for Outlook;
            mobilesync: the one for ActiveSync, where the provider has it;
            autodiscover-json: what points to the one for Outlook;
            mobileconfig: the profile for iPhone, iPad and Mac;
            json: the whole provider as it is stored;
            text: a table for people
    -all-servers
            with -format autoconfig, every server and domain of the provider,
            as an ISP database keeps it

    -format FORMAT, of dns
            zone: a master file, as BIND, NSD and Knot read (default);
            json: a list of records, their names relative to the domain and
            their data as in a master file;
            nsupdate: an update for nsupdate or knsupdate, which replaces
            what stands at the same names and types;
            terraform: a *.tf.json file for the provider hashicorp/dns;
            octodns: a zone file for the YamlProvider, one document a domain
    -all    every domain that the catalogue names, in the order of their names
    -service-host NAME
            the name under which milepost serves: autoconfig.DOMAIN and
            autodiscover.DOMAIN become aliases of it, and Outlook is told of it
    -service-address IP
            an address of that server; may be given several times. The two
            names become addresses then, and no aliases.
    -name-server NAME
            with -format zone, a name server of the zone, outside of it; may be
            given several times
    -not-offered SERVICES
            which services, if a provider lacks them, have a record that says so:
            mail: IMAP, POP3 and submission (default);
            all: ManageSieve, JMAP, CalDAV and CardDAV too, unless somebody else
            serves them
    -ttl SECONDS
            how long the records may be kept, 1 to 2147483647 (default 3600)

EXIT STATUS
    0  done
    1  the answer is no: the domain is unknown, a catalogue has mistakes, the
       server cannot start
    2  the command line is not understood

EXAMPLES
    milepost serve -http :8080 -providers /etc/milepost/providers
    milepost serve -dns :53 -config /etc/milepost/milepost.toml -providers /etc/milepost/providers
    milepost show -format text fred@orange.fr
    milepost dns -service-host mail.example.net gmx.net gmx.de
    milepost dns -format nsupdate -service-host mail.example.net gmx.net | nsupdate -k key
    milepost check /etc/milepost/providers
`

func help(_ []string, stdout, _ io.Writer) int {
	fmt.Fprint(stdout, manual)
	return exitOK
}

func version(_ []string, stdout, _ io.Writer) int {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	fmt.Fprintln(stdout, "milepost", version)
	return exitOK
}

// parse reads a command's flags. False: the command ends with that code.
func parse(flags *flag.FlagSet, args []string, stdout, stderr io.Writer) (int, bool) {
	flags.SetOutput(io.Discard)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return help(nil, stdout, stderr), false
	case err != nil:
		complain(stderr, "%s: %s", flags.Name(), err)
		complain(stderr, "'milepost help' lists the options")
		return exitUsage, false
	}
	return exitOK, true
}
