//! The CPU backend.
//!
//! [`backend`] prepares programs, [`executable`] runs them, [`storage`] is the memory, made of [`blocks`], [`pool`] the threads,
//! [`level`] the vector instructions, [`exec`] what a kernel is given. [`cluster`] computes elementwise
//! clusters; every other module holds the kernels of one family of primitives and is entered through
//! [`compile`].

pub(crate) mod backend;
pub(crate) mod blocks;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod caches;
pub(crate) mod centered;
pub(crate) mod cluster;
pub(crate) mod compile;
pub(crate) mod conv;
pub(crate) mod element;
mod environment;
pub(crate) mod exec;
pub(crate) mod executable;
pub(crate) mod fused;
pub(crate) mod gemm;
pub(crate) mod index;
pub(crate) mod level;
pub(crate) mod limits;
pub(crate) mod linalg;
#[cfg(target_arch = "x86_64")]
mod matrix_instructions;
pub(crate) mod movement;
pub(crate) mod neighbors;
pub(crate) mod pool;
pub(crate) mod random;
pub(crate) mod reduce;
pub(crate) mod rows;
pub(crate) mod scan;
pub(crate) mod sort;
pub(crate) mod storage;
pub(crate) mod transpose;
pub(crate) mod unique;
pub(crate) mod window;
pub(crate) mod workspace;

pub use backend::CpuBackend;
pub use blocks::release_kept;
pub use level::Level;
pub use storage::{MemoryStats, memory};
