use hyperglow_core::DType;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Op, Reduction};

use crate::{apply, counting, expect, f64s, i32s, refusal, tensor, window};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

fn reduce(kind: Reduction, axes: &[usize]) -> Op {
    Op::Reduce {
        kind,
        axes: axes.into(),
    }
}

#[test]
fn sums() {
    let x = counting(&[2, 3]);
    expect(&apply(reduce(Reduction::Sum, &[0]), &[&x]), &[3.0, 5.0, 7.0]);
    expect(&apply(reduce(Reduction::Sum, &[1]), &[&x]), &[3.0, 12.0]);
    expect(&apply(reduce(Reduction::Sum, &[0, 1]), &[&x]), &[15.0]);
    expect(
        &apply(reduce(Reduction::Sum, &[]), &[&x]),
        &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
    );
    expect(
        &apply(reduce(Reduction::Sum, &[0]), &[&counting(&[0, 2])]),
        &[0.0, 0.0],
    );
    // 1e8 swallows 1 in float32, but sums are taken in float64.
    let x = tensor(DType::F32, &[4], &[1e8, 1.0, -1e8, 1.0]);
    expect(&apply(reduce(Reduction::Sum, &[0]), &[&x]), &[2.0]);
    expect(
        &apply(
            reduce(Reduction::Sum, &[0]),
            &[&tensor(DType::U8, &[2], &[200.0, 100.0])],
        ),
        &[300.0],
    );
}

#[test]
fn extrema() {
    let x = f64s(&[2, 3], &[1.0, NAN, 0.0, -1.0, 5.0, -INF]);
    expect(&apply(reduce(Reduction::Max, &[1]), &[&x]), &[NAN, 5.0]);
    expect(&apply(reduce(Reduction::Min, &[1]), &[&x]), &[NAN, -INF]);
    expect(&apply(reduce(Reduction::Max, &[0]), &[&x]), &[1.0, NAN, 0.0]);
    expect(
        &apply(reduce(Reduction::Min, &[0]), &[&i32s(&[3], &[4.0, -2.0, 7.0])]),
        &[-2.0],
    );
    expect(&apply(reduce(Reduction::Max, &[1]), &[&counting(&[0, 2])]), &[]);
}

#[test]
fn places_of_maxima() {
    let x = f64s(&[3, 3], &[1.0, 3.0, 3.0, 2.0, NAN, NAN, -INF, -INF, -INF]);
    let y = apply(Op::ArgMax { axis: 1 }, &[&x]);
    assert_eq!(y.spec().dtype, DType::I32);
    expect(&y, &[1.0, 1.0, 0.0]);
    expect(&apply(Op::ArgMax { axis: 0 }, &[&counting(&[2, 2])]), &[1.0, 1.0]);
    expect(
        &apply(Op::ArgMax { axis: 0 }, &[&i32s(&[3], &[-3.0, -1.0, -2.0])]),
        &[1.0],
    );
}

#[test]
fn running_sums() {
    let x = f64s(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let cumsum = |axis, reverse| apply(Op::CumSum { axis, reverse }, &[&x]);
    expect(&cumsum(1, false), &[1.0, 3.0, 6.0, 4.0, 9.0, 15.0]);
    expect(&cumsum(1, true), &[6.0, 5.0, 3.0, 15.0, 11.0, 6.0]);
    expect(&cumsum(0, false), &[1.0, 2.0, 3.0, 5.0, 7.0, 9.0]);
    expect(
        &apply(
            Op::CumSum {
                axis: 0,
                reverse: false,
            },
            &[&counting(&[0])],
        ),
        &[],
    );
    let x = tensor(DType::U8, &[2], &[200.0, 100.0]);
    expect(
        &apply(
            Op::CumSum {
                axis: 0,
                reverse: false,
            },
            &[&x],
        ),
        &[200.0, 44.0],
    );
}

#[test]
fn windows() {
    let x = f64s(&[1, 1, 2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let plain = window(&[1, 1], &[0, 0], &[0, 0], &[1, 1]);
    let sum = |w: &_, kernel: &[usize]| Op::WindowSum {
        window: Clone::clone(w),
        kernel: kernel.into(),
    };
    let arg = |w: &_, kernel: &[usize]| Op::WindowArgMax {
        window: Clone::clone(w),
        kernel: kernel.into(),
    };
    expect(&apply(sum(&plain, &[2, 2]), &[&x]), &[12.0, 16.0]);
    expect(&apply(arg(&plain, &[2, 2]), &[&x]), &[4.0, 5.0]);
    let max = Op::WindowMax {
        window: plain.clone(),
        kernel: [2, 2].into(),
    };
    expect(&apply(max, &[&x]), &[5.0, 6.0]);
    let places = i32s(&[1, 1, 1, 2], &[4.0, 4.0]);
    let back = Op::WindowMaxGrad {
        window: plain.clone(),
        kernel: [2, 2].into(),
        input: [2, 3].into(),
    };
    let dy = f64s(&[1, 1, 1, 2], &[1.0, 10.0]);
    expect(&apply(back, &[&places, &dy]), &[0.0, 0.0, 0.0, 0.0, 11.0, 0.0]);
    // Rows 0 and 1, columns -1 1 and 1 3: stride 2, dilation 2, one column of padding on both sides.
    let sparse = window(&[1, 2], &[0, 1], &[0, 1], &[1, 2]);
    expect(&apply(sum(&sparse, &[1, 2]), &[&x]), &[2.0, 2.0, 5.0, 5.0]);
    expect(&apply(arg(&sparse, &[1, 2]), &[&x]), &[1.0, 1.0, 4.0, 4.0]);
    let grad = Op::WindowSumGrad {
        window: sparse,
        kernel: [1, 2].into(),
        input: [2, 3].into(),
    };
    let dy = f64s(&[1, 1, 2, 2], &[1.0, 10.0, 100.0, 1000.0]);
    expect(&apply(grad, &[&dy]), &[0.0, 11.0, 0.0, 0.0, 1100.0, 0.0]);
    // Padding never wins, the first of equals does, and NaN is the largest.
    let padded = window(&[1], &[1], &[1], &[1]);
    let x = f64s(&[1, 2, 3], &[-INF, -INF, -5.0, 2.0, NAN, 2.0]);
    expect(
        &apply(arg(&padded, &[2]), &[&x]),
        &[0.0, 0.0, 2.0, 2.0, 0.0, 1.0, 1.0, 2.0],
    );
    expect(
        &apply(sum(&padded, &[2]), &[&i32s(&[1, 1, 1], &[3.0])]),
        &[3.0, 3.0],
    );
}

#[test]
fn a_window_in_the_padding_has_no_maximum() {
    let gap = window(&[1], &[1], &[1], &[2]);
    let error = refusal(
        Op::WindowArgMax {
            window: gap,
            kernel: [2].into(),
        },
        &[&counting(&[1, 1, 1])],
    );
    assert_eq!(error.kind, ErrorKind::Shape);
    assert!(
        error.message.contains("window 0 lies in the padding alone"),
        "{error}"
    );
}
