#!/usr/bin/env bash
# Installs what the WebGPU tests run on where there is no GPU: the Vulkan driver and loader of the Debian package chromium-common. Does nothing when
# they are there. Where they cannot be installed it says why and succeeds: the tests then say that they are skipped.
set -uo pipefail

icd=/usr/lib/chromium/vk_swiftshader_icd.json
without() {
  echo "webgpu-adapter: $1; the WebGPU tests will be skipped" >&2
  exit 0
}

[ -e "$icd" ] && exit 0
[ "$(uname -s)" = Linux ] || without "the software adapter is installed on Debian only"
(. /etc/os-release && [ "${ID:-}" = debian ]) 2>/dev/null || without "the software adapter is installed on Debian only"
[ "$(id -u)" = 0 ] || without "installing the Debian package chromium-common needs root"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
echo "webgpu-adapter: installing the Debian package chromium-common for its software Vulkan driver" >&2
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium-common; } >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  without "installing chromium-common failed"
fi
[ -e "$icd" ] || without "chromium-common brought no $icd"
