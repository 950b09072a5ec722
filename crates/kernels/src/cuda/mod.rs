//! CUDA: kernels for NVIDIA GPUs. [`ptx`] writes clusters and row groups as text and proves them without a GPU.

pub mod ptx;
