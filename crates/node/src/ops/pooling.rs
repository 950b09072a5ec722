//! Windows that slide over the trailing axes.

use hyperglow_core::op::Op;
use napi_derive::napi;

use super::products::add_sliding;
use crate::state::sizes;

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
    add_sliding([&stride, &pad_low, &pad_high, &dilation], &[x], |window| {
        Op::WindowSum {
            window,
            kernel: sizes(&kernel),
        }
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
    add_sliding([&stride, &pad_low, &pad_high, &dilation], &[x], |window| {
        Op::WindowArgMax {
            window,
            kernel: sizes(&kernel),
        }
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
    add_sliding([&stride, &pad_low, &pad_high, &dilation], &[x], |window| {
        Op::WindowMax {
            window,
            kernel: sizes(&kernel),
        }
    })
}
