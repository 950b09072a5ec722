//! Every primitive against the reference interpreter: random shapes and dtypes, every level, one and three threads.

#[path = "../support/mod.rs"]
mod support;

mod movement;
mod order;
mod products;
mod reductions;
mod windows;

use hyperglow_core::DType;

const FLOATS: [DType; 2] = [DType::F32, DType::F64];
const NUMBERS: [DType; 6] = [
    DType::F32,
    DType::F64,
    DType::I32,
    DType::I64,
    DType::U8,
    DType::U32,
];
