#!/usr/bin/env bash
# test_aarch64.sh - the leaf loops on another processor than this one: tests/ops/test_isa.c, which needs no library, is built for
# aarch64 and run by QEMU. Skipped where there is no cross compiler or no QEMU; on Debian
#     apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cc=aarch64-linux-gnu-gcc
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if ! reason=$($cc -x c -static -o "$tmp/nothing" - <<<'int main(void) { return 0; }' 2>&1); then
    echo "skipped: $cc makes no program: $(tail -n 1 <<<"$reason") (gcc-aarch64-linux-gnu, libc6-dev-arm64-cross)"
    exit 77
fi
if [ -z "$qemu" ]; then
    echo "skipped: no qemu-aarch64 to run its programs (qemu-user-static)"
    exit 77
fi

flags=(-std=gnu11 -O3 -fno-math-errno -fopenmp-simd -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
    -D_GNU_SOURCE -Iinclude -Isrc -Itests/optional/no_cmocka)
$cc "${flags[@]}" -static -o "$tmp/test_isa" tests/ops/test_isa.c src/kernels/isa*.c src/base/rng.c src/base/hash.c -lm
"$qemu" "$tmp/test_isa" | tee "$tmp/said"
grep -qx "neon, portable" "$tmp/said"
