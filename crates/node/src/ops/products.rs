//! Matrix products and convolutions.

use hyperglow_core::op::{Op, Window};
use hyperglow_core::{Error, Result};
use napi_derive::napi;

use super::id;
use crate::state::{bound_pending, engine, ids, sizes};

/// Matrix product; a flag means that operand is stored transposed.
#[napi]
pub fn matmul(a: f64, b: f64, ta: bool, tb: bool) -> napi::Result<f64> {
    engine(|e| {
        bound_pending(e)?;
        Ok(e.graph
            .add(Op::MatMul { ta, tb }, &[id(a), id(b)], None)?
            .to_number())
    })
}

/// Strides, padding before and after, and dilations, one each per spatial axis.
pub(super) type Sliding<'a> = [&'a [f64]; 4];

/// Adds the operation that `op` makes of a window.
pub(super) fn add_sliding(
    sliding: Sliding<'_>,
    inputs: &[f64],
    op: impl FnOnce(Window) -> Op,
) -> napi::Result<f64> {
    engine(|e| {
        let op = op(window(sliding)?);
        Ok(e.graph.add(op, &ids(inputs), None)?.to_number())
    })
}

fn window(sliding: Sliding<'_>) -> Result<Window> {
    let [stride, pad_low, pad_high, dilation] = sliding;
    if sliding.iter().any(|attribute| attribute.len() != stride.len()) {
        return Err(Error::internal("window", "attributes of different lengths"));
    }
    Ok(Window {
        stride: sizes(stride),
        pad_low: sizes(pad_low),
        pad_high: sizes(pad_high),
        dilation: sizes(dilation),
    })
}

/// Convolution (cross-correlation), n-dimensional.
#[napi]
pub fn conv(
    x: f64,
    w: f64,
    stride: Vec<f64>,
    pad_low: Vec<f64>,
    pad_high: Vec<f64>,
    dilation: Vec<f64>,
    groups: f64,
) -> napi::Result<f64> {
    add_sliding([&stride, &pad_low, &pad_high, &dilation], &[x, w], |window| {
        Op::Conv {
            window,
            groups: groups as usize,
        }
    })
}

/// Convolution with another kernel at every position.
#[napi]
pub fn local_conv(
    x: f64,
    w: f64,
    stride: Vec<f64>,
    pad_low: Vec<f64>,
    pad_high: Vec<f64>,
    dilation: Vec<f64>,
) -> napi::Result<f64> {
    add_sliding([&stride, &pad_low, &pad_high, &dilation], &[x, w], |window| {
        Op::LocalConv { window }
    })
}

/// The adjoint of convolution in x: transposed convolution.
#[napi]
#[allow(
    clippy::too_many_arguments,
    reason = "positional numbers are the cheapest way across the boundary"
)]
pub fn conv_input_grad(
    dy: f64,
    w: f64,
    stride: Vec<f64>,
    pad_low: Vec<f64>,
    pad_high: Vec<f64>,
    dilation: Vec<f64>,
    groups: f64,
    input: Vec<f64>,
) -> napi::Result<f64> {
    add_sliding([&stride, &pad_low, &pad_high, &dilation], &[dy, w], |window| {
        Op::ConvInputGrad {
            window,
            groups: groups as usize,
            input: sizes(&input),
        }
    })
}
