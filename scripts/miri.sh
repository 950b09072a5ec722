#!/bin/sh
# Interprets the kernels with Miri (a nightly toolchain with the components miri and rust-src), at the portable level. Arguments
# name other tests, as for `cargo test -p hyperglow-kernels`.
set -eu
cd "$(dirname "$0")/.."
miri() {
  cargo +nightly miri test -p hyperglow-kernels "$@"
}
if [ $# -gt 0 ]; then
  miri "$@"
else
  miri --lib -- conv:: pool:: storage:: transpose:: cluster::walk neighbors::
  # Convolutions of many channels and by tiles take longer than all the others together: name them to have them interpreted.
  miri --test small_shapes -- --skip convolutions_of_many --skip convolutions_by
fi
