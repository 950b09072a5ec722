//! Windows that slide over the trailing axes.

use hyperglow_core::op::Op;
use napi_derive::napi;

use super::id;
use super::products::window;
use crate::state::{engine, sizes};

/// Sum over windows.
#[napi]
pub fn window_sum(
    x: f64,
    stride: Vec<f64>,
    pad_low: Vec<f64>,
    pad_high: Vec<f64>,
    dilation: Vec<f64>,
    kernel: Vec<f64>,
) -> napi::Result<f64> {
    engine(|e| {
        let op = Op::WindowSum {
            window: window(&stride, &pad_low, &pad_high, &dilation)?,
            kernel: sizes(&kernel),
        };
        Ok(e.graph.add(op, &[id(x)], None)?.to_number())
    })
}

/// Flat spatial index of each window's first maximum.
#[napi]
pub fn window_arg_max(
    x: f64,
    stride: Vec<f64>,
    pad_low: Vec<f64>,
    pad_high: Vec<f64>,
    dilation: Vec<f64>,
    kernel: Vec<f64>,
) -> napi::Result<f64> {
    engine(|e| {
        let op = Op::WindowArgMax {
            window: window(&stride, &pad_low, &pad_high, &dilation)?,
            kernel: sizes(&kernel),
        };
        Ok(e.graph.add(op, &[id(x)], None)?.to_number())
    })
}

/// The maximum of each window.
#[napi]
pub fn window_max(
    x: f64,
    stride: Vec<f64>,
    pad_low: Vec<f64>,
    pad_high: Vec<f64>,
    dilation: Vec<f64>,
    kernel: Vec<f64>,
) -> napi::Result<f64> {
    engine(|e| {
        let op = Op::WindowMax {
            window: window(&stride, &pad_low, &pad_high, &dilation)?,
            kernel: sizes(&kernel),
        };
        Ok(e.graph.add(op, &[id(x)], None)?.to_number())
    })
}
