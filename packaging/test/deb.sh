#!/usr/bin/env bash
# Installs, upgrades, rolls back, removes and purges a package in a fresh Debian, first
# in a chroot, then with systemd running: packaging/test/deb.sh PACKAGE PEBBLE. PEBBLE is
# the program of an ACME server (github.com/letsencrypt/pebble).
# shellcheck disable=SC1091,SC2015,SC2016 # $(…) in formats of apt and dpkg; A && B || fail is meant so
set -euo pipefail
deb=$(readlink -f "$1")
pebble=$(readlink -f "$2")
work=$(mktemp -d)
root=$work/root
server='' boot='' leader=''
cleanup() {
  status=$?
  [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
  if [ -n "$boot" ]; then
    kill -TERM "$boot" 2>/dev/null || true # nspawn ends its children
    wait "$boot" 2>/dev/null || true
  fi
  for dir in dev/pts dev proc; do umount -l "$root/$dir" 2>/dev/null || true; done
  rm -rf --one-file-system "$work"
  exit $status
}
trap cleanup EXIT
say() { printf '   %s\n' "$*"; }
fail() {
  printf 'FAIL: %s\n' "$*"
  [ -z "$leader" ] || inside journalctl --no-pager -o cat -u milepost.service >"$work/journal" || true
  for f in "$work"/out "$work"/log "$work"/boot "$work"/journal; do [ ! -s "$f" ] || tail -30 "$f" | sed 's/^/  | /'; done
  exit 1
}
in_root() { LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" "$@"; }
dpkg_quiet() { in_root dpkg "$@" </dev/null >"$work/log" 2>&1 || fail "dpkg $*"; : >"$work/log"; }

# From where this machine has its own packages.
. /etc/os-release
mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $VERSION_CODENAME" 'Component: main' 'Created-By: Packages' | head -1)
debootstrap --variant=minbase --include=ca-certificates,curl,dbus,procps,systemd,systemd-sysv "$VERSION_CODENAME" "$root" "$mirror" >"$work/log" 2>&1 ||
  fail "debootstrap"
mount -t proc proc "$root/proc"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
say "Debian $VERSION_CODENAME, $(in_root dpkg-query -W | wc -l) packages"

# What a purge must leave as it was: every name with its owner and mode, and what
# stands in the files of /etc.
snapshot() {
  in_root find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /run -o -path /var/log -o -path /var/cache \) -prune -o \
    ! -name '*-' ! -name '*-old' ! -path '/var/lib/dpkg/*' -printf '%y %m %u:%g %p %l\n' | sort
  in_root find /etc -type f ! -name '*-' -exec md5sum {} + | sort
}
# The package as its next version would be, with another configuration shipped.
repack() { # VERSION
  rm -rf "$work/next"
  dpkg-deb -R "$deb" "$work/next"
  sed -i "s/^Version: .*/Version: $1/" "$work/next/DEBIAN/control"
  echo "# shipped with $1" >>"$work/next/etc/milepost/milepost.toml"
  (cd "$work/next" && find etc usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
  dpkg-deb --root-owner-group -Znone -b "$work/next" "$root/tmp/$1.deb" >/dev/null
}
cp "$deb" "$root/tmp/milepost.deb"
version=$(dpkg-deb -f "$deb" Version)
repack 999.1
repack 999.2
conf=$root/etc/milepost/milepost.toml
provider='display_name = "Hoster"
domains = ["customer.example", "hoster.example"]
[[incoming]]
protocol = "imap"
hostname = "mail.hoster.example"
[[outgoing]]
hostname = "mail.hoster.example"'
snapshot >"$work/before"

dpkg_quiet -i /tmp/milepost.deb
[ "$(in_root dpkg-query -W -f '${Status} ${Version}' milepost)" = "install ok installed $version" ] || fail "not installed"
[ -z "$(in_root dpkg --verify milepost)" ] || fail "$(in_root dpkg --verify milepost)"
for f in README.Debian changelog.gz quickstart.md examples/example.com.toml; do
  [ -s "$root/usr/share/doc/milepost/$f" ] || fail "no $f among the documentation"
done
in_root milepost version | grep "^milepost .* (commit [0-9a-f]\{40\}" >/dev/null || fail "milepost version"
in_root getent passwd milepost | grep ':/var/lib/milepost:/usr/sbin/nologin$' >/dev/null || fail "$(in_root getent passwd milepost)"
[ "$(stat -c %A "$root/etc/milepost") $(in_root stat -c %U:%G /etc/milepost)" = "drwxr-x--- root:milepost" ] || fail "/etc/milepost is open"
[ "$(in_root systemctl is-enabled milepost.service)" = enabled ] || fail "not enabled"
[ "$(in_root systemctl is-enabled milepost-http.socket)" = disabled ] || fail "a socket is enabled"
say "installs and configures without systemd running"

# As the unit starts it, in a network of its own, so that its ports are free.
exec_start=$(sed -n 's/^ExecStart=//p' "$root/usr/lib/systemd/system/milepost.service")
install -d -m 0700 "$root/var/lib/milepost"
in_root chown milepost: /var/lib/milepost
# shellcheck disable=SC2086
unshare --net sh -c 'ip link set lo up; exec "$@"' - chroot "$root" setpriv --reuid milepost --regid milepost --clear-groups \
  --no-new-privs --bounding-set=-all,+net_bind_service --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service \
  $exec_start >"$work/out" 2>"$work/log" &
server=$!
for _ in $(seq 100); do
  ! grep -q 'http listening' "$work/out" || break
  sleep 0.1
done
port=$(sed -n 's/^milepost: http listening on .*:\([0-9]*\)$/\1/p' "$work/out" | head -1)
[ -n "$port" ] || fail "$exec_start does not listen"
nsenter --target "$server" --net chroot "$root" curl -fsS "http://127.0.0.1:$port/v1.1/gmail.com" | grep '<hostname>imap.gmail.com</hostname>' >/dev/null || fail "no answer"
kill -TERM "$server"
wait "$server" || fail "exit code $? on SIGTERM"
server=''
say "answers with the installed configuration, as user milepost"

dpkg_quiet -i /tmp/999.1.deb
grep -q 'shipped with 999.1' "$conf" || fail "a configuration that nobody touched stays old"
echo '# ours' >>"$conf"
chmod 0755 "$root/etc/milepost"
in_root systemctl disable milepost.service 2>/dev/null
touch "$root/var/lib/milepost/kept" "$root/etc/milepost/providers/example.com.toml"
dpkg_quiet --force-confdef --force-confold -i /tmp/999.2.deb
grep -qx '# ours' "$conf" || fail "an upgrade overwrites the admin's configuration"
grep -q 'shipped with 999.2' "$conf.dpkg-dist" || fail "the new configuration is not beside it"
[ "$(stat -c %a "$root/etc/milepost")" = 755 ] || fail "an upgrade changes the mode of /etc/milepost"
[ "$(in_root systemctl is-enabled milepost.service)" = disabled ] || fail "an upgrade enables what the admin disabled"
dpkg_quiet --force-confdef --force-confold -i /tmp/milepost.deb
[ "$(in_root dpkg-query -W -f '${Version}' milepost)" = "$version" ] && grep -qx '# ours' "$conf" || fail "rolling back"
say "upgrades and rolls back; the admin's configuration, mode and choice stay"

dpkg_quiet -r milepost
[ ! -e "$root/usr/bin/milepost" ] && [ -e "$conf" ] && [ -e "$root/var/lib/milepost/kept" ] || fail "a removal keeps the wrong files"
dpkg_quiet -P milepost
snapshot >"$work/after"
diff "$work/before" "$work/after" >"$work/log" || fail "a purge leaves something (<) or takes too much (>)"
say "removes and purges; $(wc -l <"$work/before") names and files are as they were before"

umount "$root/proc"
rm "$root/usr/sbin/policy-rc.d"
# Without a terminal, a network, or a name on this machine's bus.
systemd-nspawn -q -D "$root" --register=no --keep-unit --private-network --console=pipe --machine="milepost-test-$$" -b </dev/null >"$work/boot" 2>&1 &
boot=$!
for _ in $(seq 300); do
  leader=$(pgrep -P "$boot" -x systemd || true)
  [ -z "$leader" ] || case $(nsenter -t "$leader" -a systemctl is-system-running 2>/dev/null) in running | degraded) break ;; esac
  kill -0 "$boot" 2>/dev/null || break
  sleep 0.1
done
if [ -z "$leader" ] || ! kill -0 "$boot" 2>/dev/null; then
  fail "systemd does not start in a container"
fi
inside() { LC_ALL=C DEBIAN_FRONTEND=noninteractive nsenter -t "$leader" -a "$@"; }
main() { inside systemctl show -P MainPID milepost.service; }
until_ok() { # as long as 20 s
  for _ in $(seq 200); do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  fail "never: $*"
}
ask() { inside curl -fsS --max-time 10 "http://127.0.0.1:$1/v1.1/gmail.com" | grep '<hostname>imap.gmail.com</hostname>'; }
say "systemd $(inside systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p') runs"

cp "$deb" "$root/root/milepost.deb"
inside systemd-run -q --unit taken --socket-property "ListenStream=127.0.0.1:$port" true
inside dpkg -i /root/milepost.deb </dev/null >"$work/log" 2>&1 || fail "dpkg -i, where another program has port $port"
gone() { [ "$(inside systemctl show -P ActiveState milepost.service)" = failed ]; }
until_ok gone
inside journalctl --no-pager -u milepost.service | grep "127.0.0.1:$port.* in use" >/dev/null || fail "it does not say that port $port is in use"
inside systemctl stop taken.socket
inside systemctl reset-failed milepost.service
inside systemctl start milepost.service || fail "it does not start when the port is free"
say "installs where another program has its port, says so, and starts when that is gone"
ask "$port" >/dev/null || fail "no answer"
status() { inside systemctl show -P StatusText milepost.service; }
one=$(status)
told() { [ "$(status)" != "$one" ]; } # what it serves now
own() { inside curl -fsS --max-time 10 "http://127.0.0.1:$port/v1.1/customer.example" | grep '<hostname>mail.hoster.example</hostname>'; }
echo "$provider" >"$root/etc/milepost/providers/hoster.toml"
until_ok own
until_ok told
first=$(main)
inside systemctl reload milepost.service || fail "reload"
[ "$(main)" = "$first" ] && [ "$(inside systemctl show -P ActiveState milepost.service)" = active ] || fail "a reload starts it afresh"
grep -q '^CapEff:[[:space:]]*0000000000000400$' <(inside cat "/proc/$first/status") || fail "other capabilities than CAP_NET_BIND_SERVICE"
[ "$(inside stat -c '%U %a' /var/lib/milepost)" = "milepost 700" ] || fail "/var/lib/milepost: $(inside stat -c '%U %a' /var/lib/milepost)"
say "the hardened unit starts, answers and reloads; status: $(status)"
one=$(status)
echo nonsense >"$root/etc/milepost/providers/other.toml"
inside systemctl reload milepost.service
refused() { [ "$(status)" = "$one; the last reload was refused" ]; }
until_ok refused
own >/dev/null || fail "a reload that is refused changes something"
rm "$root/etc/milepost/providers/other.toml"
inside systemctl reload milepost.service
again() { [ "$(status)" = "$one" ]; }
until_ok again
say "a reload with a mistake changes nothing, and the status says that it was refused"

inside mkdir -p /run/systemd/system/milepost.service.d
printf '[Service]\nWatchdogSec=1\nTimeoutAbortSec=2\n' | inside tee /run/systemd/system/milepost.service.d/test.conf >/dev/null
inside systemctl daemon-reload
inside systemctl restart milepost.service
hung=$(main)
inside kill -STOP "$hung"
restarted() { [ "$(main)" != "$hung" ] && [ "$(main)" != 0 ] && inside systemctl is-active milepost.service; }
until_ok restarted
inside journalctl --no-pager -u milepost.service | grep "Failed with result 'watchdog'" >/dev/null || fail "it was not the watchdog"
ask "$port" >/dev/null || fail "no answer after the watchdog"
say "a server that hangs is started afresh by the watchdog"

inside mkdir -p /etc/systemd/system/milepost.service.d
inside cp /usr/share/doc/milepost/examples/no-capabilities.conf /etc/systemd/system/milepost.service.d/
inside systemctl stop milepost.service
inside systemctl daemon-reload
inside systemctl enable --now milepost-http.socket 2>/dev/null
[ "$(inside systemctl is-active milepost.service)" = inactive ] || fail "it runs without a request"
ask 80 >/dev/null || fail "no answer on the socket of systemd"
grep -q '^CapBnd:[[:space:]]*0000000000000000$' <(inside cat "/proc/$(main)/status") || fail "capabilities"
(for _ in $(seq 100); do ask 80 >/dev/null || echo lost; done) >"$work/asked" &
asking=$!
for _ in 1 2 3; do inside systemctl restart milepost.service; done
wait "$asking"
[ ! -s "$work/asked" ] || fail "$(wc -l <"$work/asked") of 100 requests were lost while it was restarted"
say "starts by its socket on port 80, without capabilities; 100 requests during 3 restarts, none lost"

# All sockets, one of them the admin's own, and certificates from an ACME server. That
# learns from this DNS server where this HTTP server is.
inside systemctl stop milepost.service 2>/dev/null
install -m 0755 "$pebble" "$root/usr/local/bin/pebble"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=pebble -addext subjectAltName=IP:127.0.0.1 \
  -keyout "$root/root/pebble.key" -out "$root/root/pebble.pem" 2>/dev/null
cat >"$root/root/pebble.json" <<'EOF'
{"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "certificate": "/root/pebble.pem", "privateKey": "/root/pebble.key",
  "httpPort": 80, "tlsPort": 443, "retryAfter": {"authz": 1, "order": 1}}}
EOF
inside systemd-run -q --unit pebble --setenv PEBBLE_VA_NOSLEEP=1 pebble -dnsserver 127.0.0.1:53 -config /root/pebble.json
install -m 0644 "$root/root/pebble.pem" "$root/etc/milepost/acme-ca.pem"
echo 'mail A 127.0.0.1' >"$root/etc/milepost/hoster.zone"
cat >"$conf" <<'EOF'
[https]
listen = [":443"]
[tls]
acme = true
directory = "https://127.0.0.1:14000/dir"
ca = "acme-ca.pem"
[service]
host = "mail.hoster.example"
addresses = ["127.0.0.1"]
[catalogue]
providers = ["providers"]
[dns]
listen = ":53"
[[dns.zone]]
name = "hoster.example"
records = "hoster.zone"
EOF
cat >"$root/etc/systemd/system/milepost-admin.socket" <<'EOF'
[Socket]
ListenStream=127.0.0.1:9180
FileDescriptorName=admin
Service=milepost.service
EOF
pebble_root() { inside curl -fsS --cacert /root/pebble.pem https://127.0.0.1:15000/roots/0; }
until_ok pebble_root
pebble_root >"$root/root/issued.pem"
inside systemctl daemon-reload
inside systemctl enable --now milepost-https.socket milepost-dns.socket milepost-admin.socket 2>/dev/null
dns() { [ "$(nsenter -t "$leader" -n dig +short +tries=1 +time=10 "$@" @127.0.0.1 _imaps._tcp.customer.example SRV)" = '0 1 993 mail.hoster.example.' ]; }
https() { inside curl -fsS --max-time 60 --cacert /root/issued.pem --connect-to ::127.0.0.1: "https://$1/mail/config-v1.1.xml?emailaddress=fred@customer.example" | grep '<hostname>mail.hoster.example</hostname>'; }
admin() { inside curl -fsS --max-time 10 "http://127.0.0.1:9180$1"; }
[ "$(inside systemctl is-active milepost.service)" = inactive ] || fail "it runs without a question"
dns +notcp || fail "no answer over UDP on the socket of systemd"
dns +tcp || fail "no answer over TCP on the socket of systemd"
https autoconfig.customer.example >/dev/null || fail "no answer over HTTPS on the socket of systemd"
until_ok admin /readyz # with the certificate of mail.hoster.example
https mail.hoster.example >/dev/null || fail "no answer over HTTPS at the service's own host"
ordered=$(admin /metrics | sed -n 's/^milepost_acme_orders_total{result="ok"} //p')
[ "$ordered" = 2 ] || fail "$ordered certificates were ordered"
grep -q '^CapBnd:[[:space:]]*0000000000000000$' <(inside cat "/proc/$(main)/status") || fail "capabilities"
(for _ in $(seq 100); do { dns +notcp && https mail.hoster.example >/dev/null; } || echo lost; done) >"$work/asked" 2>&1 &
asking=$!
for _ in 1 2 3; do inside systemctl restart milepost.service; done
wait "$asking"
[ ! -s "$work/asked" ] || fail "$(wc -l <"$work/asked") of 100 questions were lost while it was restarted"
say "answers on sockets for HTTPS, DNS and admin, with $ordered certificates that it got from an ACME server; 100 questions during 3 restarts, none lost"

inside systemctl stop milepost-http.socket milepost-https.socket milepost-dns.socket milepost-admin.socket milepost.service
inside rm /etc/systemd/system/milepost.service.d/no-capabilities.conf
inside systemctl daemon-reload
inside systemctl start milepost.service || fail "it does not start with ports of its own"
{ dns +notcp && dns +tcp && https mail.hoster.example; } >/dev/null || fail "no answer on ports of its own"
[ "$(inside stat -c '%U %a' /var/lib/milepost/certificates)" = "milepost 700" ] || fail "/var/lib/milepost/certificates: $(inside stat -c '%U %a' /var/lib/milepost/certificates)"
say "opens ports 443 and 53 by itself, with the certificates that it kept"

inside dpkg -P milepost </dev/null >"$work/log" 2>&1 || fail "dpkg -P"
[ -z "$(inside pgrep -x milepost || true)" ] || fail "it still runs"
! inside curl -s --max-time 2 http://127.0.0.1/ >/dev/null || fail "port 80 is still open"
[ ! -e "$root/etc/systemd/system/sockets.target.wants/milepost-http.socket" ] || fail "the socket is still enabled"
say "a purge stops service and socket"
