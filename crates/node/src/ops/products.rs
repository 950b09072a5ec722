//! Matrix products and convolutions.

use hyperglow_core::op::{Op, Window};
use hyperglow_core::{Error, Result};
use napi_derive::napi;

use super::id;
use crate::state::{bound_pending, engine, sizes};

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

pub(super) fn window(stride: &[f64], pad_low: &[f64], pad_high: &[f64], dilation: &[f64]) -> Result<Window> {
    let lengths = [pad_low.len(), pad_high.len(), dilation.len()];
    if lengths.iter().any(|&n| n != stride.len()) {
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
    engine(|e| {
        let op = Op::Conv {
            window: window(&stride, &pad_low, &pad_high, &dilation)?,
            groups: groups as usize,
        };
        Ok(e.graph.add(op, &[id(x), id(w)], None)?.to_number())
    })
}

/// Convolution with a kernel of its own for every place.
#[napi]
pub fn local_conv(
    x: f64,
    w: f64,
    stride: Vec<f64>,
    pad_low: Vec<f64>,
    pad_high: Vec<f64>,
    dilation: Vec<f64>,
) -> napi::Result<f64> {
    engine(|e| {
        let op = Op::LocalConv {
            window: window(&stride, &pad_low, &pad_high, &dilation)?,
        };
        Ok(e.graph.add(op, &[id(x), id(w)], None)?.to_number())
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
    engine(|e| {
        let window = window(&stride, &pad_low, &pad_high, &dilation)?;
        let op = Op::ConvInputGrad {
            window,
            groups: groups as usize,
            input: sizes(&input),
        };
        Ok(e.graph.add(op, &[id(dy), id(w)], None)?.to_number())
    })
}

/// The adjoint of convolution in w.
#[napi]
#[allow(
    clippy::too_many_arguments,
    reason = "positional numbers are the cheapest way across the boundary"
)]
pub fn conv_weight_grad(
    x: f64,
    dy: f64,
    stride: Vec<f64>,
    pad_low: Vec<f64>,
    pad_high: Vec<f64>,
    dilation: Vec<f64>,
    groups: f64,
    kernel: Vec<f64>,
) -> napi::Result<f64> {
    engine(|e| {
        let window = window(&stride, &pad_low, &pad_high, &dilation)?;
        let op = Op::ConvWeightGrad {
            window,
            groups: groups as usize,
            kernel: sizes(&kernel),
        };
        Ok(e.graph.add(op, &[id(x), id(dy)], None)?.to_number())
    })
}
