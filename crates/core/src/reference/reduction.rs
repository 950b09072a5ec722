//! Many elements to one, or to each its predecessors' sum.

use std::cmp::Ordering;

use ndarray::ArrayD;

use super::value::{Element, from_fn, indices, with, zeros};
use crate::op::Reduction;
use crate::shape::Shape;

/// Reduction over `axes`. Floats are summed in float64; NaN wins an extremum; the sum of nothing is 0.
pub(super) fn reduce<T: Element>(x: &ArrayD<T>, kind: Reduction, axes: &[usize], to: &Shape) -> ArrayD<T> {
    let mut out: ArrayD<Option<T>> = from_fn(to, |_| None);
    for i in indices(x.shape()) {
        let kept: Vec<usize> = (0..i.len()).filter(|a| !axes.contains(a)).map(|a| i[a]).collect();
        let (element, so_far) = (x[&i[..]], &mut out[&kept[..]]);
        *so_far = Some(match *so_far {
            None => element,
            Some(before) => combine(kind, before, element),
        });
    }
    out.mapv(|element| element.unwrap_or(T::ZERO))
}

fn combine<T: Element>(kind: Reduction, a: T, b: T) -> T {
    match kind {
        Reduction::Sum => a.plus(b),
        Reduction::Max => {
            if a.is_nan() || a >= b {
                a
            } else {
                b
            }
        }
        Reduction::Min => {
            if a.is_nan() || a <= b {
                a
            } else {
                b
            }
        }
    }
}

/// Position of the first maximum along `axis`; NaN is the largest.
pub(super) fn arg_max<T: Element>(x: &ArrayD<T>, axis: usize, to: &Shape) -> ArrayD<i64> {
    from_fn(to, |i| {
        let at = |position: usize| {
            let mut full = i.to_vec();
            full.insert(axis, position);
            x[&full[..]]
        };
        let mut best = 0;
        for position in 1..x.shape()[axis] {
            if at(position).compare(at(best)) == Ordering::Greater {
                best = position;
            }
        }
        best as i64
    })
}

/// Element i is the sum of the elements up to and with i along `axis`, or from i on.
pub(super) fn cumsum<T: Element>(x: &ArrayD<T>, axis: usize, reverse: bool, to: &Shape) -> ArrayD<T> {
    let mut out = zeros(to);
    let extent = x.shape()[axis];
    for i in indices(x.shape()) {
        // Row-major order: whatever comes before along the axis is done already; from the end, mirror.
        let at = |position: usize| with(&i, axis, if reverse { extent - 1 - position } else { position });
        let here = at(i[axis]);
        let before = if i[axis] == 0 {
            T::ZERO
        } else {
            out[&at(i[axis] - 1)[..]]
        };
        out[&here[..]] = x[&here[..]].plus(before);
    }
    out
}
