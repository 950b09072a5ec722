//! Movement operations: the same elements in other shapes.

use hyperglow_core::compose::broadcast_to;
use hyperglow_core::op::Op;
use napi_derive::napi;

use super::{add, add_shaped, id};
use crate::state::{engine, shape, sizes};

/// Broadcasts to a shape by NumPy's rule.
#[napi(js_name = "broadcastTo")]
pub fn broadcast_to_shape(a: f64, extents: Vec<f64>) -> napi::Result<f64> {
    engine(|e| Ok(broadcast_to(&mut e.graph, "broadcastTo", id(a), &shape(&extents))?.to_number()))
}

/// Other extents, same elements.
#[napi]
pub fn reshape(a: f64, extents: Vec<f64>) -> napi::Result<f64> {
    add_shaped(Op::Reshape, &[a], &extents, 0)
}

/// Axes in another order.
#[napi]
pub fn permute(a: f64, axes: Vec<f64>) -> napi::Result<f64> {
    add(Op::Permute(sizes(&axes)), &[a], None)
}

/// `count` elements per axis from `start`, every `step`-th.
#[napi]
pub fn slice(a: f64, start: Vec<f64>, step: Vec<f64>, count: Vec<f64>) -> napi::Result<f64> {
    add_shaped(
        Op::Slice {
            start: sizes(&start),
            step: sizes(&step),
        },
        &[a],
        &count,
        0,
    )
}

/// Zeros around and between the elements.
#[napi]
pub fn pad(a: f64, low: Vec<f64>, high: Vec<f64>, interior: Vec<f64>) -> napi::Result<f64> {
    add(
        Op::Pad {
            low: sizes(&low),
            high: sizes(&high),
            interior: sizes(&interior),
        },
        &[a],
        None,
    )
}

/// Reversal along axes.
#[napi]
pub fn flip(a: f64, axes: Vec<f64>) -> napi::Result<f64> {
    add(Op::Flip(sizes(&axes)), &[a], None)
}

/// Concatenation along an axis.
#[napi]
pub fn concat(parts: Vec<f64>, axis: u32) -> napi::Result<f64> {
    add(Op::Concat { axis: axis as usize }, &parts, None)
}
