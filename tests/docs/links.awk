# A page's links to files, a line `LINE FILE ANCHOR` each, relative to the page; or, with -v headings=1, the anchors it offers.
/^ *```/ { inside = !inside }
inside { next }
headings && /^#+ / {
    line = tolower($0); sub(/^#+ +/, "", line)
    gsub(/[^a-z0-9 _-]/, "", line); gsub(/ /, "-", line)
    print line
}
!headings {
    line = $0; gsub(/`[^`]*`/, "", line)
    while (match(line, /\]\([^)]*\)/)) {
        target = substr(line, RSTART + 2, RLENGTH - 3); line = substr(line, RSTART + RLENGTH)
        if (target ~ /^https?:/) continue
        file = anchor = target; sub(/#.*/, "", file); if (!sub(/^[^#]*#/, "", anchor)) anchor = ""
        print NR, (file == "" ? "-" : file), anchor
    }
}
