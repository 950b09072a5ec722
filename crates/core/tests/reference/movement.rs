use hyperglow_core::DType;
use hyperglow_core::op::Op;

use crate::{apply, apply_to, counting, expect, f64s, i32s, tensor};

#[test]
fn stretching_and_reshaping() {
    let x = f64s(&[2, 1], &[1.0, 2.0]);
    expect(
        &apply_to(Op::Broadcast, &[&x], &[2, 3]),
        &[1.0, 1.0, 1.0, 2.0, 2.0, 2.0],
    );
    expect(&apply_to(Op::Broadcast, &[&x], &[2, 0]), &[]);
    expect(&apply_to(Op::Reshape, &[&x], &[1, 2, 1]), &[1.0, 2.0]);
    expect(&apply_to(Op::Reshape, &[&counting(&[1])], &[]), &[0.0]);
    expect(&apply_to(Op::Reshape, &[&counting(&[0, 3])], &[7, 0]), &[]);
}

#[test]
fn axes_in_another_order() {
    let x = counting(&[2, 3]);
    expect(
        &apply(Op::Permute([1, 0].into()), &[&x]),
        &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0],
    );
    // (2, 1, 3) -> (3, 2, 1): not its own inverse.
    let y = apply(Op::Permute([2, 0, 1].into()), &[&counting(&[2, 1, 3])]);
    assert_eq!(y.spec().shape.dims(), [3, 2, 1]);
    expect(&y, &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    expect(&apply(Op::Permute([].into()), &[&counting(&[])]), &[0.0]);
}

#[test]
fn parts() {
    let x = counting(&[3, 4]);
    let slice = Op::Slice {
        start: [1, 1].into(),
        step: [1, 2].into(),
    };
    expect(&apply_to(slice.clone(), &[&x], &[2, 2]), &[5.0, 7.0, 9.0, 11.0]);
    expect(&apply_to(slice, &[&x], &[2, 0]), &[]);
}

#[test]
fn zeros_around_and_between() {
    let pad = |low: usize, high: usize, interior: usize| Op::Pad {
        low: [low].into(),
        high: [high].into(),
        interior: [interior].into(),
    };
    let x = f64s(&[3], &[1.0, 2.0, 3.0]);
    expect(
        &apply(pad(1, 2, 1), &[&x]),
        &[0.0, 1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 0.0],
    );
    expect(&apply(pad(1, 1, 4), &[&f64s(&[0], &[])]), &[0.0, 0.0]);
    expect(
        &apply(pad(0, 1, 0), &[&tensor(DType::Bool, &[1], &[1.0])]),
        &[1.0, 0.0],
    );
    let both = Op::Pad {
        low: [0, 1].into(),
        high: [1, 0].into(),
        interior: [0, 0].into(),
    };
    expect(&apply(both, &[&f64s(&[1, 1], &[5.0])]), &[0.0, 5.0, 0.0, 0.0]);
}

#[test]
fn reversal() {
    let x = counting(&[2, 3]);
    expect(
        &apply(Op::Flip([1].into()), &[&x]),
        &[2.0, 1.0, 0.0, 5.0, 4.0, 3.0],
    );
    expect(
        &apply(Op::Flip([0, 1].into()), &[&x]),
        &[5.0, 4.0, 3.0, 2.0, 1.0, 0.0],
    );
    expect(&apply(Op::Flip([0].into()), &[&counting(&[0, 2])]), &[]);
}

#[test]
fn joining() {
    let (a, b, nothing) = (
        counting(&[2, 1]),
        f64s(&[2, 2], &[5.0, 6.0, 7.0, 8.0]),
        counting(&[2, 0]),
    );
    expect(
        &apply(Op::Concat { axis: 1 }, &[&a, &nothing, &b]),
        &[0.0, 5.0, 6.0, 1.0, 7.0, 8.0],
    );
    let (a, b) = (i32s(&[1, 2], &[1.0, 2.0]), i32s(&[1, 2], &[3.0, 4.0]));
    expect(&apply(Op::Concat { axis: 0 }, &[&a, &b]), &[1.0, 2.0, 3.0, 4.0]);
}
