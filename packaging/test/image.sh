#!/usr/bin/env bash
# Runs the image: packaging/test/image.sh ARCHIVE. As a container of runc with a
# read-only root, no capabilities and the image's own user; where the machine allows
# no container, in its unpacked root as that user. It is asked from another network.
set -euo pipefail
archive=$(readlink -f "$1")
work=$(mktemp -d)
name=milepost-test-$$
pid='' runner='' client=''
cleanup() {
  [ -z "$client" ] || kill -KILL "$client" 2>/dev/null || true
  [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
  [ -z "$runner" ] || wait "$runner" 2>/dev/null || true
  runc delete --force "$name" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
say() { printf '   %s\n' "$*"; }
fail() { printf 'FAIL: %s\n' "$*"; for f in "$work"/out "$work"/log; do [ ! -s "$f" ] || sed 's/^/  | /' "$f"; done; exit 1; }

for arch in amd64 arm64; do
  # What engines do with an index of several architectures.
  skopeo copy -q --insecure-policy --override-arch $arch "oci-archive:$archive" "oci:$work/layout:$arch"
  umoci unpack --image "$work/layout:$arch" "$work/$arch" >/dev/null
  [ "$(jq -r '[.process.user.uid, .process.user.gid] | @csv' "$work/$arch/config.json")" = 65532,65532 ] || fail "$arch: another user"
done
case $(od -An -tx1 -j18 -N2 "$work/arm64/rootfs/usr/bin/milepost") in *b7*00*) ;; *) fail "the binary for arm64 is for another machine" ;; esac
(cd "$work/amd64/rootfs" && find . -type f | sort) >"$work/files"
for f in ./usr/bin/milepost ./etc/milepost/milepost.toml ./etc/passwd ./etc/group ./etc/ssl/certs/ca-certificates.crt ./usr/share/doc/milepost/licences.gz; do
  grep -qxF "$f" "$work/files" || fail "no $f in the image"
done
[ "$(wc -l <"$work/files")" = 6 ] || fail "the image has more files than it needs: $(tr '\n' ' ' <"$work/files")"
[ "$(stat -c %u:%a "$work/amd64/rootfs/var/lib/milepost")" = 65532:700 ] || fail "/var/lib/milepost is not its user's"
say "two architectures, six files, user 65532"

bundle=$work/$(dpkg --print-architecture)
jq '.process.terminal = false | .root.readonly = true
  | .process.capabilities = {bounding: [], effective: [], inheritable: [], permitted: [], ambient: []}
' "$bundle/config.json" >"$work/config"
mv "$work/config" "$bundle/config.json"
mkdir "$work/state" # the volume
chown 65532:65532 "$work/state"
jq --arg state "$work/state" '.mounts = [.mounts[] | select(.destination != "/var/lib/milepost")]
  + [{destination: "/var/lib/milepost", type: "bind", source: $state, options: ["bind", "rw"]}]' "$bundle/config.json" >"$work/config"
mv "$work/config" "$bundle/config.json"

try() { # COMMAND of milepost, in a container
  mkdir -p "$work/try"
  jq --arg command "$1" --arg root "$bundle/rootfs" '.process.args = ["/usr/bin/milepost", $command] | .root.path = $root' "$bundle/config.json" >"$work/try/config.json"
  runc run --bundle "$work/try" "$name-try" >"$work/$1" 2>"$work/why"
}
bounding=0000000000000000
: >"$work/out"
if [ -z "${NO_CONTAINER:-}" ] && try version; then
  say "runc: $(cat "$work/version")"
  try config || fail "milepost config: $(cat "$work/why")"
  grep '^storage = "/var/lib/milepost/' "$work/config" >/dev/null || fail "certificates are kept outside of the volume"
  runc run --bundle "$bundle" --pid-file "$work/pid" "$name" >"$work/out" 2>"$work/log" &
  runner=$!
else
  say "no container (${NO_CONTAINER:-$(tr '\n' ' ' <"$work/why")}); so by unshare, in a root and a network of its own"
  bounding='[0-9a-f]*'
  # shellcheck disable=SC2016,SC2046 # variables of the inner shell; no value has a blank
  unshare --net --mount setpriv --no-new-privs sh -c 'ip link set lo up; mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"
    root=$1; shift
    exec env -i "$@" /usr/bin/unshare --root "$root" --setgid 65532 --setuid 65532 /usr/bin/milepost serve -config /etc/milepost/milepost.toml' \
    - "$bundle/rootfs" $(jq -r '.process.env[]' "$bundle/config.json") >"$work/out" 2>"$work/log" &
  runner=$!
  echo $runner >"$work/pid"
fi
for _ in $(seq 100); do
  ! grep -q 'http listening' "$work/out" || break
  sleep 0.1
done
pid=$(cat "$work/pid")
grep -qxF 'milepost: http listening on [::]:8080' "$work/out" || fail "it does not listen on port 8080"
status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"; }
[ "$(status Uid | cut -f1)" = 65532 ] || fail "user $(status Uid)"
# shellcheck disable=SC2254
case $(status CapEff)$(status CapPrm)$(status CapBnd) in 00000000000000000000000000000000$bounding) ;; *) false ;; esac || fail "capabilities $(status CapEff), $(status CapBnd)"
[ "$(status NoNewPrivs)" = 1 ] || fail "it may gain privileges"
awk '$5 == "/" { exit $6 !~ /(^|,)ro(,|$)/ }' "/proc/$pid/mountinfo" || fail "the root can be written to"
# A cable to another network, whose addresses nobody else has (RFC 5737).
unshare --net sleep 600 &
client=$!
for _ in $(seq 100); do
  [ "$(readlink "/proc/$client/ns/net")" = "$(readlink /proc/self/ns/net)" ] || break
  sleep 0.1
done
ip link add client netns "$client" type veth peer name server netns "$pid"
for end in client:$client:192.0.2.1 server:$pid:192.0.2.2; do
  IFS=: read -r name_of ns address <<<"$end"
  nsenter --target "$ns" --net ip address add "$address/24" dev "$name_of"
  nsenter --target "$ns" --net ip link set "$name_of" up
done
nsenter --target "$client" --net curl -fsS --max-time 10 --retry 5 --retry-connrefused "http://192.0.2.2:8080/v1.1/gmail.com" |
  grep '<hostname>imap.gmail.com</hostname>' >/dev/null || fail "no answer to another network"
kill "$client"
wait "$client" 2>/dev/null || true
client=''
say "answers another network, on a read-only root, as user 65532, without capabilities"
kill -TERM "$pid"
wait "$runner" || fail "exit code $?"
pid='' runner=''
say "ends with 0 on SIGTERM"
