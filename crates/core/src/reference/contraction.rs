//! Sums of products, in float64: matrix product and convolution.
//!
//! A convolution is a trilinear form: the sum of dy[n, o, out] x[n, c, in] w[o, c, tap] over the terms that
//! [`terms`] lists. Its output and the two adjoints are the derivatives of that form in dy, x and w. If every position has
//! a kernel of its own, w has the position as further indices.

use ndarray::ArrayD;

use super::value::{from_fn, indices, zeros};
use super::window::touched;
use crate::op::Window;
use crate::shape::Shape;

/// `(.., m, k) x (.., k, n)`; a flag says that the operand is stored transposed.
pub(super) fn matmul(a: &ArrayD<f64>, b: &ArrayD<f64>, ta: bool, tb: bool, to: &Shape) -> ArrayD<f64> {
    let inner = a.shape()[a.ndim() - if ta { 2 } else { 1 }];
    from_fn(to, |i| {
        let (batch, &[row, column]) = i.split_last_chunk::<2>().expect("matrices have two axes");
        let at = |m: &ArrayD<f64>, transposed: bool, r: usize, c: usize| {
            m[&[batch, &if transposed { [c, r] } else { [r, c] }].concat()[..]]
        };
        (0..inner).map(|k| at(a, ta, row, k) * at(b, tb, k, column)).sum()
    })
}

/// A term of the trilinear form: the indices of its three factors.
struct Term {
    /// (n, c, in..)
    x: Vec<usize>,
    /// (o, c within its group, tap..), and (out..) if kernels are local
    w: Vec<usize>,
    /// (n, o, out..)
    y: Vec<usize>,
}

/// Calls `visit` with every term whose tap lies inside the input. Shapes: x (N, C, in..),
/// w (O, C / groups, k..) or, local, (O, C / groups, k.., out..), y (N, O, out..).
fn terms(window: &Window, groups: usize, x: &[usize], w: &[usize], y: &[usize], mut visit: impl FnMut(Term)) {
    let (channels, outputs) = (w[1], w[0] / groups);
    let shared = 2 + window.rank();
    for yi in indices(y) {
        let (n, o) = (yi[0], yi[1]);
        let first_channel = o / outputs * channels;
        let own = if w.len() > shared { &yi[2..] } else { &[] };
        for wi in indices(&w[1..shared]) {
            let (c, tap) = (wi[0], &wi[1..]);
            if let Some(position) = touched(window, &yi[2..], tap, &x[2..]) {
                visit(Term {
                    x: [&[n, first_channel + c], &position[..]].concat(),
                    w: [&[o], &wi[..], own].concat(),
                    y: yi.clone(),
                });
            }
        }
    }
}

/// A derivative of the trilinear form in one of its factors: of the other two, a window, groups and the result's shape.
pub(super) type Derivative = fn(&ArrayD<f64>, &ArrayD<f64>, &Window, usize, &Shape) -> ArrayD<f64>;

/// y[t.y] += x[t.x] w[t.w]
pub(super) fn conv(
    x: &ArrayD<f64>,
    w: &ArrayD<f64>,
    window: &Window,
    groups: usize,
    to: &Shape,
) -> ArrayD<f64> {
    let mut y = zeros(to);
    terms(window, groups, x.shape(), w.shape(), to.dims(), |t| {
        y[&t.y[..]] += x[&t.x[..]] * w[&t.w[..]]
    });
    y
}

/// x[t.x] += dy[t.y] w[t.w]
pub(super) fn conv_input_grad(
    dy: &ArrayD<f64>,
    w: &ArrayD<f64>,
    window: &Window,
    groups: usize,
    to: &Shape,
) -> ArrayD<f64> {
    let mut x = zeros(to);
    terms(window, groups, to.dims(), w.shape(), dy.shape(), |t| {
        x[&t.x[..]] += dy[&t.y[..]] * w[&t.w[..]]
    });
    x
}

/// w[t.w] += x[t.x] dy[t.y]
pub(super) fn conv_weight_grad(
    x: &ArrayD<f64>,
    dy: &ArrayD<f64>,
    window: &Window,
    groups: usize,
    to: &Shape,
) -> ArrayD<f64> {
    let mut w = zeros(to);
    terms(window, groups, x.shape(), to.dims(), dy.shape(), |t| {
        w[&t.w[..]] += x[&t.x[..]] * dy[&t.y[..]]
    });
    w
}
