#!/usr/bin/env bash
# Says what was found: annotations, job summary, SARIF, tickets, webhook. One that cannot be told is a warning, and
# changes neither the run nor how the job ends.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

run="$FOLDER/signed"
if [ ! -d "$run" ]; then run="$FOLDER/run"; fi
if [ ! -d "$run" ]; then
  complain error "There is no run to tell of: see the jobs before."
  exit 0
fi
# A variable that nobody set is left as it is written by Azure Pipelines.
case "${LOCKDOWN_WEBHOOK:-}" in "\$("*) unset LOCKDOWN_WEBHOOK ;; esac
summary="${GITHUB_STEP_SUMMARY:-$FOLDER/summary.md}"
arguments=(--annotations "$SERVICE" --summary "$summary" --code-scanning "$FOLDER/code-scanning.sarif")
if [ -n "${LINK:-}" ]; then arguments+=(--link "$LINK"); fi
if [ "${DETAILS:-}" = true ]; then arguments+=(--details); fi
if [ -n "${SHAPE:-}" ]; then arguments+=(--shape "$SHAPE"); fi
# Of a run that was not compared there is no drift to open tickets of.
if [ -n "${TICKETS:-}" ] && [ -f "$run/results/drift.json" ]; then arguments+=(--tickets "$TICKETS"); fi
if [ -n "${WORK_ITEM:-}" ]; then arguments+=(--work-item "$WORK_ITEM"); fi
if [ -n "${CLOSED_STATE:-}" ]; then arguments+=(--closed-state "$CLOSED_STATE"); fi
# What it prints are annotations, in which no name can be a command. What goes wrong is made inert here.
lockdown notify "$run" "${arguments[@]}" 2> "$TEMPORARY/told"
code=$?
inert < "$TEMPORARY/told" >&2
if [ "$code" -ne 0 ]; then
  complain warning "Not everybody could be told (exit code $code). The run is kept, and the job ends as the check ended."
fi
if [ "$SERVICE" = azure-pipelines ]; then
  printf '##vso[task.uploadsummary]%s\n' "$(cd "$(dirname "$summary")" && pwd)/$(basename "$summary")"
fi
exit 0
