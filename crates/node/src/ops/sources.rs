//! Tensors without operands: constants, iota, random numbers.

use hyperglow_core::Error;
use hyperglow_core::op::{Distribution, Op};
use napi_derive::napi;

use super::id;
use crate::state::{engine, spec};

/// A tensor filled with a number.
#[napi]
pub fn constant(value: f64, code: u32, extents: Vec<f64>) -> napi::Result<f64> {
    engine(|e| {
        let spec = spec(&extents, code)?;
        Ok(e.graph.add(Op::constant(value), &[], Some(&spec))?.to_number())
    })
}

/// 0, 1, 2, ... along an axis.
#[napi]
pub fn iota(code: u32, extents: Vec<f64>, axis: u32) -> napi::Result<f64> {
    engine(|e| {
        let spec = spec(&extents, code)?;
        Ok(e.graph
            .add(Op::Iota { axis: axis as usize }, &[], Some(&spec))?
            .to_number())
    })
}

/// Random numbers from a key: 0 bits, 1 uniform, 2 normal.
#[napi]
pub fn random(kind: u32, key: f64, code: u32, extents: Vec<f64>) -> napi::Result<f64> {
    engine(|e| {
        let kind = match kind {
            0 => Distribution::Bits,
            1 => Distribution::Uniform,
            2 => Distribution::Normal,
            _ => return Err(Error::internal("random", format!("no distribution {kind}"))),
        };
        let spec = spec(&extents, code)?;
        Ok(e.graph
            .add(Op::Random(kind), &[id(key)], Some(&spec))?
            .to_number())
    })
}
