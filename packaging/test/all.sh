#!/usr/bin/env bash
# Everything that is shipped, built and tried out. Needs a Debian with Go and root.
# 'all.sh install' only installs what that needs, the tests in packaging/*_test.go too.
# shellcheck disable=SC2016,SC2012 # formats of dpkg; names without blanks
set -euo pipefail
cd "$(dirname "$0")/../.."

# Nothing that is installed here may start.
policy=/usr/sbin/policy-rc.d work=$(mktemp -d) ours=
trap 'rm -rf "$work"; [ -z "$ours" ] || rm -f $policy' EXIT
if [ ! -e $policy ]; then
  ours=yes
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod +x $policy
fi
packages=(bash-completion bind9-dnsutils binutils ca-certificates chasquid curl debootstrap dovecot-imapd dovecot-pop3d fish git haproxy iproute2 jq lintian man-db mandoc
  nsd openssl postfix procps prometheus qemu-user runc shellcheck skopeo systemd systemd-container umoci unbound util-linux zsh)
missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep 'install ok installed' >/dev/null || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "-- install ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null
fi
[ "${1:-}" != install ] || exit 0

echo "-- scripts and tools"
shellcheck packaging/build packaging/deb/postinst packaging/deb/prerm packaging/deb/postrm packaging/test/*.sh
(cd packaging/tools && go vet ./... && go mod tidy -diff)

echo "-- compose files and Kubernetes manifests"
go -C packaging/tools test ./deploy
go -C packaging/tools run ./deploy -kubernetes ../kubernetes -compose ../compose -extract "$work/configmaps"
haproxy -c -q -f packaging/compose/three/haproxy.cfg

echo "-- two builds of $(git rev-parse --short HEAD)"
[ -z "$(git status --porcelain)" ] || echo "   what is not committed is not built"
packaging/test/reproducible.sh "$work/out"
for arch in amd64 arm64; do
  run=
  [ $arch = "$(dpkg --print-architecture)" ] || run=qemu-$([ $arch = arm64 ] && echo aarch64 || echo x86_64)
  $run "$work/out/$arch/milepost" version | sed 's/^/   /'
  file=$(ls "$work"/out/milepost_*_$arch.deb)
  lintian --fail-on error,warning --allow-root "$file"
done

for config in packaging/compose/*/milepost.toml "$work/configmaps/milepost/milepost.toml"; do
  "$work/out/$(dpkg --print-architecture)/milepost" check -config "$config" | sed "s|^|   |"
done

echo "-- Debian package"
CGO_ENABLED=0 go -C packaging/tools build -o "$work/pebble" github.com/letsencrypt/pebble/v2/cmd/pebble
packaging/test/deb.sh "$(ls "$work"/out/milepost_*_"$(dpkg --print-architecture)".deb)" "$work/pebble"

echo "-- the doctor, among real servers"
packaging/test/doctor.sh "$work/out/$(dpkg --print-architecture)/milepost"

echo "-- image"
packaging/test/image.sh "$work/out/milepost-oci.tar"
echo "-- done: packages, image and units are as they should be"
