//! The batch axis as part of another axis, and back.

use super::Shape;
use crate::compose::Build;
use crate::graph::NodeId;

/// The shape of `count` samples.
pub(super) fn with_batch(count: usize, sample: &Shape) -> Shape {
    [count].into_iter().chain(sample.dims().iter().copied()).collect()
}

/// The axis `from` at position `to`, the others in order.
fn moved(b: &mut Build<'_>, x: NodeId, from: usize, to: usize) -> NodeId {
    if from == to {
        return x;
    }
    let mut axes: Vec<usize> = (0..b.shape(x).rank()).filter(|&axis| axis != from).collect();
    axes.insert(to, from);
    b.permute(x, &axes)
}

/// `x` with `extents` instead of `count` axes from `axis` on.
fn resized(b: &mut Build<'_>, x: NodeId, axis: usize, count: usize, extents: &[usize]) -> NodeId {
    let mut dims = b.shape(x).dims().to_vec();
    dims.splice(axis..axis + count, extents.iter().copied());
    b.reshape(x, dims.into())
}

/// (batch, .., d, ..) -> (.., batch d, ..): the batch as part of axis `axis` of a sample.
pub(super) fn fold(b: &mut Build<'_>, x: NodeId, axis: usize) -> NodeId {
    fold_in_groups(b, x, axis, 1)
}

/// The inverse of [`fold`].
pub(super) fn unfold(b: &mut Build<'_>, y: NodeId, axis: usize, count: usize) -> NodeId {
    unfold_in_groups(b, y, axis, 1, count)
}

/// (batch, .., groups d, ..) -> (.., groups batch d, ..).
pub(super) fn fold_in_groups(b: &mut Build<'_>, x: NodeId, axis: usize, groups: usize) -> NodeId {
    let (count, extent) = (b.shape(x)[0], b.shape(x)[axis + 1]);
    let x = resized(b, x, axis + 1, 1, &[groups, extent / groups]);
    let x = moved(b, x, 0, axis + 1);
    resized(b, x, axis, 3, &[count * extent])
}

/// The inverse of [`fold_in_groups`].
pub(super) fn unfold_in_groups(
    b: &mut Build<'_>,
    y: NodeId,
    axis: usize,
    groups: usize,
    count: usize,
) -> NodeId {
    let extent = b.shape(y)[axis] / count;
    let y = resized(b, y, axis, 1, &[groups, count, extent / groups]);
    let y = moved(b, y, axis + 1, 0);
    resized(b, y, axis + 1, 2, &[extent])
}
