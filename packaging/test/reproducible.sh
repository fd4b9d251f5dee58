#!/usr/bin/env bash
# Builds the last commit twice, in two directories, with two users' habits, and the
# binaries once more with an empty build cache, and compares every octet:
# packaging/test/reproducible.sh OUT. What was built stays in OUT.
set -euo pipefail
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
git clone -q --no-hardlinks . "$work/one"
(umask 077 && git clone -q --no-hardlinks . "$work/another place")
"$work/one/packaging/build" "$out" >/dev/null
again() { (umask 077 && cd / && TZ=Asia/Tokyo LC_ALL=C.UTF-8 "$work/another place/packaging/build" "$@" >/dev/null); }
GOCACHE=$work/cache WHAT=binary again "$work/binaries"
again "$work/out"
sums() { (cd "$1" && find . -type f -exec sha256sum {} + | sort -k2); }
diff <(sums "$out") <(sums "$work/out") || { echo "FAIL: two builds of one commit differ"; exit 1; }
for arch in amd64 arm64; do
  cmp "$out/$arch/milepost" "$work/binaries/$arch/milepost" || { echo "FAIL: a build from nothing differs"; exit 1; }
done
sums "$out" | sed -n 's/^\(................\)[0-9a-f]*  \.\/\(.*\(64\/milepost\|deb\|tar\)\)$/   \1… \2/p'
