#!/usr/bin/env bash
# Ends the job as the check ended: 0 is fine, anything else turns it red. Comes last, when everybody has been told.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

code="$(cat "$FOLDER/exit-code" 2> /dev/null)"
case "$code" in
  0) exit 0 ;;
  5) complain error "Not everything in scope could be read or judged (exit code 5)." ;;
  7) complain error "Something fails (exit code 7)." ;;
  8) complain error "Something drifted (exit code 8)." ;;
  '' | *[!0-9]*) complain error "There is no run."; exit 1 ;;
  *) complain error "The check did not work (exit code $code)." ;;
esac
exit "$code"
