//! Indexing: elements by their positions.

use super::Given;
use super::checks::{axis_within, not_bool};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::Spec;
use crate::shape::Shape;

pub(super) fn take(given: &Given<'_>, axis: usize) -> Result<Spec> {
    let (name, [x, index]) = (given.name, given.pair());
    axis_within(name, axis, x.shape.rank())?;
    index_dtype(name, index)?;
    if index.shape.rank() != 1 {
        return Err(Error::shape(
            name,
            format!("the index is {}, expected one axis", index.shape),
            "flatten it, or use takeAlong",
        ));
    }
    given.shaped(x.shape.with(axis, index.shape[0]))
}

pub(super) fn index_add(given: &Given<'_>, axis: usize) -> Result<Spec> {
    let (name, [index, src], to) = (given.name, given.pair(), given.wanted()?);
    axis_within(name, axis, to.shape.rank())?;
    index_dtype(name, index)?;
    if src.shape.rank() != to.shape.rank() || src.shape != to.shape.with(axis, index.shape.size()) {
        return Err(Error::shape(
            name,
            format!(
                "source {} for {} indices on axis {axis} of {}",
                src.shape,
                index.shape.size(),
                to.shape
            ),
            "the source has one slice per index and the target's extents elsewhere",
        ));
    }
    not_bool(name, src)?;
    Ok(Spec::new(to.shape.clone(), src.dtype))
}

pub(super) fn gather(given: &Given<'_>, axis: usize) -> Result<Spec> {
    let [x, index] = given.pair();
    along(given.name, axis, &x.shape, index)?;
    given.shaped(index.shape.clone())
}

pub(super) fn scatter_add(given: &Given<'_>, axis: usize) -> Result<Spec> {
    let (name, [index, src], to) = (given.name, given.pair(), given.wanted()?);
    along(name, axis, &to.shape, index)?;
    not_bool(name, src)?;
    if src.shape != index.shape {
        return Err(Error::shape(
            name,
            format!("source {} and index {} differ", src.shape, index.shape),
            "give one value per index",
        ));
    }
    Ok(Spec::new(to.shape.clone(), src.dtype))
}

fn along(name: &str, axis: usize, shape: &Shape, index: &Spec) -> Result<()> {
    axis_within(name, axis, shape.rank())?;
    index_dtype(name, index)?;
    let fits = index.shape.rank() == shape.rank()
        && (0..shape.rank()).all(|i| i == axis || index.shape[i] <= shape[i]);
    if fits {
        Ok(())
    } else {
        Err(Error::shape(
            name,
            format!("index {} does not go along axis {axis} of {shape}", index.shape),
            "the index has as many axes, and elsewhere no larger extents",
        ))
    }
}

fn index_dtype(name: &str, x: &Spec) -> Result<()> {
    if matches!(x.dtype, DType::I32 | DType::I64) {
        return Ok(());
    }
    Err(Error::dtype(
        name,
        format!("the index is {}, expected int32 or int64", x.dtype),
        "cast it: index.cast('int32')",
    ))
}
