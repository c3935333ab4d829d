# A page's commands, for tests/scripts/test_docs.sh: a line `run LINE 'COMMAND' 'WHAT IT PRINTS'` for each.
#
#   ```sh       every line is a command (a backslash at its end joins the next, a loop goes on to its "done")
#   ```console  lines that begin with "$ " are commands, the others what the last one prints
#
# Every fence names its language, and no command stands in an indented block, so that none hides.
function complain(text) { printf "%s:%d: %s\n", page, NR, text >"/dev/stderr"; failed = 1 }
function quote(text) { gsub(/\x27/, "\x27\\\x27\x27", text); return "\x27" text "\x27" }
function flush() {
    if (command != "") printf "run %d %s %s\n", at, quote(command), quote(printed)
    command = printed = ""; more = compound = 0
}
function add(text) {
    command = command text "\n"
    if (text ~ /^(for|while|if) / && text !~ /(done|fi)$/) compound = 1
    if (text ~ /^(done|fi)/) compound = 0
    more = compound || text ~ /\\$/
}

/^ *```/ && !inside {
    inside = 1; language = $0; sub(/^ *```/, "", language)
    if (language !~ /^(sh|console|yaml|c|json|csv|text|python)$/) complain("a fence of no known language: '" language "'")
    next
}
/^ *```/ { inside = 0; flush(); next }
!inside && /^    +(\$|mnas|make|git|cmake|export|scripts\/|build\/|bench\/)( |$|[a-z])/ { complain("a command outside a fence") }
!inside { next }
language == "sh" {
    if (!more && /^[ \t]*(#.*)?$/) next
    if (!more) { flush(); at = NR }
    add($0)
}
language == "console" && more { add($0); next }
language == "console" && /^\$ / { flush(); at = NR; add(substr($0, 3)); next }
language == "console" && command == "" { complain("output without a command") }
language == "console" { printed = printed $0 "\n" }
END { exit failed }
