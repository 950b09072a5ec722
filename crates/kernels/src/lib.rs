//! Backends for [`hyperglow_core`]: fast kernels for its primitives. All `unsafe` of the project lives here.
//!
//! Reading order: [`math`] (the arithmetic of elementwise operations, written once), [`cpu`] (the backend on processors:
//! memory, threads, the vector level, then one file per family of primitives), [`cuda`] (the same on CUDA devices).

pub mod cpu;
pub mod cuda;
mod math;
mod steps;

pub use cpu::{CpuBackend, Level, MemoryStats, memory, release_kept};
pub use cuda::CudaBackend;
