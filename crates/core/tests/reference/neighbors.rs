use hyperglow_core::DType;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Metric, Op};

use crate::{apply, expect, f64s, i32s, refusal, tensor};

const NAN: f64 = f64::NAN;

fn nearest(k: usize, metric: Metric) -> Op {
    Op::Neighbors { k, metric }
}

fn within(metric: Metric, closed: bool) -> Op {
    Op::CountWithin { metric, closed }
}

#[test]
fn nearest_rows_in_order() {
    // The corners of a 3 x 4 rectangle and a point near the first.
    let x = f64s(&[5, 2], &[0.0, 0.0, 3.0, 0.0, 0.0, 4.0, 3.0, 4.0, 0.0, 1.0]);
    expect(
        &apply(nearest(2, Metric::Euclidean), &[&x]),
        &[4.0, 1.0, 0.0, 4.0, 3.0, 4.0, 2.0, 1.0, 0.0, 2.0],
    );
    // By the largest coordinate rows 0 and 4 are equally far from row 1, and rows 1 and 2 from row 4.
    expect(
        &apply(nearest(2, Metric::Maximum), &[&x]),
        &[4.0, 1.0, 0.0, 4.0, 3.0, 4.0, 2.0, 4.0, 0.0, 1.0],
    );
}

#[test]
fn of_equally_near_rows_the_first() {
    let x = f64s(&[4, 1], &[1.0, 1.0, 1.0, 2.0]);
    expect(
        &apply(nearest(3, Metric::Maximum), &[&x]),
        &[1.0, 2.0, 3.0, 0.0, 2.0, 3.0, 0.0, 1.0, 3.0, 0.0, 1.0, 2.0],
    );
    // Equal in float32, where 1e-9 is lost.
    let x = tensor(DType::F32, &[3, 1], &[1e8, 2.0, 1.0]);
    expect(
        &apply(nearest(2, Metric::Maximum), &[&x]),
        &[1.0, 2.0, 2.0, 0.0, 1.0, 0.0],
    );
}

#[test]
fn distances_that_are_not_numbers_come_last_and_are_never_within() {
    let x = f64s(&[4, 1], &[NAN, 5.0, f64::INFINITY, 0.0]);
    expect(
        &apply(nearest(3, Metric::Euclidean), &[&x]),
        &[1.0, 2.0, 3.0, 3.0, 2.0, 0.0, 1.0, 3.0, 0.0, 1.0, 2.0, 0.0],
    );
    let radius = f64s(&[4], &[9.0, 9.0, f64::INFINITY, NAN]);
    for metric in [Metric::Maximum, Metric::Euclidean] {
        expect(
            &apply(within(metric, true), &[&x, &radius]),
            &[0.0, 1.0, 2.0, 0.0],
        );
    }
}

#[test]
fn counting_with_and_without_the_border() {
    let x = f64s(&[4, 2], &[0.0, 0.0, 3.0, 4.0, 0.0, 0.0, 5.0, 0.0]);
    let radius = f64s(&[4], &[5.0, 5.0, 0.0, -1.0]);
    let count = |metric, closed| apply(within(metric, closed), &[&x, &radius]);
    expect(&count(Metric::Euclidean, false), &[1.0, 1.0, 0.0, 0.0]);
    expect(&count(Metric::Euclidean, true), &[3.0, 3.0, 1.0, 0.0]);
    expect(&count(Metric::Maximum, false), &[2.0, 3.0, 0.0, 0.0]);
    expect(&count(Metric::Maximum, true), &[3.0, 3.0, 1.0, 0.0]);
}

#[test]
fn the_median_of_distances() {
    let median = |x: &[f64]| apply(Op::MedianDistance, &[&f64s(&[x.len(), 1], x)]);
    expect(&median(&[0.0, 3.0]), &[3.0]);
    // Distances 1, 4, 5.
    expect(&median(&[0.0, 1.0, 5.0]), &[4.0]);
    // Distances 1, 2, 3, 4, 6, 7: the mean of 3 and 4.
    expect(&median(&[0.0, 1.0, 3.0, 7.0]), &[3.5]);
    // Six of ten distances are 0, the others 5.
    expect(&median(&[2.0, 2.0, 2.0, 2.0, 7.0]), &[5.0]);
    expect(&median(&[2.0, 2.0, 2.0]), &[1.0]);
    expect(&median(&[2.0, f64::INFINITY, 3.0]), &[NAN]);
    let corners = f64s(&[3, 2], &[0.0, 0.0, 3.0, 0.0, 0.0, 4.0]);
    expect(&apply(Op::MedianDistance, &[&corners]), &[4.0]);
    assert_eq!(
        refusal(Op::MedianDistance, &[&f64s(&[1, 2], &[1.0, 2.0])]).kind,
        ErrorKind::Argument
    );
}

#[test]
fn neighbors_refuse_what_has_no_answer() {
    let x = f64s(&[3, 1], &[1.0, 2.0, 3.0]);
    let too_many = refusal(nearest(3, Metric::Maximum), &[&x]);
    assert_eq!(too_many.kind, ErrorKind::Argument);
    assert!(
        too_many
            .message
            .contains("k is 3 and there are 3 rows, so each has 2 others")
    );
    assert_eq!(
        refusal(nearest(0, Metric::Maximum), &[&x]).kind,
        ErrorKind::Argument
    );
    let line = f64s(&[3], &[1.0, 2.0, 3.0]);
    assert_eq!(
        refusal(nearest(1, Metric::Maximum), &[&line]).kind,
        ErrorKind::Shape
    );
    let whole = i32s(&[3, 1], &[1.0, 2.0, 3.0]);
    assert_eq!(
        refusal(nearest(1, Metric::Maximum), &[&whole]).kind,
        ErrorKind::DType
    );
    let short = f64s(&[2], &[1.0, 1.0]);
    assert_eq!(
        refusal(within(Metric::Maximum, false), &[&x, &short]).kind,
        ErrorKind::Shape
    );
    let single = tensor(DType::F32, &[3], &[1.0, 1.0, 1.0]);
    assert_eq!(
        refusal(within(Metric::Maximum, false), &[&x, &single]).kind,
        ErrorKind::DType
    );
}
