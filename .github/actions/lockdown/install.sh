#!/usr/bin/env bash
# Installs lockdown from the very commit that this action is pinned to, unless the machine has one of its own.
set -euo pipefail
umask 077

if command -v lockdown > /dev/null; then
  lockdown --version
  exit 0
fi
source="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)"
target="${RUNNER_TEMP:-${AGENT_TEMPDIRECTORY:?neither RUNNER_TEMP nor AGENT_TEMPDIRECTORY is set}}/lockdown"
if [ ! -x "$target/bin/lockdown" ]; then
  python3 -m venv "$target"
  "$target/bin/python" -m pip --disable-pip-version-check --quiet install "$source"
fi
"$target/bin/lockdown" --version
