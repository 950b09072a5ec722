//! Windows, tap by tap: the elements of all windows under one tap are a slice of the padded input.

use crate::compose::Build;
use crate::dtype::DType;
use crate::elementwise::{BinaryOp, Formula};
use crate::graph::NodeId;
use crate::op::{Op, Spec, Window};
use crate::shape::Shape;

/// Per tap, the elements of all windows of x (N, C, in..) under the tap: (N, C, out..). The padding is 0.
pub(super) fn taps(
    b: &mut Build<'_>,
    x: NodeId,
    window: &Window,
    kernel: &[usize],
    out: &[usize],
) -> Vec<NodeId> {
    let around = |pad: &[usize]| [&[0, 0], pad].concat();
    let padded = b.pad(x, &around(&window.pad_low), &around(&window.pad_high));
    let step = [&[1, 1], &*window.stride].concat();
    let shape = b.shape(x);
    let count: Shape = [&shape.dims()[..2], out].concat().into();
    (0..kernel.iter().product())
        .map(|tap| {
            let mut start = vec![0; shape.rank()];
            let mut rest = tap;
            for axis in (0..kernel.len()).rev() {
                start[2 + axis] = rest % kernel[axis] * window.dilation[axis];
                rest /= kernel[axis];
            }
            b.slice(padded, &start, &step, count.clone())
        })
        .collect()
}

/// [`Op::WindowSum`]
pub(super) fn sum(b: &mut Build<'_>, x: NodeId, window: &Window, kernel: &[usize], output: &Spec) -> NodeId {
    let taps = taps(b, x, window, kernel, &output.shape.dims()[2..]);
    taps[1..].iter().fold(taps[0], |sum, &next| b.add(sum, next))
}

/// The maximum of each window, and its flat position.
pub(super) struct Extreme {
    pub value: NodeId,
    pub position: NodeId,
}

/// [`Op::WindowMax`] and [`Op::WindowArgMax`]: of equals the first, NaN as the largest, never the padding.
pub(super) fn extreme(
    b: &mut Build<'_>,
    x: NodeId,
    window: &Window,
    kernel: &[usize],
    output: &Shape,
) -> Extreme {
    let out = &output.dims()[2..];
    let shape = b.shape(x);
    let spatial = &shape.dims()[2..];
    // Positions count from 1, so that 0 is the padding.
    let flat = Spec::new([1, 1, spatial.iter().product::<usize>()], DType::I32);
    let positions = b.add_op(Op::Iota { axis: 2 }, &[], Some(&flat));
    let positions = b.add_scalar(positions, 1.0);
    let positions = b.reshape(positions, [&[1, 1], spatial].concat().into());
    let positions = taps(b, positions, window, kernel, out);
    let positions: Vec<NodeId> = positions
        .into_iter()
        .map(|p| b.broadcast(p, output.clone()))
        .collect();
    let values = taps(b, x, window, kernel, out);
    let zero = b.scalar_like(0.0, positions[0]);
    let (mut value, mut position) = (values[0], positions[0]);
    for (&next, &at) in values[1..].iter().zip(&positions[1..]) {
        let inside = b.binary(BinaryOp::Less, zero, at);
        let none_yet = b.binary(BinaryOp::Equal, position, zero);
        let greater = b.binary(BinaryOp::Less, value, next);
        let is_nan = b.binary(BinaryOp::NotEqual, next, next);
        let was_number = b.binary(BinaryOp::Equal, value, value);
        let first_nan = b.select(is_nan, was_number, is_nan);
        let better = b.select(greater, greater, first_nan);
        let better = b.select(none_yet, none_yet, better);
        let better = b.select(inside, better, inside);
        value = b.select(better, next, value);
        position = b.select(better, at, position);
    }
    let one = b.scalar_like(1.0, position);
    let position = b.sub(position, one);
    Extreme { value, position }
}

/// [`Op::WindowMaxGrad`]: each cotangent is added at the position of its window's maximum.
pub(super) fn max_grad(b: &mut Build<'_>, position: NodeId, dy: NodeId, output: &Spec) -> NodeId {
    let flat = |shape: &Shape| -> Shape {
        let spatial = shape.dims()[2..].iter().product();
        [shape[0], shape[1], spatial].into()
    };
    let from = flat(&b.shape(dy));
    let to = Spec::new(flat(&output.shape), output.dtype);
    let (position, dy) = (b.reshape(position, from.clone()), b.reshape(dy, from));
    let sum = b.add_op(Op::ScatterAdd { axis: 2 }, &[position, dy], Some(&to));
    b.reshape(sum, output.shape.clone())
}
