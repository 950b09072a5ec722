//! `<A x, y> = <x, A' y>`: each linear primitive against the one said to be its adjoint.

use hyperglow_core::op::{Op, Reduction};
use hyperglow_core::reference::Value;

use crate::{apply, apply_to, i32s, inner, scattered, window};

#[track_caller]
fn same(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-12 * a.abs().max(1.0), "{a} is not {b}");
}

fn dims(x: &Value) -> Vec<usize> {
    x.spec().shape.dims().to_vec()
}

/// Stride, padding before and after, dilation, input and kernel extents of one spatial axis.
const AXES: [[usize; 6]; 5] = [
    [1, 0, 0, 1, 4, 2],
    [2, 1, 1, 1, 5, 3],
    [3, 2, 0, 2, 6, 2],
    [2, 0, 3, 3, 4, 2],
    [1, 2, 2, 1, 1, 3],
];

#[test]
fn convolutions() {
    for (a, b) in AXES.iter().zip(AXES.iter().cycle().skip(1)) {
        let w = window(&[a[0], b[0]], &[a[1], b[1]], &[a[2], b[2]], &[a[3], b[3]]);
        for groups in [1, 2, 4] {
            let x = scattered(&[2, 4, a[4], b[4]], 1);
            let kernel = scattered(&[8, 4 / groups, a[5], b[5]], 2);
            let y = apply(
                Op::Conv {
                    window: w.clone(),
                    groups,
                },
                &[&x, &kernel],
            );
            let dy = scattered(&dims(&y), 3);
            let dx = Op::ConvInputGrad {
                window: w.clone(),
                groups,
                input: [a[4], b[4]].into(),
            };
            let dw = Op::ConvWeightGrad {
                window: w.clone(),
                groups,
                kernel: [a[5], b[5]].into(),
            };
            same(inner(&y, &dy), inner(&x, &apply(dx, &[&dy, &kernel])));
            same(inner(&y, &dy), inner(&kernel, &apply(dw, &[&x, &dy])));
        }
    }
}

#[test]
fn local_convolutions() {
    for (a, b) in AXES.iter().zip(AXES.iter().cycle().skip(1)) {
        let w = window(&[a[0], b[0]], &[a[1], b[1]], &[a[2], b[2]], &[a[3], b[3]]);
        let places = [w.output(0, a[4], a[5]), w.output(1, b[4], b[5])];
        let x = scattered(&[2, 3, a[4], b[4]], 1);
        let kernel = scattered(&[4, 3, a[5], b[5], places[0], places[1]], 2);
        let y = apply(Op::LocalConv { window: w.clone() }, &[&x, &kernel]);
        let dy = scattered(&dims(&y), 3);
        let dx = Op::LocalConvInputGrad {
            window: w.clone(),
            input: [a[4], b[4]].into(),
        };
        let dw = Op::LocalConvWeightGrad {
            window: w.clone(),
            kernel: [a[5], b[5]].into(),
        };
        same(inner(&y, &dy), inner(&x, &apply(dx, &[&dy, &kernel])));
        same(inner(&y, &dy), inner(&kernel, &apply(dw, &[&x, &dy])));
    }
}

#[test]
fn window_sums() {
    for (a, b) in AXES.iter().zip(AXES.iter().cycle().skip(2)) {
        let w = window(&[a[0], b[0]], &[a[1], b[1]], &[a[2], b[2]], &[a[3], b[3]]);
        let x = scattered(&[2, 3, a[4], b[4]], 1);
        let y = apply(
            Op::WindowSum {
                window: w.clone(),
                kernel: [a[5], b[5]].into(),
            },
            &[&x],
        );
        let dy = scattered(&dims(&y), 2);
        let back = Op::WindowSumGrad {
            window: w,
            kernel: [a[5], b[5]].into(),
            input: [a[4], b[4]].into(),
        };
        same(inner(&y, &dy), inner(&x, &apply(back, &[&dy])));
    }
}

#[test]
fn slices_and_padding() {
    let x = scattered(&[7, 6], 1);
    let slice = Op::Slice {
        start: [1, 2].into(),
        step: [2, 3].into(),
    };
    let y = apply_to(slice, &[&x], &[3, 2]);
    let dy = scattered(&[3, 2], 2);
    let pad = Op::Pad {
        low: [1, 2].into(),
        high: [1, 0].into(),
        interior: [1, 2].into(),
    };
    same(inner(&y, &dy), inner(&x, &apply(pad, &[&dy])));
}

#[test]
fn indexing() {
    let x = scattered(&[4, 3], 1);
    let index = i32s(&[5], &[3.0, 0.0, 3.0, 1.0, 1.0]);
    let dy = scattered(&[5, 3], 2);
    let back = apply_to(Op::IndexAdd { axis: 0 }, &[&index, &dy], &[4, 3]);
    same(
        inner(&apply(Op::Take { axis: 0 }, &[&x, &index]), &dy),
        inner(&x, &back),
    );
    // An index shorter than x on the other axis.
    let index = i32s(&[5, 2], &[3.0, 0.0, 3.0, 1.0, 1.0, 1.0, 0.0, 2.0, 3.0, 3.0]);
    let dy = scattered(&[5, 2], 3);
    let back = apply_to(Op::ScatterAdd { axis: 0 }, &[&index, &dy], &[4, 3]);
    same(
        inner(&apply(Op::Gather { axis: 0 }, &[&x, &index]), &dy),
        inner(&x, &back),
    );
}

#[test]
fn running_sums_and_broadcasts() {
    let (x, dy) = (scattered(&[3, 4], 1), scattered(&[3, 4], 2));
    let cumsum = |x: &Value, reverse| apply(Op::CumSum { axis: 1, reverse }, &[x]);
    same(inner(&cumsum(&x, false), &dy), inner(&x, &cumsum(&dy, true)));
    let row = scattered(&[1, 4], 3);
    let sum = apply(
        Op::Reduce {
            kind: Reduction::Sum,
            axes: [0].into(),
        },
        &[&dy],
    );
    let sum = apply_to(Op::Reshape, &[&sum], &[1, 4]);
    same(
        inner(&apply_to(Op::Broadcast, &[&row], &[3, 4]), &dy),
        inner(&row, &sum),
    );
}
