//! Reductions, whose axes disappear.

use super::Given;
use super::checks::{axis_within, not_bool};
use super::limits::indexable;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{Reduction, Spec};

pub(super) fn reduce(given: &Given<'_>, kind: Reduction, axes: &[usize]) -> Result<Spec> {
    let (name, x) = (given.name, given.inputs[0]);
    for &axis in axes {
        axis_within(name, axis, x.shape.rank())?;
        if x.shape[axis] == 0 && kind != Reduction::Sum {
            return Err(Error::shape(
                name,
                format!(
                    "axis {axis} of {} is empty and an extremum of nothing has no value",
                    x.shape
                ),
                "reduce a non-empty axis",
            ));
        }
    }
    let dtype = match kind {
        Reduction::Sum if !x.dtype.is_float() => DType::I64,
        Reduction::Sum => x.dtype,
        Reduction::Max | Reduction::Min => {
            not_bool(name, x)?;
            x.dtype
        }
    };
    Ok(Spec::new(x.shape.reduced(axes, false), dtype))
}

pub(super) fn arg_max(given: &Given<'_>, axis: usize) -> Result<Spec> {
    let (name, x) = (given.name, given.inputs[0]);
    axis_within(name, axis, x.shape.rank())?;
    if x.shape[axis] == 0 {
        return Err(Error::shape(
            name,
            format!("axis {axis} of {} is empty", x.shape),
            "",
        ));
    }
    indexable(name, x.shape[axis])?;
    Ok(Spec::new(x.shape.reduced(&[axis], false), DType::I32))
}
