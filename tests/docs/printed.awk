# Is what a page shows what the command prints? Files: the page's text, the real output. -v exact=1 where all of it is computed
# alone: every line must be there, in order. Otherwise figures and their units differ from machine to machine: the words of the
# first line must be there, in order, in one line. A line "..." stands for any number of lines; a line that ends in "..." for any that begins so.
function words(line,  n, part, i, kept) {
    n = split(line, part, /[ \t]+/)
    for (i = 1; i <= n; i++) if (part[i] != "" && (exact || part[i] !~ /[0-9]|^(to|s|ms|minutes|hours)[;,)]*$/)) kept = kept " " part[i]
    return kept
}
function matches(shown, real) {
    if (shown ~ /\.\.\.$/) { sub(/ ?\.\.\.$/, "", shown); return index(words(real), words(shown)) == 1 }
    return words(shown) == words(real)
}
FILENAME == ARGV[1] { if ($0 != "" && $0 != "...") shown[++n] = $0; next }
{ real[++m] = $0 }
END {
    last = exact ? n : (n ? 1 : 0)
    for (i = j = 1; i <= last; i++) {
        while (j <= m && !matches(shown[i], real[j])) j++
        if (j++ > m) { print "never printed: " shown[i]; exit 1 }
    }
}
