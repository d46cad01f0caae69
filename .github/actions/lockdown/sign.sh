#!/usr/bin/env bash
# Judges FOLDER/run again, signs and stores it as FOLDER/signed, verifies that, and makes FOLDER/handed-over/*.zip.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ -n "${CLIENT_ID:-}" ]; then
  LOCKDOWN_SIGNING_FEDERATED_TOKEN_FILE="$(federated sign)" || exit 1
  export LOCKDOWN_SIGNING_FEDERATED_TOKEN_FILE
  export LOCKDOWN_SIGNING_CLIENT_ID="$CLIENT_ID" LOCKDOWN_SIGNING_TENANT_ID="$TENANT_ID"
  if [ -n "${STORE_CLIENT_ID:-}" ]; then
    LOCKDOWN_STORE_FEDERATED_TOKEN_FILE="${STORE_ID_TOKEN_FILE:-$LOCKDOWN_SIGNING_FEDERATED_TOKEN_FILE}"
    export LOCKDOWN_STORE_FEDERATED_TOKEN_FILE
    export LOCKDOWN_STORE_CLIENT_ID="$STORE_CLIENT_ID" LOCKDOWN_STORE_TENANT_ID="$TENANT_ID"
  fi
fi
arguments=(--config "$CONFIG" --key "$KEY" --out "$FOLDER/signed")
if [ -n "${STORE:-}" ]; then arguments+=(--store "$STORE"); fi
if [ -n "${TSA:-}" ]; then arguments+=(--tsa "$TSA"); fi
said sign "$FOLDER/run" "${arguments[@]}" || exit
arguments=(--trust "${TRUST:?what was signed is verified: name a trust root}" --allow-partial)
if [ -n "${SUBSCRIPTION:-}" ]; then arguments+=(--expect-subscription "$SUBSCRIPTION"); fi
said verify "$FOLDER/signed" "${arguments[@]}" || exit
mkdir -p "$FOLDER/handed-over"
said bundle "$FOLDER/signed" --out "$FOLDER/handed-over/"
