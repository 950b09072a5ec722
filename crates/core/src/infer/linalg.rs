//! Matrices on the last two axes.

use super::Given;
use super::checks::{floats, same_dtype, same_shape};
use crate::error::{Error, Result};
use crate::op::Spec;

pub(super) fn positive(given: &Given<'_>) -> Result<Spec> {
    square(given.name, given.inputs[0])?;
    given.like_first()
}

pub(super) fn det(given: &Given<'_>) -> Result<Spec> {
    square(given.name, given.inputs[0])?;
    let shape = &given.inputs[0].shape;
    given.shaped(shape.dims()[..shape.rank() - 2].into())
}

pub(super) fn squares(given: &Given<'_>) -> Result<Spec> {
    let (name, a) = (given.name, given.inputs[0]);
    square(name, a)?;
    for h in given.inputs {
        same_dtype(name, a, h)?;
        same_shape(name, a, h)?;
    }
    given.like_first()
}

pub(super) fn eigh(given: &Given<'_>) -> Result<Spec> {
    square(given.name, given.inputs[0])?;
    let shape = &given.inputs[0].shape;
    let axis = shape.rank() - 2;
    given.shaped(shape.with(axis, shape[axis] + 1))
}

/// The solution has the spec of the right-hand side.
pub(super) fn solve(given: &Given<'_>) -> Result<Spec> {
    let (name, [a, b]) = (given.name, given.pair());
    square(name, a)?;
    same_dtype(name, a, b)?;
    let r = a.shape.rank();
    if b.shape.rank() != r || a.shape.dims()[..r - 1] != b.shape.dims()[..r - 1] {
        return Err(Error::shape(
            name,
            format!("matrix {} and right-hand side {} do not fit", a.shape, b.shape),
            "the right-hand side is (.., n, m) with the matrix's batch axes and n",
        ));
    }
    Ok(b.clone())
}

fn square(name: &str, x: &Spec) -> Result<()> {
    floats(name, x)?;
    let r = x.shape.rank();
    if r >= 2 && x.shape[r - 1] == x.shape[r - 2] {
        return Ok(());
    }
    Err(Error::shape(
        name,
        format!("given {}, expected square matrices (.., n, n)", x.shape),
        "",
    ))
}
