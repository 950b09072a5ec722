//! Sums and maxima over windows.

use super::Given;
use super::checks::{not_bool, spatial_rank, window_outputs};
use super::limits::indexable;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{Spec, Window};

pub(super) fn sum(given: &Given<'_>, window: &Window, kernel: &[usize]) -> Result<Spec> {
    let outputs = outputs(given, window, kernel)?;
    reduced(given, &outputs, given.inputs[0].dtype)
}

pub(super) fn max(given: &Given<'_>, window: &Window, kernel: &[usize]) -> Result<Spec> {
    let outputs = outputs(given, window, kernel)?;
    no_window_in_padding(given.name, window, given.inputs[0], kernel, &outputs)?;
    reduced(given, &outputs, given.inputs[0].dtype)
}

pub(super) fn arg_max(given: &Given<'_>, window: &Window, kernel: &[usize]) -> Result<Spec> {
    let (name, x) = (given.name, given.inputs[0]);
    let outputs = outputs(given, window, kernel)?;
    no_window_in_padding(name, window, x, kernel, &outputs)?;
    indexable(name, x.shape.dims()[2..].iter().product())?;
    reduced(given, &outputs, DType::I32)
}

/// The extents of the result's spatial axes.
fn outputs(given: &Given<'_>, window: &Window, kernel: &[usize]) -> Result<Vec<usize>> {
    let (name, x) = (given.name, given.inputs[0]);
    not_bool(name, x)?;
    if x.shape.rank() != window.rank() + 2 {
        return Err(spatial_rank(name, window, x));
    }
    window_outputs(name, window, x, kernel)
}

fn reduced(given: &Given<'_>, outputs: &[usize], dtype: DType) -> Result<Spec> {
    let dims = [&given.inputs[0].shape.dims()[..2], outputs].concat();
    Ok(Spec::new(dims, dtype))
}

pub(super) fn sum_grad(given: &Given<'_>, input: &[usize]) -> Result<Spec> {
    let dims = [&given.inputs[0].shape.dims()[..2], input].concat();
    given.shaped(dims.into())
}

pub(super) fn max_grad(given: &Given<'_>, input: &[usize]) -> Result<Spec> {
    let [index, dy] = given.pair();
    if index.dtype != DType::I32 || index.shape != dy.shape {
        return Err(Error::shape(
            given.name,
            format!(
                "the index is {} {}, expected int32 {}",
                index.dtype, index.shape, dy.shape
            ),
            "give what windowArgMax gives for the same windows",
        ));
    }
    let dims = [&dy.shape.dims()[..2], input].concat();
    Ok(Spec::new(dims, dy.dtype))
}

/// A maximum needs an element: each window has a tap inside the input, on every axis.
fn no_window_in_padding(
    name: &str,
    window: &Window,
    x: &Spec,
    kernel: &[usize],
    outputs: &[usize],
) -> Result<()> {
    for a in 0..window.rank() {
        let input = window.pad_low[a]..window.pad_low[a] + x.shape[2 + a];
        let touches =
            |o| (0..kernel[a]).any(|tap| input.contains(&(o * window.stride[a] + tap * window.dilation[a])));
        // The windows between `before` and `behind` begin inside the input.
        let before = 0..outputs[a].min(input.start.div_ceil(window.stride[a]));
        let behind = input.end.div_ceil(window.stride[a])..outputs[a];
        if let Some(o) = before.chain(behind).find(|&o| !touches(o)) {
            return Err(Error::shape(
                name,
                format!(
                    "on spatial axis {a} window {o} lies in the padding alone, and a maximum of nothing has no position"
                ),
                "use less padding, or a dilation below the input's extent",
            ));
        }
    }
    Ok(())
}
