//! Movement: the same elements at other positions.

use super::Given;
use super::checks::{axis_within, same_dtype};
use crate::error::{Error, Result};
use crate::op::Spec;
use crate::shape::Shape;

pub(super) fn broadcast(given: &Given<'_>) -> Result<Spec> {
    let (from, to) = (&given.inputs[0].shape, &given.wanted()?.shape);
    let fits = from.rank() == to.rank() && from.dims().iter().zip(to.dims()).all(|(&a, &b)| a == b || a == 1);
    if !fits {
        return Err(Error::shape(
            given.name,
            format!("{from} does not stretch to {to}"),
            "extents must be equal or 1, counting axes from the right",
        ));
    }
    given.shaped(to.clone())
}

pub(super) fn reshape(given: &Given<'_>) -> Result<Spec> {
    let (from, to) = (&given.inputs[0].shape, &given.wanted()?.shape);
    if from.size() != to.size() {
        return Err(Error::shape(
            given.name,
            format!("{from} has {} elements, {to} has {}", from.size(), to.size()),
            "choose extents with the same product; one of them may be -1",
        ));
    }
    given.shaped(to.clone())
}

pub(super) fn permute(given: &Given<'_>, axes: &[usize]) -> Result<Spec> {
    let (name, shape) = (given.name, &given.inputs[0].shape);
    let mut seen = vec![false; shape.rank()];
    for &axis in axes {
        axis_within(name, axis, shape.rank())?;
        seen[axis] = true;
    }
    if axes.len() != shape.rank() || seen.contains(&false) {
        return Err(Error::shape(
            name,
            format!("{axes:?} is not an order of the {} axes of {shape}", shape.rank()),
            "name every axis once",
        ));
    }
    given.shaped(axes.iter().map(|&a| shape[a]).collect())
}

pub(super) fn slice(given: &Given<'_>, start: &[usize], step: &[usize]) -> Result<Spec> {
    let (from, to) = (&given.inputs[0].shape, &given.wanted()?.shape);
    let fits = to.rank() == from.rank()
        && (0..from.rank()).all(|i| to[i] == 0 || last_of(start[i], to[i], step[i]) < from[i]);
    if !fits || step.contains(&0) {
        return Err(Error::shape(
            given.name,
            format!("{to} elements from {start:?} in steps of {step:?} do not lie in {from}"),
            "keep start + (count - 1) * step below each extent",
        ));
    }
    given.shaped(to.clone())
}

/// The position of the last of `count` elements from `start`.
fn last_of(start: usize, count: usize, step: usize) -> usize {
    (count - 1).saturating_mul(step).saturating_add(start)
}

pub(super) fn pad(given: &Given<'_>, low: &[usize], high: &[usize], interior: &[usize]) -> Result<Spec> {
    let shape = &given.inputs[0].shape;
    if [low, high, interior].iter().any(|v| v.len() != shape.rank()) {
        return Err(Error::shape(
            given.name,
            format!("{} widths for {shape}", low.len()),
            "give one pair of widths per axis",
        ));
    }
    let dims = (0..shape.rank()).map(|i| {
        let between = interior[i].saturating_mul(shape[i].saturating_sub(1));
        let around = low[i].saturating_add(high[i]);
        shape[i].saturating_add(between).saturating_add(around)
    });
    given.shaped(dims.collect::<Shape>())
}

pub(super) fn flip(given: &Given<'_>, axes: &[usize]) -> Result<Spec> {
    for &axis in axes {
        axis_within(given.name, axis, given.inputs[0].shape.rank())?;
    }
    given.like_first()
}

pub(super) fn concat(given: &Given<'_>, axis: usize) -> Result<Spec> {
    let (name, inputs) = (given.name, given.inputs);
    let first = inputs[0];
    axis_within(name, axis, first.shape.rank())?;
    let mut total = 0;
    for x in inputs {
        same_dtype(name, first, x)?;
        if x.shape.rank() != first.shape.rank() || x.shape.with(axis, 1) != first.shape.with(axis, 1) {
            return Err(Error::shape(
                name,
                format!(
                    "{} and {} differ on another axis than {axis}",
                    first.shape, x.shape
                ),
                "all extents but the joined one must be equal",
            ));
        }
        total += x.shape[axis];
    }
    given.shaped(first.shape.with(axis, total))
}
