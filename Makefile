# For people; the build itself is CMake (CMakePresets.json). `make` alone prints this help.
.PHONY: help deps build agent install demo check check-asan check-tsan check-onednn3 check-all bench fuzz fuzz-coverage fuzz-planted format clean

help:
	@echo "mnas: platform-aware neural architecture search"
	@echo
	@echo "  make demo        install what is missing, build, search on Fashion-MNIST, write report.html (under 10 minutes)"
	@echo "  make check       build and run all tests (under 15 minutes)"
	@echo
	@echo "  make deps        install what is missing (apt), nothing else"
	@echo "  make build       release build at build/mnas"
	@echo "  make agent-aarch64  the program for devices of that processor (agent-armv7, agent-x86_64), in build-agent-aarch64/"
	@echo "  make install     the program, its manual pages and the programs for devices that are built, below PREFIX (/usr/local)"
	@echo "  make check-asan  all tests under the address and undefined-behaviour sanitizers"
	@echo "  make check-tsan  the tests of our own threads under the thread sanitizer"
	@echo "  make check-onednn3  the tests that compute, with Debian 13's oneDNN 3.x, which is fetched beside, not installed"
	@echo "  make bench       training speed beside PyTorch (needs python3-torch)"
	@echo "  make fuzz        each reader of outside input for FUZZ_SECONDS (60) under libFuzzer; installs clang"
	@echo "  make fuzz-coverage  which share of each reader's lines the fuzz corpus reaches (at least 80 %)"
	@echo "  make fuzz-planted   plants a bug in each reader and sees that libFuzzer finds it within FUZZ_SECONDS"
	@echo "  make format      clang-format the tree"
	@echo "  make clean       remove the build folders"

deps:
	@scripts/install-deps

build: deps
	@cmake --preset release >/dev/null && ninja -C build

# Of this machine's processor nothing more is needed; others: scripts/install-deps devices.
agent-%: deps
	@scripts/build-agent $*

agent: agent-$(shell uname -m)

install: build
	@cmake --install build --prefix "$${PREFIX:-/usr/local}"

demo: build
	@scripts/demo

check: build agent
	@ctest --test-dir build -L optional --verbose
	@ctest --test-dir build -LE optional --output-on-failure

check-asan: deps agent
	@cmake --preset asan >/dev/null && ninja -C build-asan
	@scripts/with-sanitizers ctest --test-dir build-asan -LE optional --output-on-failure

# libgomp is not instrumented: with one OpenMP thread, what remains are the threads we start ourselves.
check-tsan: deps
	@cmake --preset tsan >/dev/null && ninja -C build-tsan
	@OMP_NUM_THREADS=1 scripts/with-sanitizers ctest --test-dir build-tsan --output-on-failure -R '^test_(loader|dataset_.*|proc|train|simulate)$$'

# Skipped, with what apt said, where Debian 13's packages cannot be had.
check-onednn3: deps
	@if scripts/fetch-onednn3; then \
	    cmake -C build-onednn3/debian13/onednn3.cmake --preset release -B build-onednn3 >/dev/null && \
	    ninja -C build-onednn3 && build-onednn3/mnas doctor | grep "oneDNN *3" && \
	    ctest --test-dir build-onednn3 --output-on-failure -L '^(ops|golden|train|infer)$$'; \
	else echo "skipped: no oneDNN 3.x here to build with, see above"; fi

bench: build
	@bench/run_train.sh

fuzz:
	@scripts/install-deps fuzz
	@cmake --preset fuzz >/dev/null && ninja -C build-fuzz fuzz_all
	@tests/fuzz/run.sh build-fuzz

fuzz-coverage: deps
	@cmake --preset coverage >/dev/null && ninja -C build-coverage fuzz_all
	@tests/fuzz/coverage.sh build-coverage

fuzz-planted:
	@scripts/install-deps fuzz
	@tests/fuzz/planted.sh

format:
	@clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	@rm -rf build build-debug build-asan build-tsan build-fuzz build-coverage build-planted build-onednn3 build-agent-*
