#!/bin/bash
# setup_peers.sh - install what the training step is compared with into a folder of its own: PyTorch, TensorFlow and JAX
# from PyPI, a virtual environment each, and Debian's tcmalloc, unpacked beside them.
#
#     bench/setup_peers.sh DIR [torch tensorflow jax]
#
# What is already there is kept. run_train.sh finds all of it by PEERS=DIR. Without names: torch.
# torch.compile also needs g++.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift

venv() { # name, packages
    local name=$1
    shift
    [ ! -x "$dir/$name/bin/python" ] || return 0
    python3 -m venv "$dir/$name"
    "$dir/$name/bin/pip" install --quiet --disable-pip-version-check "$@" || { rm -r "${dir:?}/$name"; return 1; }
}

for peer in "${@:-torch}"; do
    case $peer in
    torch) venv torch torch numpy; command -v g++ >/dev/null || echo "setup_peers.sh: torch.compile needs g++" >&2 ;;
    tensorflow) venv tensorflow tensorflow-cpu ;;
    jax) venv jax 'jax[cpu]' ;;
    *) echo "setup_peers.sh: unknown peer '$peer'; known: torch tensorflow jax" >&2; exit 2 ;;
    esac
done
if [ ! -d "$dir/tcmalloc" ]; then
    mkdir "$dir/tcmalloc"
    (cd "$dir/tcmalloc" && apt-get download libtcmalloc-minimal4 && dpkg -x ./*.deb .) ||
        { rm -r "$dir/tcmalloc"; echo "setup_peers.sh: no libtcmalloc-minimal4; PyTorch gets glibc's malloc, tuned" >&2; }
fi
