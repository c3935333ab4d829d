#!/usr/bin/env bash
# The manual pages: every command has one, groff finds nothing wrong with any, and each option of --help is in its page.
set -euo pipefail
mnas=$1

command -v scdoc >/dev/null || { echo "skipped: scdoc is not installed"; exit 77; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
scripts/man-pages "$mnas" "$out"

failed=0
complain() { echo "$*" >&2; failed=1; }

[ -s "$out/mnas.1" ] || complain "mnas.1 is missing"
grep -q '@[A-Z]*@' "$out/mnas.1" && complain "mnas.1 has a place that was not filled"
for command in $("$mnas" help | sed -n 's/^  \([a-z][a-z-]*\)  *.*/\1/p'); do
    page=$out/mnas-$command.1
    [ -s "$page" ] || { complain "mnas-$command.1 is missing"; continue; }
    grep -q "mnas-$command" "$out/mnas.1" || complain "mnas.1 does not name mnas-$command"
    for option in $("$mnas" "$command" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p'); do
        grep -qF -- "--$option" <(sed 's/\\//g' "$page") || complain "mnas-$command.1 lacks --$option"
    done
done
if command -v groff >/dev/null; then
    for page in "$out"/*.1; do
        said=$(groff -man -ww -z -Tutf8 "$page" 2>&1)
        [ -z "$said" ] || complain "$(basename "$page"): $said"
    done
fi
exit $failed
