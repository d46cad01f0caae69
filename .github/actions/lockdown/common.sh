# shellcheck shell=bash
# What the steps share. Sourced, not run.

set -uo pipefail
umask 077

if [ -n "${GITHUB_ACTIONS:-}" ]; then SERVICE=github; else SERVICE=azure-pipelines; fi
TEMPORARY="${RUNNER_TEMP:-${AGENT_TEMPDIRECTORY:?neither RUNNER_TEMP nor AGENT_TEMPDIRECTORY is set}}"
# Installed by install.sh, unless the machine has a lockdown of its own.
PATH="$PATH:$TEMPORARY/lockdown/bin"

# Both services read commands from a job's log, and a name from Azure may look like one: ## and :: are broken up.
inert() {
  sed -u -e 's/##/# #/g' -e 's/##/# #/g' -e 's/::/: :/g' -e 's/::/: :/g'
}

# Runs lockdown with everything that it says made inert, and returns its exit code.
said() {
  lockdown "$@" 2>&1 | inert
  return "${PIPESTATUS[0]}"
}

complain() {
  case "$SERVICE" in
    github) printf '::%s title=lockdown::%s\n' "$1" "$2" ;;
    *) printf '##vso[task.logissue type=%s]lockdown: %s\n' "$1" "$2" ;;
  esac
}

# federated NAME: writes this job's own token to a file that nobody else reads, and prints the name of the file.
federated() {
  if [ -n "${ID_TOKEN_FILE:-}" ]; then
    printf '%s' "$ID_TOKEN_FILE"
  else
    python3 "$(dirname "${BASH_SOURCE[0]}")/federate.py" "$TEMPORARY/$1.token" && printf '%s' "$TEMPORARY/$1.token"
  fi
}
