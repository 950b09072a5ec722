//! Checks that operations of several families share, with messages that say what was given and how to mend it.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{Spec, Window};
use crate::shape::Shape;

use super::limits::within_limits;

pub(super) fn window_outputs(name: &str, window: &Window, x: &Spec, kernel: &[usize]) -> Result<Vec<usize>> {
    if window.stride.contains(&0) || window.dilation.contains(&0) || kernel.len() != window.rank() {
        return Err(Error::argument(
            name,
            "stride, dilation and kernel extents are at least 1",
            "one number per spatial axis",
        ));
    }
    padded_within_limits(name, window, x, x.shape[1])?;
    (0..window.rank())
        .map(|i| {
            let n = window.output(i, x.shape[2 + i], kernel[i]);
            if n == 0 {
                return Err(Error::shape(
                    name,
                    format!(
                        "on spatial axis {i} an input of {} padded by {} + {} is smaller than a kernel of {} dilated by {}",
                        x.shape[2 + i], window.pad_low[i], window.pad_high[i], kernel[i], window.dilation[i]
                    ),
                    "use a smaller kernel or more padding",
                ));
            }
            Ok(n)
        })
        .collect()
}

/// Kernels may write all channels of a sample with their padding.
pub(super) fn padded_within_limits(name: &str, window: &Window, x: &Spec, channels: usize) -> Result<()> {
    let padded = |i| window.padded(i, x.shape[2 + i]);
    let shape: Shape = std::iter::once(channels)
        .chain((0..window.rank()).map(padded))
        .collect();
    within_limits(name, &shape).map_err(|_| {
        Error::shape(
            name,
            format!(
                "{} padded by {:?} before and {:?} behind has more than 2^40 elements",
                x.shape, window.pad_low, window.pad_high
            ),
            "use less padding",
        )
    })
}

/// Batch, channels and the window's spatial axes, of each.
pub(super) fn spatial_axes(name: &str, window: &Window, operands: &[&Spec]) -> Result<()> {
    match operands.iter().find(|x| x.shape.rank() != window.rank() + 2) {
        Some(x) => Err(spatial_rank(name, window, x)),
        None => Ok(()),
    }
}

pub(super) fn spatial_rank(name: &str, window: &Window, x: &Spec) -> Error {
    Error::shape(
        name,
        format!(
            "given {}, expected (batch, channels, {} spatial axes)",
            x.shape,
            window.rank()
        ),
        "reshape the input",
    )
}

pub(super) fn axis_within(name: &str, axis: usize, rank: usize) -> Result<()> {
    if axis < rank {
        return Ok(());
    }
    Err(Error::shape(
        name,
        format!("axis {axis} of a tensor with {rank} axes"),
        "axes count from 0",
    ))
}

pub(super) fn floats(name: &str, x: &Spec) -> Result<()> {
    if x.dtype.is_float() {
        return Ok(());
    }
    Err(Error::dtype(
        name,
        format!("given {}, expected float32 or float64", x.dtype),
        "cast first: x.cast('float32')",
    ))
}

pub(super) fn not_bool(name: &str, x: &Spec) -> Result<()> {
    if x.dtype != DType::Bool {
        return Ok(());
    }
    Err(Error::dtype(
        name,
        "given bool, expected numbers",
        "cast first: x.cast('int32')",
    ))
}

pub(super) fn same_dtype(name: &str, a: &Spec, b: &Spec) -> Result<()> {
    if a.dtype == b.dtype {
        return Ok(());
    }
    Err(Error::dtype(
        name,
        format!("given {} and {}", a.dtype, b.dtype),
        "cast one of them: x.cast(y.dtype)",
    ))
}

pub(super) fn same_shape(name: &str, a: &Spec, b: &Spec) -> Result<()> {
    if a.shape == b.shape {
        return Ok(());
    }
    Err(Error::shape(
        name,
        format!("given {} and {}", a.shape, b.shape),
        "broadcast one of them",
    ))
}
