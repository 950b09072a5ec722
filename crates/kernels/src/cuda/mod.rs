//! CUDA devices. The driver is loaded at run time: a build needs nothing of CUDA, and a machine without a driver has no device.
//!
//! Reading order: [`driver`] (which devices there are), [`gpu`] (a device's context, streams, counters, memory and
//! modules), [`kernel`] (a primitive as a list of launches), [`kernels`] (which launches), [`ptx`]
//! (clusters and row groups as text), [`clusters`] (the texts of a program), [`executable`] (a program as a list of launches,
//! captured as a graph), [`waiter`] (the ends of runs).

mod backend;
mod bound;
mod clusters;
mod driver;
mod executable;
mod gpu;
mod kernel;
mod kernels;
mod open;
pub mod ptx;
mod refusal;
mod waiter;

pub use backend::CudaBackend;
