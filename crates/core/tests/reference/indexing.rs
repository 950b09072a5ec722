use hyperglow_core::DType;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::Op;

use crate::{apply, apply_to, attempt, counting, expect, f64s, i32s, refusal, tensor};

#[test]
fn slices_chosen_by_index() {
    let x = counting(&[3, 2]);
    let index = i32s(&[4], &[2.0, 0.0, 2.0, 1.0]);
    expect(
        &apply(Op::Take { axis: 0 }, &[&x, &index]),
        &[4.0, 5.0, 0.0, 1.0, 4.0, 5.0, 2.0, 3.0],
    );
    let index = tensor(DType::I64, &[3], &[1.0, 1.0, 0.0]);
    expect(
        &apply(Op::Take { axis: 1 }, &[&x, &index]),
        &[1.0, 1.0, 0.0, 3.0, 3.0, 2.0, 5.0, 5.0, 4.0],
    );
    expect(
        &apply(Op::Take { axis: 0 }, &[&counting(&[0, 2]), &i32s(&[0], &[])]),
        &[],
    );
}

#[test]
fn slices_added_at_an_index() {
    let src = f64s(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let index = i32s(&[3], &[1.0, 3.0, 1.0]);
    expect(
        &apply_to(Op::IndexAdd { axis: 0 }, &[&index, &src], &[4, 2]),
        &[0.0, 0.0, 6.0, 8.0, 0.0, 0.0, 3.0, 4.0],
    );
    let src = i32s(&[1, 3], &[1.0, 2.0, 3.0]);
    expect(
        &apply_to(Op::IndexAdd { axis: 1 }, &[&index, &src], &[1, 4]),
        &[0.0, 4.0, 0.0, 2.0],
    );
    // Repeated additions are made in float64 and rounded once.
    let index = i32s(&[3], &[0.0; 3]);
    let src = tensor(DType::F32, &[3], &[1e8, 1.0, -1e8]);
    expect(&apply_to(Op::IndexAdd { axis: 0 }, &[&index, &src], &[1]), &[1.0]);
}

#[test]
fn elements_chosen_by_index() {
    let x = counting(&[2, 3]);
    let index = i32s(&[2, 2], &[2.0, 0.0, 1.0, 1.0]);
    expect(
        &apply(Op::Gather { axis: 1 }, &[&x, &index]),
        &[2.0, 0.0, 4.0, 4.0],
    );
    let index = i32s(&[1, 3], &[1.0, 0.0, 1.0]);
    expect(&apply(Op::Gather { axis: 0 }, &[&x, &index]), &[3.0, 1.0, 5.0]);
    // Other axes may be shorter than x's; they go together from 0.
    let index = i32s(&[1, 1], &[2.0]);
    expect(&apply(Op::Gather { axis: 1 }, &[&x, &index]), &[2.0]);
}

#[test]
fn elements_added_at_an_index() {
    let index = i32s(&[2, 2], &[2.0, 2.0, 0.0, 1.0]);
    let src = f64s(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    expect(
        &apply_to(Op::ScatterAdd { axis: 1 }, &[&index, &src], &[2, 3]),
        &[0.0, 0.0, 3.0, 3.0, 4.0, 0.0],
    );
    expect(
        &apply_to(Op::ScatterAdd { axis: 0 }, &[&index, &src], &[3, 2]),
        &[3.0, 0.0, 0.0, 4.0, 1.0, 2.0],
    );
}

#[test]
fn an_index_outside_names_itself() {
    let x = counting(&[2, 3]);
    let error = refusal(Op::Take { axis: 1 }, &[&x, &i32s(&[3], &[0.0, 2.0, 3.0])]);
    assert_eq!(error.kind, ErrorKind::Data);
    assert_eq!(
        error.to_string(),
        "take: index 3 at position (2) lies outside axis 1, whose extent is 3; keep indices within 0 and 2"
    );
    let error = refusal(Op::Gather { axis: 0 }, &[&x, &i32s(&[1, 3], &[0.0, -1.0, 0.0])]);
    assert!(
        error
            .message
            .starts_with("index -1 at position (0, 1) lies outside axis 0"),
        "{error}"
    );
    let error = refusal(Op::Take { axis: 0 }, &[&counting(&[0]), &i32s(&[1], &[0.0])]);
    assert!(error.mend.contains("empty"), "{error}");
    for op in [Op::IndexAdd { axis: 0 }, Op::ScatterAdd { axis: 0 }] {
        let (index, src) = (i32s(&[1], &[5.0]), counting(&[1]));
        assert_eq!(
            attempt(op, &[&index, &src], Some(src.spec()))
                .expect_err("outside")
                .kind,
            ErrorKind::Data
        );
    }
}
