//! Convolutions as matrix products (im2col), and the adjoints of linear operations.

use super::windows::taps;
use crate::compose::Build;
use crate::grad::partials;
use crate::graph::NodeId;
use crate::op::{Spec, Window};

/// im2col: the elements under the taps of each output position: (N, C, taps, positions).
fn columns(b: &mut Build<'_>, x: NodeId, window: &Window, kernel: &[usize], out: &[usize]) -> NodeId {
    let taps = taps(b, x, window, kernel, out);
    let shape = b.shape(x);
    let positions = out.iter().product();
    let rows: Vec<NodeId> = taps
        .into_iter()
        .map(|tap| b.reshape(tap, [shape[0], shape[1], 1, positions].into()))
        .collect();
    b.concat(&rows, 2)
}

/// [`Op::Conv`](crate::Op::Conv): w (O, C / groups, k..).
pub(super) fn conv(
    b: &mut Build<'_>,
    x: NodeId,
    w: NodeId,
    window: &Window,
    groups: usize,
    output: &Spec,
) -> NodeId {
    let weights = b.shape(w);
    let (n, outputs) = (output.shape[0], weights[0] / groups);
    let (kernel, out) = (&weights.dims()[2..], &output.shape.dims()[2..]);
    let terms = weights[1] * kernel.iter().product::<usize>();
    let columns = columns(b, x, window, kernel, out);
    let positions = out.iter().product();
    let columns = b.reshape(columns, [n, groups, terms, positions].into());
    let w = b.reshape(w, [1, groups, outputs, terms].into());
    let w = b.broadcast(w, [n, groups, outputs, terms].into());
    let y = b.matmul(w, columns, false, false);
    b.reshape(y, output.shape.clone())
}

/// [`Op::LocalConv`](crate::Op::LocalConv): w (O, C, k.., out..). A product for every position.
pub(super) fn local(b: &mut Build<'_>, x: NodeId, w: NodeId, window: &Window, output: &Spec) -> NodeId {
    let weights = b.shape(w);
    let rank = window.rank();
    let (n, outputs) = (output.shape[0], weights[0]);
    let (kernel, out) = (&weights.dims()[2..2 + rank], &output.shape.dims()[2..]);
    let terms = weights[1] * kernel.iter().product::<usize>();
    let positions: usize = out.iter().product();
    let columns = columns(b, x, window, kernel, out);
    let columns = b.reshape(columns, [n, terms, positions].into());
    let columns = b.permute(columns, &[2, 0, 1]);
    let w = b.reshape(w, [outputs, terms, positions].into());
    let w = b.permute(w, &[2, 0, 1]);
    let y = b.matmul(columns, w, false, true);
    let y = b.permute(y, &[1, 2, 0]);
    b.reshape(y, output.shape.clone())
}

/// The adjoint of `linear`, an operation on a tensor like `output`, applied to `dy`: its vector-Jacobian product, which is the
/// same at every point.
pub(super) fn adjoint(
    b: &mut Build<'_>,
    dy: NodeId,
    output: &Spec,
    linear: impl FnOnce(&mut Build<'_>, NodeId) -> NodeId,
) -> NodeId {
    let point = b.constant(0.0, output);
    let y = linear(b, point);
    let found = partials(b, y, dy, &[point]).swap_remove(0);
    found.unwrap_or(point)
}
