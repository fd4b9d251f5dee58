#!/usr/bin/env bash
# Runs the image: packaging/test/image.sh ARCHIVE. As a container of runc with a
# read-only root, no capabilities and the image's own user; where the machine allows
# no container, in its unpacked root as that user.
set -euo pipefail
archive=$(readlink -f "$1")
work=$(mktemp -d)
name=milepost-test-$$
pid='' runner=''
cleanup() {
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
  | .linux.sysctl = {"net.ipv4.ip_unprivileged_port_start": "0"}' "$bundle/config.json" >"$work/config"
mv "$work/config" "$bundle/config.json"
mkdir "$work/state" # the volume
chown 65532:65532 "$work/state"
jq --arg state "$work/state" '.mounts = [.mounts[] | select(.destination != "/var/lib/milepost")]
  + [{destination: "/var/lib/milepost", type: "bind", source: $state, options: ["bind", "rw"]}]' "$bundle/config.json" >"$work/config"
mv "$work/config" "$bundle/config.json"

try() { # a container that only prints its version
  jq '.process.args = ["/usr/bin/milepost", "version"]' "$bundle/config.json" >"$work/config.run"
  mkdir -p "$work/try"
  ln -sfn "$bundle/rootfs" "$work/try/rootfs"
  jq --arg r "$bundle/rootfs" '.root.path = $r' "$work/config.run" >"$work/try/config.json"
  runc run --bundle "$work/try" "$name-try" >"$work/version" 2>"$work/why"
}
bounding=0000000000000000
if [ -z "${NO_CONTAINER:-}" ] && try; then
  say "runc: $(cat "$work/version")"
  runc run --bundle "$bundle" --pid-file "$work/pid" "$name" >"$work/out" 2>"$work/log" &
  runner=$!
else
  say "no container (${NO_CONTAINER:-$(tr '\n' ' ' <"$work/why")}); so by unshare, in a root and a network of its own"
  bounding='[0-9a-f]*'
  # shellcheck disable=SC2016
  unshare --net --mount setpriv --no-new-privs sh -c 'ip link set lo up; mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"
    exec unshare --root "$1" --setgid 65532 --setuid 65532 /usr/bin/milepost serve -config /etc/milepost/milepost.toml' \
    - "$bundle/rootfs" >"$work/out" 2>"$work/log" &
  runner=$!
  echo $runner >"$work/pid"
fi
for _ in $(seq 100); do
  ! grep -q 'http listening' "$work/out" || break
  sleep 0.1
done
pid=$(cat "$work/pid")
addr=$(sed -n 's/^milepost: http listening on .*:\([0-9]*\)$/127.0.0.1:\1/p' "$work/out" | head -1)
[ -n "$addr" ] || fail "it does not listen"
status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"; }
[ "$(status Uid | cut -f1)" = 65532 ] || fail "user $(status Uid)"
# shellcheck disable=SC2254
case $(status CapEff)$(status CapPrm)$(status CapBnd) in 00000000000000000000000000000000$bounding) ;; *) false ;; esac || fail "capabilities $(status CapEff), $(status CapBnd)"
[ "$(status NoNewPrivs)" = 1 ] || fail "it may gain privileges"
awk '$5 == "/" { exit $6 !~ /(^|,)ro(,|$)/ }' "/proc/$pid/mountinfo" || fail "the root can be written to"
nsenter --target "$pid" --net curl -fsS "http://$addr/v1.1/gmail.com" | grep '<hostname>imap.gmail.com</hostname>' >/dev/null || fail "no answer"
say "answers on a read-only root, as user 65532, without capabilities"
kill -TERM "$pid"
wait "$runner" || fail "exit code $?"
pid='' runner=''
say "ends with 0 on SIGTERM"
