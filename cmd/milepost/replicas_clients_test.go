//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// get asks HAProxy on a connection of its own.
func (r *replicas) get(scheme, host, path string) (http.Header, string, error) {
	to := map[string]string{"http": r.http, "https": r.https}[scheme]
	return fetchFrom(to, scheme, host, path)
}

func fetchFrom(to, scheme, host, path string) (http.Header, string, error) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: host},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", to)
		},
	}}
	resp, err := client.Get(scheme + "://" + host + path)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.200s", resp.StatusCode, body)
	}
	return resp.Header, string(body), err
}

// lookUp asks as a resolver does: one name server after the other until one answers.
func (r *replicas) lookUp(name string, qtype uint16) (*dns.Msg, error) {
	client := dns.Client{Timeout: 500 * time.Millisecond}
	var errs []error
	for _, i := range rand.Perm(len(r.all)) {
		reply, _, err := client.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype), r.all[i].dns)
		if err == nil && reply.Rcode != dns.RcodeServerFailure && reply.Rcode != dns.RcodeRefused {
			return reply, nil
		}
		if err == nil {
			err = errors.New(dns.RcodeToString[reply.Rcode])
		}
		errs = append(errs, fmt.Errorf("%s: %w", r.all[i].dns, err))
	}
	return nil, errors.Join(errs...)
}

// traffic is what clients do meanwhile.
type traffic struct {
	stop                       context.CancelFunc
	clients                    sync.WaitGroup
	overHTTP, overHTTPS, again atomic.Int64
	questions, logins          atomic.Int64
}

// ask starts clients, and a mistake of the test for each request that fails.
func (r *replicas) ask(t *testing.T, names []string) *traffic {
	ctx, stop := context.WithCancel(t.Context())
	c := &traffic{stop: stop}
	loop := func(count *atomic.Int64, once func(domain string) error) {
		for range 2 {
			c.clients.Go(func() {
				for ctx.Err() == nil {
					domain := fmt.Sprintf("d%d.example", rand.IntN(steadyDomains))
					if err := once(domain); err != nil {
						t.Errorf("%s: %v", time.Now().Format("15:04:05.000"), err)
						return
					}
					count.Add(1)
					time.Sleep(2 * time.Millisecond)
				}
			})
		}
	}
	right := func(domain, body string, err error) error {
		if err == nil && !strings.Contains(body, "<domain>"+domain+"</domain>") {
			err = fmt.Errorf("%s: %.300s", domain, body)
		}
		return err
	}
	loop(&c.overHTTP, func(domain string) error {
		_, body, err := r.get("http", "autoconfig."+domain, "/mail/config-v1.1.xml")
		return right(domain, body, err)
	})
	// HAProxy sees no requests there, so a replica takes those with it that it has. Clients
	// ask again, and not within the milliseconds in which a killed process still accepts.
	again := func(name, path string) (body string, err error) {
		if _, body, err = r.get("https", name, path); err == nil {
			return body, nil
		}
		c.again.Add(1)
		time.Sleep(200 * time.Millisecond)
		_, body, second := r.get("https", name, path)
		if second != nil {
			return "", fmt.Errorf("twice: %w, %w", err, second)
		}
		return body, nil
	}
	loop(&c.overHTTPS, func(domain string) error {
		name := names[rand.IntN(len(names))]
		body, err := again(name, "/v1.1/"+domain)
		return right(domain, body, err)
	})
	loop(&c.logins, func(string) error {
		body, err := again(names[1], "/mail/config-v1.1.xml?emailaddress="+knownAddress)
		if err == nil && !strings.Contains(body, "<username>"+knownLogin+"<") && !strings.Contains(body, "<username>%EMAILADDRESS%<") {
			err = fmt.Errorf("neither login name nor fallback: %.500s", body)
		}
		return err
	})
	loop(&c.questions, func(domain string) error {
		reply, err := r.lookUp("_imaps._tcp."+domain, dns.TypeSRV)
		if err == nil && len(reply.Answer) != 1 {
			err = fmt.Errorf("%s: %v", domain, reply)
		}
		return err
	})
	return c
}

// end stops the clients and says what they have done.
func (c *traffic) end() string {
	c.stop()
	c.clients.Wait()
	return fmt.Sprintf("%d requests over HTTP, %d over HTTPS, %d for login names, of which %d were asked again; %d DNS questions",
		c.overHTTP.Load(), c.overHTTPS.Load(), c.logins.Load(), c.again.Load(), c.questions.Load())
}

// says is everything that a replica says of domains and names, each under the question.
func (one *replica) says(domains, names []string) map[string]string {
	out := make(map[string]string)
	for _, d := range domains {
		h, body, err := fetchFrom(one.http, "http", "autoconfig."+d, "/mail/config-v1.1.xml")
		out["document "+d] = fmt.Sprintf("%q %q %q %v", h.Get("Etag"), h.Get("Cache-Control"), body, err)
		for _, zone := range []string{"_tcp." + d, "autoconfig." + d, "autodiscover." + d} {
			out["zone "+zone] = one.zone(zone)
		}
	}
	for _, name := range names {
		conn, err := tls.Dial("tcp", one.https, &tls.Config{InsecureSkipVerify: true, ServerName: name})
		if err != nil {
			out["certificate "+name] = err.Error()
			continue
		}
		out["certificate "+name] = fmt.Sprintf("%x", sha256.Sum256(conn.ConnectionState().PeerCertificates[0].Raw))
		conn.Close()
	}
	return out
}

// zone copies a zone.
func (one *replica) zone(name string) string {
	var records strings.Builder
	transfer := new(dns.Transfer)
	envelopes, err := transfer.In(new(dns.Msg).SetAxfr(dns.Fqdn(name)), one.dns)
	if err != nil {
		return err.Error()
	}
	for e := range envelopes {
		if e.Error != nil {
			return e.Error.Error()
		}
		for _, rr := range e.RR {
			records.WriteString(rr.String() + "\n")
		}
	}
	return records.String()
}

// wantSame waits until all replicas say the same, and names what differs if they do not.
func (r *replicas) wantSame(t *testing.T, domains, names []string) {
	t.Helper()
	var difference string
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if difference = r.difference(domains, names); difference == "" || time.Now().After(end) {
			break
		}
	}
	if difference != "" {
		t.Error(difference)
	}
	first := r.all[0].says(domains, names)
	for _, d := range domains {
		if !strings.Contains(first["document "+d], "<domain>"+d+"</domain>") || !strings.Contains(first["zone _tcp."+d], "SRV") {
			t.Errorf("%s: %s\n%s", d, first["document "+d], first["zone _tcp."+d])
		}
	}
	for _, name := range names {
		if len(first["certificate "+name]) != 2*sha256.Size {
			t.Errorf("%s: %s", name, first["certificate "+name])
		}
	}
	t.Logf("%d answers of each replica compared", len(first))
}

func (r *replicas) difference(domains, names []string) string {
	first := r.all[0].says(domains, names)
	for i, one := range r.all[1:] {
		said := one.says(domains, names)
		for _, question := range slices.Sorted(maps.Keys(first)) {
			if said[question] != first[question] {
				return fmt.Sprintf("%s: replica 0 says\n%s\nreplica %d\n%s", question, first[question], i+1, said[question])
			}
		}
	}
	return ""
}
