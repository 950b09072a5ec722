use hyperglow_core::DType;
use hyperglow_core::op::{Op, Spec};

use crate::{apply, attempt, counting, expect, f64s, i32s, tensor};

const NAN: f64 = f64::NAN;

#[test]
fn stable_order() {
    let x = f64s(&[6], &[2.0, NAN, -1.0, 2.0, NAN, f64::INFINITY]);
    let sort = |descending| apply(Op::ArgSort { axis: 0, descending }, &[&x]);
    assert_eq!(sort(false).spec().dtype, DType::I32);
    expect(&sort(false), &[2.0, 0.0, 3.0, 5.0, 1.0, 4.0]);
    expect(&sort(true), &[1.0, 4.0, 5.0, 0.0, 3.0, 2.0]);
    expect(
        &apply(
            Op::ArgSort {
                axis: 0,
                descending: false,
            },
            &[&f64s(&[2], &[0.0, -0.0])],
        ),
        &[0.0, 1.0],
    );
    expect(
        &apply(
            Op::ArgSort {
                axis: 0,
                descending: true,
            },
            &[&counting(&[0])],
        ),
        &[],
    );
    expect(
        &apply(
            Op::ArgSort {
                axis: 1,
                descending: true,
            },
            &[&counting(&[0, 3])],
        ),
        &[],
    );
}

#[test]
fn order_along_any_axis() {
    let x = i32s(&[2, 3], &[3.0, 1.0, 2.0, 0.0, 5.0, -1.0]);
    expect(
        &apply(
            Op::ArgSort {
                axis: 1,
                descending: false,
            },
            &[&x],
        ),
        &[1.0, 2.0, 0.0, 2.0, 0.0, 1.0],
    );
    expect(
        &apply(
            Op::ArgSort {
                axis: 0,
                descending: false,
            },
            &[&x],
        ),
        &[1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
    );
    let bytes = tensor(DType::Bool, &[3], &[1.0, 0.0, 1.0]);
    expect(
        &apply(
            Op::ArgSort {
                axis: 0,
                descending: true,
            },
            &[&bytes],
        ),
        &[0.0, 2.0, 1.0],
    );
}

#[test]
fn the_first_of_an_order() {
    let x = f64s(&[2, 4], &[1.0, 4.0, 4.0, 2.0, 0.0, -3.0, NAN, -3.0]);
    let top = |k: usize, largest| {
        attempt(
            Op::TopK { axis: 1, largest },
            &[&x],
            Some(Spec::new([2, k], DType::I32)),
        )
        .expect("places")
    };
    expect(&top(2, true), &[1.0, 2.0, 2.0, 0.0]);
    expect(&top(3, false), &[0.0, 3.0, 1.0, 1.0, 3.0, 0.0]);
    expect(&top(0, true), &[]);
}

#[test]
fn groups_of_rows() {
    let x = f64s(
        &[6, 2],
        &[1.0, 2.0, 3.0, 4.0, 1.0, 2.0, NAN, 0.0, NAN, -0.0, 2.0, 1.0],
    );
    expect(&apply(Op::UniqueRows, &[&x]), &[0.0, 1.0, 0.0, 2.0, 2.0, 3.0]);
    expect(
        &apply(Op::UniqueRows, &[&i32s(&[3, 1], &[5.0, 5.0, 4.0])]),
        &[0.0, 0.0, 1.0],
    );
    // Rows of no elements are all equal.
    expect(&apply(Op::UniqueRows, &[&counting(&[2, 0])]), &[0.0, 0.0]);
    expect(&apply(Op::UniqueRows, &[&counting(&[0, 2])]), &[]);
}
