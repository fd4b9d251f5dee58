#!/usr/bin/env bash
# A domain as docs/quickstart.md sets it up, with real programs: milepost, NSD, Unbound,
# Dovecot, and first Postfix, then chasquid, in a network of its own, so that they have their
# real ports. The doctor must find that every mail program works, and discover must write the
# file that milepost serves: packaging/test/doctor.sh MILEPOST. Needs root.
set -euo pipefail
if [ "${2:-}" != inside ]; then
  exec unshare --net --mount --pid --fork --kill-child "$0" "$(readlink -f "$1")" inside
fi
milepost=$1
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT # the servers end with the namespace
chmod 755 "$work"
cd "$work"
fail() {
  printf 'FAIL: %s\n' "$*"
  for f in *.log out; do [ ! -s "$f" ] || tail -n 20 "$f" | sed "s/^/  | $f: /"; done
  exit 1
}

ip link set lo up
for host in 10 25 53; do ip addr add 192.0.2.$host/32 dev lo; done

mkdir providers
cat >providers/example.com.toml <<'END'
display_name = "Example"
domains = ["example.com"]

[[incoming]]
protocol = "imap"
hostname = "mail.example.com"

[[incoming]]
protocol = "pop3"
hostname = "mail.example.com"

[[outgoing]]
hostname = "mail.example.com"

[[outgoing]]
hostname = "mail.example.com"
socket_type = "STARTTLS"
END

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 90 -subj '/CN=Test CA' 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out csr.pem -subj /CN=mail.example.com 2>/dev/null
echo 'subjectAltName=DNS:mail.example.com,DNS:service.example.net,DNS:autoconfig.example.com,DNS:autodiscover.example.com,DNS:ua-auto-config.example.com' >names
openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -days 60 -extfile names -out leaf.pem 2>/dev/null
cat leaf.pem ca.pem >cert.pem

{
  "$milepost" dns -no-builtin -providers providers -service-host service.example.net -name-server ns.example.net example.com
  echo '@ MX 10 mail'
  echo 'mail A 192.0.2.25'
} >example.com.zone
cat >example.net.zone <<'END'
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 192.0.2.53
service A 192.0.2.10
END
cat >nsd.conf <<END
server:
  ip-address: 192.0.2.53
  username: ""
  zonesdir: "$work"
  pidfile: "$work/nsd.pid"
  xfrdfile: "$work/xfrd"
  zonelistfile: "$work/zonelist"
remote-control:
  control-enable: no
zone:
  name: example.com
  zonefile: example.com.zone
zone:
  name: example.net
  zonefile: example.net.zone
END
cat >unbound.conf <<END
server:
  interface: 127.0.0.1
  username: ""
  chroot: ""
  pidfile: "$work/unbound.pid"
  use-syslog: no
  module-config: "iterator"
  do-ip6: no
remote-control:
  control-enable: no
stub-zone:
  name: example.com
  stub-addr: 192.0.2.53
stub-zone:
  name: example.net
  stub-addr: 192.0.2.53
END
cat >milepost.toml <<'END'
[http]
listen = ["192.0.2.10:80"]
[https]
listen = ["192.0.2.10:443"]
[tls]
cert = "cert.pem"
key = "key.pem"
END
cat >dovecot.conf <<END
base_dir = $work/dovecot
log_path = $work/dovecot.log
protocols = imap pop3
listen = 192.0.2.25
ssl = required
ssl_cert = <$work/cert.pem
ssl_key = <$work/key.pem
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=$work/mail
}
service auth {
  unix_listener $work/queue/private/auth {
    mode = 0666
  }
}
END
mkdir -p postfix queue/private data
chown postfix data queue/private
cat >postfix/main.cf <<END
compatibility_level = 3.6
queue_directory = $work/queue
data_directory = $work/data
inet_interfaces = 192.0.2.25
inet_protocols = ipv4
myhostname = mail.example.com
mydestination = example.com
alias_maps =
alias_database =
smtpd_tls_cert_file = $work/cert.pem
smtpd_tls_key_file = $work/key.pem
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
message_size_limit = 52428800
maillog_file = $work/postfix.log
maillog_file_prefixes = $work
END
cat >postfix/master.cf <<'END'
587 inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes
465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes
anvil unix - - n - 1 anvil
cleanup unix n - n - 0 cleanup
postlog unix-dgram n - n - 1 postlogd
proxymap unix - - n - - proxymap
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
tlsmgr unix - - n 1000? 1 tlsmgr
END

mkdir -p chasquid/certs/mail.example.com chasquid/domains/example.com
cp cert.pem chasquid/certs/mail.example.com/fullchain.pem
cp key.pem chasquid/certs/mail.example.com/privkey.pem
cat >chasquid/chasquid.conf <<END
hostname: "mail.example.com"
smtp_address: "192.0.2.25:25"
submission_address: "192.0.2.25:587"
submission_over_tls_address: "192.0.2.25:465"
data_dir: "$work/chasquid/data"
mail_log_path: "$work/chasquid.mail.log"
dovecot_auth: true
dovecot_userdb_path: "$work/dovecot/auth-userdb"
dovecot_client_path: "$work/dovecot/auth-client"
END

nsd -d -c nsd.conf >nsd.log 2>&1 &
unbound -d -c unbound.conf >unbound.log 2>&1 &
dovecot -F -c dovecot.conf >dovecot.out.log 2>&1 &
postfix -c "$work/postfix" start >postfix.start.log 2>&1 || fail "Postfix does not start"
"$milepost" serve -no-builtin -config milepost.toml -providers providers >milepost.log 2>&1 &

doctor=("$milepost" doctor -resolver 127.0.0.1 -ca ca.pem -no-builtin -providers providers -compare)
works() { # as soon as all have started
  for _ in $(seq 30); do
    status=0
    "${doctor[@]}" fred@example.com >out 2>&1 || status=$?
    [ "$status" != 0 ] || break
    sleep 0.5
  done
  [ "$status" = 0 ] || fail "$1: the doctor's exit status is $status"
  grep -q '^example.com: grade A, every program works$' out || fail "$1: the doctor finds something"
}
works Postfix
[ "$("${doctor[@]}" -format json fred@example.com | jq -r '[.grade, (.clients | map(select(.verdict == "works")) | length), (.findings | length)] | @text')" = '["A",19,0]' ] || fail "the JSON says something else"
"$milepost" discover -resolver 127.0.0.1 -ca ca.pem fred@example.com >discovered 2>out || fail "discover fails"
diff <(tail -n +2 discovered) providers/example.com.toml || fail "discover writes another file than is served"
for client in $(seq 3); do [ -s postfix.log ] && break; sleep "$client"; done
if grep -Eq 'auth=|rcpt=' postfix.log; then fail "the doctor has logged in, or named a recipient"; fi
postfix -c "$work/postfix" stop >/dev/null 2>&1 || true

chasquid --config_dir="$work/chasquid" >chasquid.log 2>&1 &
works chasquid
if grep -Eq 'auth (succeeded|failed)|rcpt' chasquid.mail.log; then fail "the doctor has logged in, or named a recipient"; fi
echo "   every program works, with Postfix and with chasquid; discover writes the file that is served"
