//! Elements at other positions: nothing is computed, so every function works on every dtype. Each function says which element of
//! the operand an element of the result is.

use ndarray::{ArrayD, IxDyn};

use super::value::{Element, from_fn, indices, zeros};
use crate::shape::Shape;

/// Extents of 1 repeat.
pub(super) fn broadcast<T: Copy>(x: &ArrayD<T>, to: &Shape) -> ArrayD<T> {
    let source = |i: &[usize]| -> Vec<usize> {
        i.iter()
            .zip(x.shape())
            .map(|(&i, &extent)| if extent == 1 { 0 } else { i })
            .collect()
    };
    from_fn(to, |i| x[&source(i)[..]])
}

/// The same elements in row-major order.
pub(super) fn reshape<T: Copy>(x: &ArrayD<T>, to: &Shape) -> ArrayD<T> {
    let elements = x.iter().copied().collect();
    ArrayD::from_shape_vec(IxDyn(to.dims()), elements).expect("inference compared the sizes")
}

/// Output axis i is input axis `axes[i]`.
pub(super) fn permute<T: Copy>(x: &ArrayD<T>, axes: &[usize], to: &Shape) -> ArrayD<T> {
    from_fn(to, |i| {
        let mut from = vec![0; axes.len()];
        for (position, &axis) in i.iter().zip(axes) {
            from[axis] = *position;
        }
        x[&from[..]]
    })
}

/// Every `step`-th element from `start`.
pub(super) fn slice<T: Copy>(x: &ArrayD<T>, start: &[usize], step: &[usize], to: &Shape) -> ArrayD<T> {
    from_fn(to, |i| {
        let from: Vec<usize> = (0..i.len()).map(|a| start[a] + i[a] * step[a]).collect();
        x[&from[..]]
    })
}

/// Zeros before, after and between: x's element i goes to `low + i (interior + 1)`.
pub(super) fn pad<T: Element>(x: &ArrayD<T>, low: &[usize], interior: &[usize], to: &Shape) -> ArrayD<T> {
    let mut out = zeros(to);
    for i in indices(x.shape()) {
        let at: Vec<usize> = (0..i.len()).map(|a| low[a] + i[a] * (interior[a] + 1)).collect();
        out[&at[..]] = x[&i[..]];
    }
    out
}

/// The last element first along `axes`.
pub(super) fn flip<T: Copy>(x: &ArrayD<T>, axes: &[usize], to: &Shape) -> ArrayD<T> {
    from_fn(to, |i| {
        let mirrored = |a: usize| {
            if axes.contains(&a) {
                x.shape()[a] - 1 - i[a]
            } else {
                i[a]
            }
        };
        let from: Vec<usize> = (0..i.len()).map(mirrored).collect();
        x[&from[..]]
    })
}

/// One after the other along `axis`.
pub(super) fn concat<T: Element>(parts: &[ArrayD<T>], axis: usize, to: &Shape) -> ArrayD<T> {
    let mut out = zeros(to);
    let mut before = 0;
    for part in parts {
        for mut i in indices(part.shape()) {
            let element = part[&i[..]];
            i[axis] += before;
            out[&i[..]] = element;
        }
        before += part.shape()[axis];
    }
    out
}
