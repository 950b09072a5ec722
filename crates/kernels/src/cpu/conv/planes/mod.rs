//! How the planes of a convolution are laid out for the kernels that read them, and the runs of positions that they
//! compute.

mod padded;
mod runs;
mod short_copy;
mod space_to_depth;

pub(super) use padded::Padded;
pub(super) use runs::{Gather, Run, RunGroup, Runs, StridedPositions};
pub(super) use short_copy::copy;
