#!/usr/bin/env bash
# Installs the browser that the tests of the page run in, the Debian package chromium. Does nothing when there is one. Where it cannot be installed it
# says why and succeeds: the tests then say that they are skipped.
set -uo pipefail

without() {
  echo "chromium: $1; the tests in a browser will be skipped" >&2
  exit 0
}

[ -z "${CHROMIUM:-}" ] || exit 0
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null && exit 0
done
(. /etc/os-release && [ "${ID:-}" = debian ]) 2>/dev/null || without "it is installed on Debian only"
[ "$(id -u)" = 0 ] || without "installing the Debian package chromium needs root"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
echo "chromium: installing the Debian package chromium" >&2
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  without "installing it failed"
fi
command -v chromium >/dev/null || without "the package brought no chromium"
