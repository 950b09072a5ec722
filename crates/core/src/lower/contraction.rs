//! Convolutions as matrix products of what lies under the taps, and the adjoints of linear operations.

use super::windows::taps;
use crate::compose::Build;
use crate::grad::partials;
use crate::graph::NodeId;
use crate::op::{Spec, Window};

/// What lies under the taps of each place: (N, C, taps, places).
fn columns(b: &mut Build<'_>, x: NodeId, window: &Window, kernel: &[usize], out: &[usize]) -> NodeId {
    let taps = taps(b, x, window, kernel, out);
    let shape = b.shape(x);
    let places = out.iter().product();
    let rows: Vec<NodeId> = taps
        .into_iter()
        .map(|tap| b.reshape(tap, [shape[0], shape[1], 1, places].into()))
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
    let places = out.iter().product();
    let columns = b.reshape(columns, [n, groups, terms, places].into());
    let w = b.reshape(w, [1, groups, outputs, terms].into());
    let w = b.broadcast(w, [n, groups, outputs, terms].into());
    let y = b.matmul(w, columns, false, false);
    b.reshape(y, output.shape.clone())
}

/// [`Op::LocalConv`](crate::Op::LocalConv): w (O, C, k.., out..). A product for every place.
pub(super) fn local(b: &mut Build<'_>, x: NodeId, w: NodeId, window: &Window, output: &Spec) -> NodeId {
    let weights = b.shape(w);
    let rank = window.rank();
    let (n, outputs) = (output.shape[0], weights[0]);
    let (kernel, out) = (&weights.dims()[2..2 + rank], &output.shape.dims()[2..]);
    let terms = weights[1] * kernel.iter().product::<usize>();
    let places: usize = out.iter().product();
    let columns = columns(b, x, window, kernel, out);
    let columns = b.reshape(columns, [n, terms, places].into());
    let columns = b.permute(columns, &[2, 0, 1]);
    let w = b.reshape(w, [outputs, terms, places].into());
    let w = b.permute(w, &[2, 0, 1]);
    let y = b.matmul(columns, w, false, true);
    let y = b.permute(y, &[1, 2, 0]);
    b.reshape(y, output.shape.clone())
}

/// The adjoint of `linear`, an operation on a tensor like `output`, at `dy`: what its derivative makes of `dy`, wherever
/// that is taken.
pub(super) fn adjoint(
    b: &mut Build<'_>,
    dy: NodeId,
    output: &Spec,
    linear: impl FnOnce(&mut Build<'_>, NodeId) -> NodeId,
) -> NodeId {
    let anywhere = b.constant(0.0, output);
    let y = linear(b, anywhere);
    let found = partials(b, y, dy, &[anywhere]).swap_remove(0);
    found.unwrap_or(anywhere)
}
