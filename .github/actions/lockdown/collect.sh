#!/usr/bin/env bash
# Reads the environment into FOLDER/run, which is not signed, and keeps how that ended in FOLDER/exit-code.
# Fails only if there is no run: what the check found is for the verdict, when everybody has been told.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ -n "${CLIENT_ID:-}" ]; then
  AZURE_FEDERATED_TOKEN_FILE="$(federated collect)" || exit 1
  export AZURE_FEDERATED_TOKEN_FILE AZURE_CLIENT_ID="$CLIENT_ID" AZURE_TENANT_ID="$TENANT_ID"
fi
mkdir -p "$FOLDER"
arguments=(--config "$CONFIG" --out "$FOLDER/run")
if [ -n "${SUBSCRIPTION:-}" ]; then arguments+=(--subscription "$SUBSCRIPTION"); fi
if [ -n "${FAIL_ON:-}" ]; then arguments+=(--fail-on "$FAIL_ON"); fi
if [ -n "${BASELINE:-}" ]; then
  # A baseline that nobody vouches for is not compared with.
  said drift --baseline "$BASELINE" --trust "${TRUST:?a baseline needs a trust root}" "${arguments[@]}"
else
  said audit "${arguments[@]}"
fi
code=$?
printf '%s\n' "$code" > "$FOLDER/exit-code"
if [ -n "${GITHUB_OUTPUT:-}" ]; then printf 'exit-code=%s\n' "$code" >> "$GITHUB_OUTPUT"; fi
case "$code" in
  0 | 5 | 7 | 8) exit 0 ;;
esac
complain error "There is no run: exit code $code. The lines above say why."
exit "$code"
