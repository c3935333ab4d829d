# Commands named in a page's text, `mnas COMMAND ... --option ...` between backquotes: a line `LINE COMMAND OPTION...` each.
/^ *```/ { inside = !inside }
inside { next }
{
    n = split($0, part, "`")
    for (i = 2; i <= n; i += 2) {
        if (part[i] !~ /^mnas [a-z]/) continue
        m = split(part[i], word, /[ =]+/); options = ""
        for (k = 3; k <= m; k++) if (word[k] ~ /^--[a-z]/) options = options " " word[k]
        print NR, word[2] options
    }
}
