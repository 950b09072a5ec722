#!/bin/sh
# Runs the kernel tests on the emulated CUDA driver in each of its forms: as it is, shuffled and lazy, with the race checker, and
# with the address sanitizer. Arguments name the tests, as for `cargo test -p hyperglow-kernels`.
set -eu
cd "$(dirname "$0")/.."
bash crates/kernels/emu/build.sh check
cargo build -p hyperglow-emulated-ptx
export EMU_PTX="$PWD/target/debug/libhyperglow_emulated_ptx.so"
[ $# -gt 0 ] || set -- --lib --test cuda --test primitives --test linear_algebra
emulated() {
  kind="$1"
  shift
  echo "emulated driver: $kind"
  LD_LIBRARY_PATH="$PWD/target/emu/$kind" cargo test -p hyperglow-kernels "$@"
}
emulated fast "$@"
EMU_SHUFFLE=1 EMU_LAZY=1 emulated fast "$@"
emulated race "$@"
# The sanitizer's library comes first in the test programs, and not in cargo.
asan="$(g++ -print-file-name=libasan.so)"
CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="env LD_PRELOAD=$asan ASAN_OPTIONS=detect_leaks=0" emulated asan "$@"
