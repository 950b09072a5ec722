//! Order and running sums along an axis, and rows as points.

use super::Given;
use super::checks::{axis_within, floats, not_bool, same_dtype};
use super::limits::indexable;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::Spec;

pub(super) fn arg_sort(given: &Given<'_>, axis: usize) -> Result<Spec> {
    let x = given.inputs[0];
    axis_within(given.name, axis, x.shape.rank())?;
    indexable(given.name, x.shape[axis])?;
    Ok(Spec::new(x.shape.clone(), DType::I32))
}

pub(super) fn top_k(given: &Given<'_>, axis: usize) -> Result<Spec> {
    let (name, x, to) = (given.name, given.inputs[0], given.wanted()?);
    axis_within(name, axis, x.shape.rank())?;
    let k = to.shape[axis];
    if k > x.shape[axis] {
        return Err(Error::argument(
            name,
            format!("k is {k}, axis {axis} has {}", x.shape[axis]),
            "choose k within the extent",
        ));
    }
    indexable(name, x.shape[axis])?;
    Ok(Spec::new(x.shape.with(axis, k), DType::I32))
}

pub(super) fn cumsum(given: &Given<'_>, axis: usize) -> Result<Spec> {
    axis_within(given.name, axis, given.inputs[0].shape.rank())?;
    not_bool(given.name, given.inputs[0])?;
    given.like_first()
}

pub(super) fn unique_rows(given: &Given<'_>) -> Result<Spec> {
    let x = given.inputs[0];
    if x.shape.rank() != 2 {
        return Err(not_rows(given.name, x));
    }
    indexable(given.name, x.shape[0])?;
    Ok(Spec::new([x.shape[0]], DType::I32))
}

pub(super) fn neighbors(given: &Given<'_>, k: usize) -> Result<Spec> {
    let n = points(given.name, given.inputs[0])?;
    if k == 0 || k >= n {
        return Err(Error::argument(
            given.name,
            format!(
                "k is {k} and there are {n} rows, so each has {} others",
                n.saturating_sub(1)
            ),
            "choose k from 1 to the number of rows less one, or give more rows",
        ));
    }
    indexable(given.name, n)?;
    Ok(Spec::new([n, k], DType::I32))
}

pub(super) fn count_within(given: &Given<'_>) -> Result<Spec> {
    let (name, [x, radius]) = (given.name, given.pair());
    let n = points(name, x)?;
    indexable(name, n)?;
    same_dtype(name, x, radius)?;
    if radius.shape.dims() != [n] {
        return Err(Error::shape(
            name,
            format!("radius is {}, expected one per row: ({n})", radius.shape),
            "give a vector of radii; broadcast a number to it",
        ));
    }
    Ok(Spec::new([n], DType::I32))
}

pub(super) fn median_distance(given: &Given<'_>) -> Result<Spec> {
    let x = given.inputs[0];
    let n = points(given.name, x)?;
    if n < 2 {
        return Err(Error::argument(
            given.name,
            format!("given {n} rows, and distances are of pairs"),
            "give at least 2 rows",
        ));
    }
    indexable(given.name, n)?;
    Ok(Spec::new([], x.dtype))
}

/// The number of points (n, d).
fn points(name: &str, x: &Spec) -> Result<usize> {
    floats(name, x)?;
    match *x.shape.dims() {
        [n, _] => Ok(n),
        _ => Err(not_rows(name, x)),
    }
}

fn not_rows(name: &str, x: &Spec) -> Error {
    Error::shape(
        name,
        format!("expected rows (n, d), given {}", x.shape),
        "reshape to two axes",
    )
}
