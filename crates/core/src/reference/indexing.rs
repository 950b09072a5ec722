//! Places chosen by data. An index counts from 0; one outside its axis is an error.

use ndarray::{ArrayD, Dimension};

use super::refusal::index_out_of_range;
use super::value::{Element, from_fn, indices, with, zeros};
use crate::error::Result;
use crate::shape::Shape;

/// The indices as positions on `axis` of `shape`.
pub(super) fn positions(
    op: &str,
    index: &ArrayD<i64>,
    axis: usize,
    shape: &[usize],
) -> Result<ArrayD<usize>> {
    let extent = shape[axis];
    for (position, &i) in index.indexed_iter() {
        if usize::try_from(i).map_or(true, |i| i >= extent) {
            return Err(index_out_of_range(op, i, position.slice(), axis, extent));
        }
    }
    Ok(index.mapv(|i| i as usize))
}

/// `out[.., i, ..] = x[.., position[i], ..]`
pub(super) fn take<T: Copy>(x: &ArrayD<T>, position: &ArrayD<usize>, axis: usize, to: &Shape) -> ArrayD<T> {
    from_fn(to, |i| x[&with(i, axis, position[[i[axis]]])[..]])
}

/// `out[.., position[i], ..] += src[.., i, ..]`
pub(super) fn index_add<T: Element>(
    src: &ArrayD<T>,
    position: &ArrayD<usize>,
    axis: usize,
    to: &Shape,
) -> ArrayD<T> {
    added(src, axis, to, |i| position[[i[axis]]])
}

/// `out[i] = x[i with position[i] on the axis]`
pub(super) fn gather<T: Copy>(x: &ArrayD<T>, position: &ArrayD<usize>, axis: usize, to: &Shape) -> ArrayD<T> {
    from_fn(to, |i| x[&with(i, axis, position[i])[..]])
}

/// `out[i with position[i] on the axis] += src[i]`
pub(super) fn scatter_add<T: Element>(
    src: &ArrayD<T>,
    position: &ArrayD<usize>,
    axis: usize,
    to: &Shape,
) -> ArrayD<T> {
    added(src, axis, to, |i| position[i])
}

/// Zeros, with each element of `src` added where its index has its `position` on the axis.
fn added<T: Element>(
    src: &ArrayD<T>,
    axis: usize,
    to: &Shape,
    position: impl Fn(&[usize]) -> usize,
) -> ArrayD<T> {
    let mut out: ArrayD<T> = zeros(to);
    for i in indices(src.shape()) {
        let target = with(&i, axis, position(&i));
        out[&target[..]] = out[&target[..]].plus(src[&i[..]]);
    }
    out
}
