//! Windows over the last axes of (N, C, spatial..).

use std::cmp::Ordering;

use ndarray::ArrayD;

use super::value::{Element, from_fn, indices, zeros};
use crate::op::Window;
use crate::shape::Shape;

/// The element of the input under `tap` of the window at `out`; `None` in the padding.
pub(super) fn touched(window: &Window, out: &[usize], tap: &[usize], input: &[usize]) -> Option<Vec<usize>> {
    (0..window.rank())
        .map(|a| {
            let padded = out[a] * window.stride[a] + tap[a] * window.dilation[a];
            padded
                .checked_sub(window.pad_low[a])
                .filter(|&position| position < input[a])
        })
        .collect()
}

/// Calls `visit(input index, output index)` for every tap inside the input.
fn pairs(
    window: &Window,
    kernel: &[usize],
    x: &[usize],
    y: &[usize],
    mut visit: impl FnMut(&[usize], &[usize]),
) {
    for yi in indices(y) {
        for tap in indices(kernel) {
            if let Some(position) = touched(window, &yi[2..], &tap, &x[2..]) {
                visit(&[&yi[..2], &position[..]].concat(), &yi);
            }
        }
    }
}

/// The sum of each window; padding adds nothing.
pub(super) fn sum<T: Element>(x: &ArrayD<T>, window: &Window, kernel: &[usize], to: &Shape) -> ArrayD<T> {
    let mut y = zeros(to);
    pairs(window, kernel, x.shape(), to.dims(), |xi, yi| {
        y[yi] = T::plus(y[yi], x[xi])
    });
    y
}

/// Each window's number to every element of the window.
pub(super) fn sum_grad<T: Element>(
    dy: &ArrayD<T>,
    window: &Window,
    kernel: &[usize],
    to: &Shape,
) -> ArrayD<T> {
    let mut x = zeros(to);
    pairs(window, kernel, to.dims(), dy.shape(), |xi, yi| {
        x[xi] = T::plus(x[xi], dy[yi])
    });
    x
}

/// The maximum of each window, NaN being the largest.
pub(super) fn max<T: Element>(x: &ArrayD<T>, window: &Window, kernel: &[usize], to: &Shape) -> ArrayD<T> {
    let position = arg_max(x, window, kernel, to);
    ArrayD::from_shape_fn(to.dims(), |yi| {
        let spatial = unravel(position[&yi] as usize, &x.shape()[2..]);
        x[&*[&[yi[0], yi[1]], &*spatial].concat()]
    })
}

/// Each window's number to the position of its maximum.
pub(super) fn max_grad<T: Element>(
    index: &ArrayD<i64>,
    dy: &ArrayD<T>,
    input: &[usize],
    to: &Shape,
) -> ArrayD<T> {
    let mut x = zeros(to);
    for (yi, &position) in index.indexed_iter() {
        let spatial = unravel(position as usize, input);
        let xi = [&[yi[0], yi[1]], &*spatial].concat();
        x[&*xi] = T::plus(x[&*xi], dy[&yi]);
    }
    x
}

/// The index of a flat position.
fn unravel(position: usize, extents: &[usize]) -> Vec<usize> {
    let mut index = vec![0; extents.len()];
    let mut rest = position;
    for (i, &extent) in index.iter_mut().zip(extents).rev() {
        *i = rest % extent;
        rest /= extent;
    }
    index
}

/// The flat spatial index of the first maximum of each window, in the order of the taps; NaN is the largest.
/// Padding is never chosen.
pub(super) fn arg_max<T: Element>(
    x: &ArrayD<T>,
    window: &Window,
    kernel: &[usize],
    to: &Shape,
) -> ArrayD<i64> {
    let mut best: ArrayD<Option<(T, i64)>> = from_fn(to, |_| None);
    let flat = |xi: &[usize]| {
        xi[2..]
            .iter()
            .zip(&x.shape()[2..])
            .fold(0, |at, (i, extent)| at * extent + i)
    };
    pairs(window, kernel, x.shape(), to.dims(), |xi, yi| {
        let element = x[xi];
        if best[yi].is_none_or(|(before, _)| element.compare(before) == Ordering::Greater) {
            best[yi] = Some((element, flat(xi) as i64));
        }
    });
    best.mapv(|found| {
        found
            .expect("inference lets no window lie in the padding alone")
            .1
    })
}
