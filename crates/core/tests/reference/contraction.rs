use hyperglow_core::DType;
use hyperglow_core::op::Op;

use crate::{apply, counting, expect, f64s, tensor, window};

#[test]
fn products() {
    let (a, b) = (counting(&[2, 3]), f64s(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let expected = [13.0, 16.0, 40.0, 52.0];
    expect(&apply(Op::MatMul { ta: false, tb: false }, &[&a, &b]), &expected);
    let swap = |x: &_| apply(Op::Permute([1, 0].into()), &[x]);
    expect(
        &apply(Op::MatMul { ta: true, tb: false }, &[&swap(&a), &b]),
        &expected,
    );
    expect(
        &apply(Op::MatMul { ta: false, tb: true }, &[&a, &swap(&b)]),
        &expected,
    );
    expect(
        &apply(Op::MatMul { ta: true, tb: true }, &[&swap(&a), &swap(&b)]),
        &expected,
    );
}

#[test]
fn products_of_batches_and_of_nothing() {
    let (a, b) = (counting(&[2, 1, 2]), f64s(&[2, 2, 1], &[1.0, 2.0, 3.0, 4.0]));
    expect(
        &apply(Op::MatMul { ta: false, tb: false }, &[&a, &b]),
        &[2.0, 18.0],
    );
    let plain = Op::MatMul { ta: false, tb: false };
    expect(
        &apply(plain.clone(), &[&counting(&[2, 0]), &counting(&[0, 1])]),
        &[0.0, 0.0],
    );
    expect(
        &apply(plain.clone(), &[&counting(&[0, 2]), &counting(&[2, 3])]),
        &[],
    );
    // In float64: in float32 the 1 would be lost.
    let (a, b) = (
        tensor(DType::F32, &[1, 3], &[1e8, 1.0, -1e8]),
        tensor(DType::F32, &[3, 1], &[1.0; 3]),
    );
    expect(&apply(plain, &[&a, &b]), &[1.0]);
}

#[test]
fn one_axis() {
    let x = f64s(&[1, 1, 5], &[1.0, 2.0, 3.0, 4.0, 5.0]);
    let w = f64s(&[1, 1, 2], &[1.0, 10.0]);
    let conv = |stride, low, high, dilation| {
        apply(
            Op::Conv {
                window: window(&[stride], &[low], &[high], &[dilation]),
                groups: 1,
            },
            &[&x, &w],
        )
    };
    expect(&conv(1, 0, 0, 1), &[21.0, 32.0, 43.0, 54.0]);
    expect(&conv(2, 0, 0, 1), &[21.0, 43.0]);
    expect(&conv(1, 1, 0, 1), &[10.0, 21.0, 32.0, 43.0, 54.0]);
    expect(&conv(1, 0, 2, 1), &[21.0, 32.0, 43.0, 54.0, 5.0, 0.0]);
    expect(&conv(2, 1, 1, 3), &[30.0, 52.0]);
}

#[test]
fn two_axes_and_channels() {
    // Two channels in, one out: 1 of the first's upper left corner, 2 of the second's lower right one.
    let x = counting(&[1, 2, 3, 3]);
    let w = f64s(&[1, 2, 2, 2], &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
    let op = Op::Conv {
        window: window(&[1, 1], &[0, 0], &[0, 0], &[1, 1]),
        groups: 1,
    };
    expect(&apply(op, &[&x, &w]), &[26.0, 29.0, 35.0, 38.0]);
    let w = f64s(&[2, 1, 1, 1], &[1.0, -1.0]);
    let op = Op::Conv {
        window: window(&[2, 1], &[0, 0], &[0, 0], &[1, 1]),
        groups: 1,
    };
    let y = apply(op, &[&f64s(&[1, 1, 3, 1], &[1.0, 2.0, 3.0]), &w]);
    assert_eq!(y.spec().shape.dims(), [1, 2, 2, 1]);
    expect(&y, &[1.0, 3.0, -1.0, -3.0]);
}

#[test]
fn every_place_has_a_kernel_of_its_own() {
    let x = f64s(&[1, 2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    // Channel, tap, place.
    let w = f64s(&[1, 2, 2, 2], &[1.0, 10.0, 0.0, 1.0, 0.0, 0.0, 100.0, 0.0]);
    let plain = window(&[1], &[0], &[0], &[1]);
    expect(
        &apply(
            Op::LocalConv {
                window: plain.clone(),
            },
            &[&x, &w],
        ),
        &[501.0, 23.0],
    );
    let dy = f64s(&[1, 1, 2], &[1.0, -1.0]);
    let dx = Op::LocalConvInputGrad {
        window: plain.clone(),
        input: [3].into(),
    };
    expect(&apply(dx, &[&dy, &w]), &[1.0, -10.0, -1.0, 0.0, 100.0, 0.0]);
    let dw = Op::LocalConvWeightGrad {
        window: plain,
        kernel: [2].into(),
    };
    expect(
        &apply(dw, &[&x, &dy]),
        &[1.0, -2.0, 2.0, -3.0, 4.0, -5.0, 5.0, -6.0],
    );
}

#[test]
fn groups_keep_to_their_channels() {
    // Four channels in two groups; each group has two channels in and three out.
    let x = f64s(&[1, 4, 1], &[1.0, 2.0, 3.0, 4.0]);
    let w = f64s(
        &[6, 2, 1],
        &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0],
    );
    let plain = window(&[1], &[0], &[0], &[1]);
    let y = apply(
        Op::Conv {
            window: plain.clone(),
            groups: 2,
        },
        &[&x, &w],
    );
    expect(&y, &[1.0, 2.0, 3.0, 3.0, 4.0, 7.0]);
    let dy = f64s(&[1, 6, 1], &[1.0, 10.0, 100.0, 1.0, 10.0, 100.0]);
    let dx = Op::ConvInputGrad {
        window: plain.clone(),
        groups: 2,
        input: [1].into(),
    };
    expect(&apply(dx, &[&dy, &w]), &[101.0, 110.0, 101.0, 110.0]);
    let dw = Op::ConvWeightGrad {
        window: plain,
        groups: 2,
        kernel: [1].into(),
    };
    expect(
        &apply(dw, &[&x, &dy]),
        &[
            1.0, 2.0, 10.0, 20.0, 100.0, 200.0, 3.0, 4.0, 30.0, 40.0, 300.0, 400.0,
        ],
    );
}

#[test]
fn transposed_convolution_spreads() {
    let dy = f64s(&[1, 1, 2], &[1.0, 2.0]);
    let w = f64s(&[1, 1, 3], &[1.0, 10.0, 100.0]);
    let op = Op::ConvInputGrad {
        window: window(&[2], &[0], &[0], &[1]),
        groups: 1,
        input: [6].into(),
    };
    // Element 5 is the one that no window of stride 2 reaches.
    expect(&apply(op, &[&dy, &w]), &[1.0, 10.0, 102.0, 20.0, 200.0, 0.0]);
}

#[test]
fn an_empty_batch() {
    let plain = window(&[1], &[0], &[0], &[1]);
    let (x, w, dy) = (counting(&[0, 1, 3]), counting(&[1, 1, 2]), counting(&[0, 1, 2]));
    expect(
        &apply(
            Op::Conv {
                window: plain.clone(),
                groups: 1,
            },
            &[&x, &w],
        ),
        &[],
    );
    let dw = Op::ConvWeightGrad {
        window: plain,
        groups: 1,
        kernel: [2].into(),
    };
    expect(&apply(dw, &[&x, &dy]), &[0.0, 0.0]);
}
