#!/usr/bin/env bash
# test_layers.sh - directories are dependency rules: no #include may go against the layers of docs/ARCHITECTURE.md.
#
#     base <- model <- ops <- kernels <- blocks <- exporter <- infer <- { data train device strategy store } <- search <- { cli }
#
# Siblings in braces never include each other, but train may read data/dataset.h and data/loader.h. Everybody may include
# mnas.h; cli knows nothing else but base. Own headers are named relative to src/. It reads text only: an include inside
# #if counts, one made by a macro is not seen. First it proves on planted trees that it can tell good from bad.
set -euo pipefail

# layer -> what it may include, itself aside
declare -A allowed=(
    [base]=""
    [model]="base"
    [ops]="base model"
    [kernels]="base model ops"
    [blocks]="base model ops kernels"
    [exporter]="base model ops kernels blocks"
    [infer]="base model ops kernels blocks exporter"
    [data]="base model ops kernels blocks"
    [train]="base model ops kernels blocks"
    [device]="base model ops kernels blocks exporter infer"
    [strategy]="base model ops kernels blocks"
    [store]="base model ops kernels blocks"
    [search]="base model ops kernels blocks exporter infer data train device strategy store"
    [agent]="base model device"
    [cli]="base"
)
exceptions=" train:data/dataset.h train:data/loader.h "

# why ROOT LAYER HEADER: print what is wrong with LAYER including "HEADER"; nothing when it is right
why() {
    local root=$1 layer=$2 header=$3 target=${3%%/*}
    if [[ $header == mnas.h ]]; then return; fi
    if [[ $layer == include ]]; then echo "the public header stands alone"; return; fi
    if [[ ! -v allowed[$layer] ]]; then echo "src/$layer is no known layer"; return; fi
    if [[ $header != */* || ! -v allowed[$target] ]]; then echo "name it relative to src/, as layer/file"; return; fi
    if [[ $header == *..* ]]; then echo "'..' hides the layer"; return; fi
    if [[ ! -f $root/src/$header ]]; then echo "src/$header does not exist"; return; fi
    if [[ $target == "$layer" || " ${allowed[$layer]} " == *" $target "* ]]; then return; fi
    if [[ $exceptions == *" $layer:$header "* ]]; then return; fi
    echo "$layer may include ${allowed[$layer]:-nothing}${allowed[$layer]:+ }and itself, not $target"
}

# check ROOT: print every offending line; the last line is "N includes, M bad". Status 1 when M > 0 or N is 0.
check() {
    local root=$1 n=0 bad=0 file line text header layer reason
    local pattern='^[[:space:]]*#[[:space:]]*include[[:space:]]*([<"])([^">]+)[">]'
    while IFS=: read -r file line text; do
        [[ $text =~ $pattern ]] || continue
        header=${BASH_REMATCH[2]}
        # <...> is for other people's headers; one of ours written so is held to the same rules
        if [[ ${BASH_REMATCH[1]} == '<' && ! ($header == */* && -v allowed[${header%%/*}] && -e $root/src/$header) ]]; then
            continue
        fi
        layer=${file#"$root"/}
        if [[ $layer == src/* ]]; then layer=${layer#src/} layer=${layer%%/*}; else layer=include; fi
        n=$((n + 1))
        reason=$(why "$root" "$layer" "$header")
        [[ -z $reason ]] && continue
        bad=$((bad + 1))
        echo "${file#"$root"/}:$line: $header: $reason"
    done < <(grep -rnE --include='*.c' --include='*.h' --include='*.def' --include='*.inc' \
        '^[[:space:]]*#[[:space:]]*include' "$root/src" "$root/include")
    echo "$n includes, $bad bad"
    [[ $bad -eq 0 && $n -gt 0 ]]
}

fail() { echo "FAILED: $*" >&2; exit 1; }

# plant ROOT FILE LINE: append an include line to src/FILE or include/FILE
plant() {
    mkdir -p "$(dirname "$1/$2")"
    echo "$3" >>"$1/$2"
}

self_check() {
    local root=$1 out
    for header in base/error.h model/graph.h ops/ops.h kernels/dw.h data/dataset.h data/loader.h data/idx.h store/store.h search/study.h; do
        plant "$root" "src/$header" "/* empty */"
    done
    plant "$root" include/mnas.h '#include <stdint.h>'
    plant "$root" src/train/step.c '#include "data/dataset.h"'
    plant "$root" src/train/step.c '# include "data/loader.h" /* the stated exception */'
    plant "$root" src/cli/main.c '#include "mnas.h"'
    plant "$root" src/cli/main.c '#include "base/error.h"'
    plant "$root" src/search/trial.c '#include "store/store.h"'
    plant "$root" src/ops/op_x.c '#include <dnnl.h>'
    out=$(check "$root") || fail "the good tree is refused: $out"
    [[ $out == "5 includes, 0 bad" ]] || fail "the good tree gives: $out"

    local -a planted=(
        'src/base/log.c|#include "model/graph.h"'
        'src/model/graph.c|#include "ops/ops.h"'
        'src/ops/op_y.c|#include "kernels/dw.h"'
        'src/train/step.c|#include "data/idx.h"'
        'src/data/idx.c|#include "store/store.h"'
        'src/strategy/ppo.c|  #  include   "search/study.h"'
        'src/cli/cmd.c|#include "search/study.h"'
        'src/cli/cmd.c|#include <store/store.h>'
        'src/base/str.c|#include "error.h"'
        'src/base/str.c|#include "../model/graph.h"'
        'src/base/str.c|#include "base/../model/graph.h"'
        'src/base/str.c|#include "base/absent.h"'
        'src/extra/new.c|#include "base/error.h"'
        'src/ops/ops.def|#include "search/study.h"'
        'include/mnas.h|#include "base/error.h"'
    )
    local p file bad_root
    for p in "${planted[@]}"; do
        file=${p%%|*}
        bad_root=$(mktemp -d -p "$tmp")
        cp -r "$root/src" "$root/include" "$bad_root"
        plant "$bad_root" "$file" "${p#*|}"
        if out=$(check "$bad_root"); then fail "not found: $p"; fi
        [[ $out == "$file:"* && $out == *", 1 bad" ]] || fail "$p is reported as: $out"
    done
    echo "self-check: ${#planted[@]} planted includes found, the good tree passes"
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
self_check "$tmp/good"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
check "$root"
