//! Padding, indexing of one axis, order and running sums.

use crate::compose::Build;
use crate::dtype::DType;
use crate::elementwise::{BinaryOp, Formula};
use crate::graph::NodeId;
use crate::op::{Op, Reduction, Spec};

/// [`Op::Pad`]: zeros before, between and after the elements.
pub(super) fn pad(b: &mut Build<'_>, x: NodeId, low: &[usize], high: &[usize], interior: &[usize]) -> NodeId {
    (0..low.len()).fold(x, |x, axis| {
        let x = spread(b, x, axis, interior[axis]);
        let Spec { shape, dtype } = b.spec(x);
        let zeros = |b: &mut Build<'_>, count| b.constant(0.0, &Spec::new(shape.with(axis, count), dtype));
        match (low[axis], high[axis]) {
            (0, 0) => x,
            (before, 0) => {
                let before = zeros(b, before);
                b.concat(&[before, x], axis)
            }
            (0, behind) => {
                let behind = zeros(b, behind);
                b.concat(&[x, behind], axis)
            }
            (before, behind) => {
                let (before, behind) = (zeros(b, before), zeros(b, behind));
                b.concat(&[before, x, behind], axis)
            }
        }
    })
}

/// `between` zeros between the neighbors on an axis.
fn spread(b: &mut Build<'_>, x: NodeId, axis: usize, between: usize) -> NodeId {
    let Spec { shape, dtype } = b.spec(x);
    let count = shape[axis];
    if between == 0 || count < 2 {
        return x;
    }
    let with_axis = |extent: usize| {
        let (outer, inner) = shape.dims().split_at(axis + 1);
        Spec::new([outer, &[extent], inner].concat(), dtype)
    };
    let single = b.reshape(x, with_axis(1).shape);
    let zeros = b.constant(0.0, &with_axis(between));
    let both = b.concat(&[single, zeros], axis + 1);
    let long = b.reshape(both, shape.with(axis, count * (between + 1)));
    // No zeros after the last element.
    let rank = shape.rank();
    let wanted = shape.with(axis, count + (count - 1) * between);
    b.slice(long, &vec![0; rank], &vec![1; rank], wanted)
}

/// A one-dimensional index, the same for all other axes of a shape.
fn along(b: &mut Build<'_>, index: NodeId, axis: usize, like: &Spec) -> NodeId {
    let count = b.shape(index)[0];
    let mut dims = vec![1; like.shape.rank()];
    dims[axis] = count;
    let index = b.reshape(index, dims.into());
    b.broadcast(index, like.shape.with(axis, count))
}

/// [`Op::Take`]
pub(super) fn take(b: &mut Build<'_>, x: NodeId, index: NodeId, axis: usize) -> NodeId {
    let like = b.spec(x);
    let index = along(b, index, axis, &like);
    b.add_op(Op::Gather { axis }, &[x, index], None)
}

/// [`Op::IndexAdd`]
pub(super) fn index_add(b: &mut Build<'_>, index: NodeId, src: NodeId, axis: usize, output: &Spec) -> NodeId {
    let index = along(b, index, axis, output);
    b.add_op(Op::ScatterAdd { axis }, &[index, src], Some(output))
}

/// [`Op::ArgMax`]: the least position of the maximum, or of a NaN.
pub(super) fn arg_max(b: &mut Build<'_>, x: NodeId, axis: usize) -> NodeId {
    let x = match b.spec(x).dtype {
        DType::Bool => b.cast(x, DType::I32),
        _ => x,
    };
    let shape = b.shape(x);
    let axes: Box<[usize]> = [axis].into();
    let reduce = |kind| Op::Reduce {
        kind,
        axes: axes.clone(),
    };
    let most = b.add_op(reduce(Reduction::Max), &[x], None);
    let most = b.unreduce(most, &axes, &shape);
    let is_most = b.binary(BinaryOp::Equal, x, most);
    let is_nan = b.binary(BinaryOp::NotEqual, x, x);
    let hit = b.select(is_most, is_most, is_nan);
    let positions = Spec::new(shape.clone(), DType::I32);
    let position = b.add_op(Op::Iota { axis }, &[], Some(&positions));
    let none = b.constant(shape[axis] as f64, &positions);
    let candidates = b.select(hit, position, none);
    b.add_op(reduce(Reduction::Min), &[candidates], None)
}

/// [`Op::TopK`]: the first of the order.
pub(super) fn top_k(b: &mut Build<'_>, x: NodeId, axis: usize, largest: bool, output: &Spec) -> NodeId {
    let descending = largest;
    let order = b.add_op(Op::ArgSort { axis, descending }, &[x], None);
    let rank = output.shape.rank();
    b.slice(order, &vec![0; rank], &vec![1; rank], output.shape.clone())
}

/// [`Op::CumSum`] by doubling: after step s every element holds the sum of the last 2^s.
pub(super) fn cumsum(b: &mut Build<'_>, x: NodeId, axis: usize, reverse: bool) -> NodeId {
    let shape = b.shape(x);
    let none = vec![0; shape.rank()];
    let (mut sums, mut reach) = (x, 1);
    while reach < shape[axis] {
        let mut by = none.clone();
        by[axis] = reach;
        let rest = shape.with(axis, shape[axis] - reach);
        let start = if reverse { &by } else { &none };
        let part = b.slice(sums, start, &vec![1; shape.rank()], rest);
        let (low, high) = if reverse { (&none, &by) } else { (&by, &none) };
        let moved = b.pad(part, low, high);
        sums = b.add(sums, moved);
        reach *= 2;
    }
    sums
}
