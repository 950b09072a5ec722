//! Sums, extremes and running sums along axes.

use hyperglow_core::Error;
use hyperglow_core::compose::reduce_axes;
use hyperglow_core::op::{Op, Reduction};
use napi_derive::napi;

use super::{add, id};
use crate::state::{engine, sizes};

/// Reduction over axes: 0 sum, 1 max, 2 min.
#[napi]
pub fn reduce(kind: u32, a: f64, axes: Vec<f64>, keep_dims: bool) -> napi::Result<f64> {
    engine(|e| {
        let kind = match kind {
            0 => Reduction::Sum,
            1 => Reduction::Max,
            2 => Reduction::Min,
            _ => return Err(Error::internal("reduce", format!("no reduction {kind}"))),
        };
        Ok(reduce_axes(&mut e.graph, kind, id(a), &sizes(&axes), keep_dims)?.to_number())
    })
}

/// Index of the first maximum along an axis.
#[napi]
pub fn arg_max(a: f64, axis: u32) -> napi::Result<f64> {
    add(Op::ArgMax { axis: axis as usize }, &[a], None)
}

/// Running sum along an axis.
#[napi]
pub fn cumsum(x: f64, axis: u32, reverse: bool) -> napi::Result<f64> {
    add(
        Op::CumSum {
            axis: axis as usize,
            reverse,
        },
        &[x],
        None,
    )
}
