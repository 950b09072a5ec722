//! Comparisons of all pairs of rows, as matrices (n, n), coordinate by coordinate: distances are defined as sums from the first
//! coordinate on.

use crate::compose::Build;
use crate::dtype::DType;
use crate::elementwise::{BinaryOp, Formula, UnaryOp};
use crate::graph::NodeId;
use crate::op::{Metric, Op, Reduction, Spec};

/// Column `c` of x (n, d), as the coordinates of a first row (n, n) and of a second.
fn pairs(b: &mut Build<'_>, x: NodeId, c: usize) -> [NodeId; 2] {
    let n = b.shape(x)[0];
    let column = b.slice(x, &[0, c], &[1, 1], [n, 1].into());
    let first = b.broadcast(column, [n, n].into());
    [first, b.transpose(first)]
}

/// The key by which neighbors are ordered: the maximum distance, or the squared Euclidean distance.
fn measure(b: &mut Build<'_>, x: NodeId, metric: Metric) -> NodeId {
    let Spec { shape, dtype } = b.spec(x);
    let mut far = None;
    for c in 0..shape[1] {
        let [first, second] = pairs(b, x, c);
        let difference = b.sub(first, second);
        let (part, join) = match metric {
            Metric::Maximum => (b.unary(UnaryOp::Abs, difference), BinaryOp::Max),
            Metric::Euclidean => (b.mul(difference, difference), BinaryOp::Add),
        };
        far = Some(far.map_or(part, |far| b.binary(join, far, part)));
    }
    far.unwrap_or_else(|| b.constant(0.0, &Spec::new([shape[0], shape[0]], dtype)))
}

/// [`Op::Neighbors`]
pub(super) fn neighbors(b: &mut Build<'_>, x: NodeId, k: usize, metric: Metric) -> NodeId {
    let far = measure(b, x, metric);
    let n = b.shape(x)[0];
    // Of row i the others: column j is row j, or row j + 1 from the diagonal on.
    let others = Spec::new([n, n - 1], DType::I32);
    let row = b.add_op(Op::Iota { axis: 0 }, &[], Some(&others));
    let column = b.add_op(Op::Iota { axis: 1 }, &[], Some(&others));
    let before = b.binary(BinaryOp::Less, column, row);
    let left = b.slice(far, &[0, 0], &[1, 1], others.shape.clone());
    let right = b.slice(far, &[0, 1], &[1, 1], others.shape.clone());
    let far = b.select(before, left, right);
    let wanted = Spec::new([n, k], DType::I32);
    let order = Op::TopK {
        axis: 1,
        largest: false,
    };
    let nearest = b.add_op(order, &[far], Some(&wanted));
    let row = b.add_op(Op::Iota { axis: 0 }, &[], Some(&wanted));
    let before = b.binary(BinaryOp::Less, nearest, row);
    let behind = b.add_scalar(nearest, 1.0);
    b.select(before, nearest, behind)
}

/// [`Op::CountWithin`]
pub(super) fn count_within(
    b: &mut Build<'_>,
    x: NodeId,
    radius: NodeId,
    metric: Metric,
    closed: bool,
) -> NodeId {
    let mut far = measure(b, x, metric);
    if metric == Metric::Euclidean {
        far = b.unary(UnaryOp::Sqrt, far);
    }
    let square = b.shape(far);
    let radius = b.unreduce(radius, &[1], &square);
    let compare = if closed {
        BinaryOp::LessEqual
    } else {
        BinaryOp::Less
    };
    let within = b.binary(compare, far, radius);
    let within = b.cast(within, DType::I32);
    let square = Spec::new(square, DType::I32);
    let row = b.add_op(Op::Iota { axis: 0 }, &[], Some(&square));
    let column = b.add_op(Op::Iota { axis: 1 }, &[], Some(&square));
    let itself = b.binary(BinaryOp::Equal, row, column);
    let zero = b.scalar_like(0.0, within);
    let within = b.select(itself, zero, within);
    let sum = Op::Reduce {
        kind: Reduction::Sum,
        axes: [1].into(),
    };
    let count = b.add_op(sum, &[within], None);
    b.cast(count, DType::I32)
}

/// [`Op::MedianDistance`]: of all n^2 distances in order, those of the diagonal come first and every pair stands twice.
pub(super) fn median_distance(b: &mut Build<'_>, x: NodeId) -> NodeId {
    let n = b.shape(x)[0];
    let squares = measure(b, x, Metric::Euclidean);
    let far = b.unary(UnaryOp::Sqrt, squares);
    let diagonal = b.diagonal_distance(far);
    let zero = b.scalar_like(0.0, far);
    let itself = b.binary(BinaryOp::Equal, diagonal, zero);
    let first = b.scalar_like(-1.0, far);
    let marked = b.select(itself, first, far);
    let flat = b.reshape(marked, [n * n].into());
    let order = Op::ArgSort {
        axis: 0,
        descending: false,
    };
    let order = b.add_op(order, &[flat], None);
    let sorted = b.add_op(Op::Gather { axis: 0 }, &[flat, order], None);
    let pairs = n * (n - 1) / 2;
    let [low, high] = [(pairs - 1) / 2, pairs / 2].map(|pair| {
        let at = b.slice(sorted, &[n + 2 * pair], &[1], [1].into());
        b.reshape(at, [].into())
    });
    let sum = b.add(low, high);
    let median = b.mul_scalar(sum, 0.5);
    let apart = b.binary(BinaryOp::Less, zero, far);
    let dtype = b.spec(far).dtype;
    let apart = b.cast(apart, dtype);
    let [count, total] = [apart, far].map(|x| sum_of(b, x));
    let one = b.scalar_like(1.0, count);
    let at_least_one = b.binary(BinaryOp::Max, count, one);
    let mean = b.binary(BinaryOp::Div, total, at_least_one);
    let zero = b.scalar_like(0.0, count);
    let is_any = b.binary(BinaryOp::Less, zero, count);
    let mean = b.select(is_any, mean, one);
    let is_usable = b.binary(BinaryOp::Less, zero, median);
    let width = b.select(is_usable, median, mean);
    // 0, but NaN where an element is not finite.
    let nothing = b.mul_scalar(x, 0.0);
    let nothing = sum_of(b, nothing);
    b.add(width, nothing)
}

/// The sum of all elements, as a scalar.
fn sum_of(b: &mut Build<'_>, x: NodeId) -> NodeId {
    let axes = (0..b.shape(x).rank()).collect();
    let sum = Op::Reduce {
        kind: Reduction::Sum,
        axes,
    };
    b.add_op(sum, &[x], None)
}

/// [`Op::UniqueRows`]: each row finds the first row that equals it, and first rows are counted.
pub(super) fn unique(b: &mut Build<'_>, x: NodeId) -> NodeId {
    let shape = b.shape(x);
    let n = shape[0];
    let square = Spec::new([n, n], DType::I32);
    let mut same = b.constant(1.0, &Spec::new([n, n], DType::Bool));
    for c in 0..shape[1] {
        let [first, second] = pairs(b, x, c);
        let equal = b.binary(BinaryOp::Equal, first, second);
        let [first, second] = [first, second].map(|side| b.binary(BinaryOp::NotEqual, side, side));
        let both_nan = b.select(first, second, first);
        let equal = b.select(equal, equal, both_nan);
        same = b.select(same, equal, same);
    }
    if n == 0 {
        return b.constant(0.0, &Spec::new([0], DType::I32));
    }
    let column = b.add_op(Op::Iota { axis: 1 }, &[], Some(&square));
    let none = b.scalar_like(n as f64, column);
    let candidates = b.select(same, column, none);
    let least = Op::Reduce {
        kind: Reduction::Min,
        axes: [1].into(),
    };
    let first = b.add_op(least, &[candidates], None);
    let position = b.add_op(Op::Iota { axis: 0 }, &[], Some(&Spec::new([n], DType::I32)));
    let is_first = b.binary(BinaryOp::Equal, first, position);
    let is_first = b.cast(is_first, DType::I32);
    let running = Op::CumSum {
        axis: 0,
        reverse: false,
    };
    let number = b.add_op(running, &[is_first], None);
    let number = b.add_scalar(number, -1.0);
    b.add_op(Op::Gather { axis: 0 }, &[number, first], None)
}
