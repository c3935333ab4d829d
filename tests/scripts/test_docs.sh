#!/usr/bin/env bash
# README.md and docs/ say what is so: every fenced command runs, page by page, each page in a folder of its own; what pages show
# of the output is printed; every command and option named in the text exists; every link leads somewhere.
#
#     tests/scripts/test_docs.sh build/mnas [PAGE...]
#
# What would take minutes is shortened by tests/docs/short; what pages use without making it comes from tests/docs/start. What the
# test itself must find wrong is in tests/docs/wrong.md.
set -uo pipefail
export MNAS=$(realpath "$1") MNAS_SOURCE=$PWD MNAS_LOG=warn OMP_NUM_THREADS=1
shift
if grep -qa __asan_init "$MNAS"; then
    echo "skipped: these are the release program's commands; under sanitizers they take too long"
    exit 77
fi
[ -d /usr/share/datasets/fashion-mnist ] || { echo "skipped: dataset-fashion-mnist is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH=$MNAS_SOURCE/tests/docs/short:$PATH MNAS_CACHE_DIR=$work/cache

computed='^mnas (zoo|cost|space mnasnet-|devices|help)'

# One command of $page: its status, and what it prints where the page shows it.
run() {
    local line=$1 command=$2 shown=$3 exact=0 status=0 want=0
    eval "$command" </dev/null >"$work/out" 2>&1 || status=$?
    if [[ $shown == error:* ]]; then want=1 exact=1; fi
    if { [ $status -ne 0 ] && [ $want = 0 ]; } || { [ $status = 0 ] && [ $want = 1 ]; }; then
        printf '%s:%d: exit %d: %s' "$page" "$line" $status "$command"
        tail -n 5 "$work/out"
        failed=1
    fi
    [[ $command =~ $computed ]] && exact=1
    if ! awk -v exact=$exact -f "$MNAS_SOURCE/tests/docs/printed.awk" <(printf %s "$shown") "$work/out" >"$work/why"; then
        printf '%s:%d: %s\n' "$page" "$line" "$(cat "$work/why")"
        failed=1
    fi
}

run_page() (
    folder=$work/$(basename "$page" .md)
    cp -r "$work/start" "$folder"
    awk -v page="$page" -f tests/docs/commands.awk "$page" >"$folder.sh" || failed=1
    cd "$folder"
    source "$folder.sh"
    exit $failed
)

check_links() {
    local line file anchor target
    while read -r line file anchor; do
        if [ "$file" = - ]; then target=$page; else target=$(dirname "$page")/$file; fi
        if [ ! -e "$target" ]; then
            echo "$page:$line: there is no $file"
            failed=1
        elif [ -n "$anchor" ] && ! awk -v headings=1 -f tests/docs/links.awk "$target" | grep -qxF -- "$anchor"; then
            echo "$page:$line: $target has no heading #$anchor"
            failed=1
        fi
    done < <(awk -f tests/docs/links.awk "$page")
}

check_spans() {
    local line command options help
    while read -r line command options; do
        [ "$command" = help ] || [ "$command" = worker ] && continue
        if ! help=$("$MNAS" "$command" --help 2>&1); then
            echo "$page:$line: there is no command mnas $command"
            failed=1
        fi
        for option in $options; do
            grep -qE -- "^  $option( |$)" <<<"$help" && continue
            echo "$page:$line: mnas $command has no option $option"
            failed=1
        done
    done < <(awk -f tests/docs/spans.awk "$page")
}

check_page() {
    failed=0
    check_links
    check_spans
    run_page || failed=1
    return $failed
}

mkdir "$work/start"
tests/docs/start "$work/start" || { echo "tests/docs/start failed"; exit 1; }
if [ $# -gt 0 ]; then pages=("$@"); else pages=(README.md docs/*.md); fi
all=0
for page in "${pages[@]}"; do
    SECONDS=0
    check_page || all=1
    echo "$page: $SECONDS s"
done

# A page on which nothing is right: each of its mistakes must be found.
if [ $# -eq 0 ]; then
    page=tests/docs/wrong.md
    check_page >"$work/found" 2>&1 && { echo "$page passed"; all=1; }
    while read -r mistake; do
        grep -qF -- "$mistake" "$work/found" || { echo "not found on $page: $mistake"; all=1; }
    done < <(sed -n 's/^<!-- finds: \(.*\) -->$/\1/p' "$page")
fi
exit $all
