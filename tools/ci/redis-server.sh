#!/usr/bin/env bash
# Installs Debian's redis-server, which the tests of several machines start for themselves. Does nothing when it is there. Where it cannot be
# installed it says why and succeeds: the tests then say that they are skipped.
set -uo pipefail

without() {
  echo "redis-server: $1; the tests with a queue will be skipped" >&2
  exit 0
}

command -v redis-server >/dev/null && exit 0
(. /etc/os-release && [ "${ID:-}" = debian ]) 2>/dev/null || without "it is installed on Debian only"
[ "$(id -u)" = 0 ] || without "installing the Debian package redis-server needs root"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
echo "redis-server: installing the Debian package" >&2
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server; } >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  without "installing it failed"
fi
command -v redis-server >/dev/null || without "the package brought no redis-server"
