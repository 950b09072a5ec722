//! Order, and rows as points.

use hyperglow_core::DType;
use hyperglow_core::op::{Metric, Op, Spec};
use hyperglow_core::reference::Value;
use hyperglow_kernels::CpuBackend;

use crate::FLOATS;
use crate::support::{Dice, EXACT, Tolerance, check, run_op, sums};

#[test]
fn sorting() {
    let mut dice = Dice::new(12);
    for _ in 0..100 {
        let rank = dice.between(1, 3);
        let shape = dice.shape(rank, 12);
        let dtype = dice.pick(&DType::ALL);
        let axis = dice.below(rank);
        let x = dice.awkward(&shape, dtype);
        for flag in [false, true] {
            check(
                Op::ArgSort {
                    axis,
                    descending: flag,
                },
                &[&x],
                None,
                EXACT,
            );
            let mut to = shape.clone();
            to[axis] = dice.between(0, shape[axis]);
            check(
                Op::TopK { axis, largest: flag },
                &[&x],
                Some(Spec::new(to, DType::I32)),
                EXACT,
            );
            if dtype != DType::Bool {
                let x = dice.tensor(&shape, dtype);
                check(Op::CumSum { axis, reverse: flag }, &[&x], None, sums(dtype, 12));
            }
        }
    }
    let x = dice.tensor([5000], DType::F64);
    check(
        Op::ArgSort {
            axis: 0,
            descending: false,
        },
        &[&x],
        None,
        EXACT,
    );
}

#[test]
fn unique_rows() {
    let mut dice = Dice::new(13);
    for _ in 0..60 {
        let (n, d) = (dice.between(0, 60), dice.between(0, 3));
        let dtype = dice.pick(&DType::ALL);
        check(Op::UniqueRows, &[&dice.awkward([n, d], dtype)], None, EXACT);
    }
}

const METRICS: [Metric; 2] = [Metric::Maximum, Metric::Euclidean];

/// Distances of float32 samples of many numbers are made of inner products.
fn near(dtype: DType) -> Tolerance {
    match dtype {
        DType::F32 => Tolerance(1e-6, 1e-5),
        _ => Tolerance(1e-14, 1e-12),
    }
}

#[test]
fn the_median_of_distances() {
    let mut dice = Dice::new(17);
    for i in 0..40 {
        let (n, d, dtype) = (dice.between(2, 150), dice.between(0, 40), FLOATS[i % 2]);
        let smooth = dice.tensor([n, d], dtype);
        check(Op::MedianDistance, &[&smooth], None, near(dtype));
        // Most at the same place: the median is 0 now and then.
        let sides = dice.between(1, 4);
        let heaps = dice.tensor_of([n, d], dtype, |dice| {
            (dice.below(4 * sides) / (3 * sides + 1)) as f64
        });
        check(Op::MedianDistance, &[&heaps], None, near(dtype));
        let awkward = dice.awkward([n, d], dtype);
        check(Op::MedianDistance, &[&awkward], None, near(dtype));
    }
    // More pairs than are kept.
    for (n, d, dtype) in [(900, 20, DType::F32), (800, 3, DType::F64), (777, 40, DType::F64)] {
        let smooth = dice.tensor([n, d], dtype);
        check(Op::MedianDistance, &[&smooth], None, near(dtype));
        let heaps = dice.tensor_of([n, d], dtype, |dice| 1e3 + (dice.below(60) / 59) as f64);
        check(Op::MedianDistance, &[&heaps], None, near(dtype));
    }
    let same = dice.tensor_of([800, 30], DType::F32, |_| 0.7);
    check(Op::MedianDistance, &[&same], None, EXACT);
}

/// Two heaps, each narrow beside its distance from the mean: inner products alone would lose the distances within a heap, which are
/// more than a half with three samples of four in one.
#[test]
fn the_median_of_distances_in_narrow_heaps() {
    let mut dice = Dice::new(18);
    for (n, dtype) in [(120, DType::F32), (800, DType::F32), (800, DType::F64)] {
        let mut place = 0;
        let x = dice.tensor_of([n, 40], dtype, |dice| {
            place += 1;
            let heap = if ((place - 1) / 40) % 5 == 0 { 30.0 } else { 0.0 };
            heap + dice.number() / 1024.0
        });
        check(Op::MedianDistance, &[&x], None, near(dtype));
    }
    // Squares of float32 overflow, those of differences within the larger heap do not.
    let mut place = 0;
    let far = dice.tensor_of([90, 40], DType::F32, |dice| {
        place += 1;
        let heap = if ((place - 1) / 40) % 5 == 0 { -8e19 } else { 2e19 };
        heap + 1e15 * dice.number()
    });
    check(Op::MedianDistance, &[&far], None, Tolerance(0.0, 1e-5));
}

#[test]
fn the_median_of_distances_has_the_same_bits_on_any_number_of_threads() {
    let mut dice = Dice::new(19);
    for (n, d) in [(300, 40), (800, 40), (900, 3)] {
        let x = dice.tensor([n, d], DType::F32);
        let heaps = dice.tensor_of([n, d], DType::F32, |dice| (dice.below(60) / 59) as f64 * 0.3);
        for x in [x, heaps] {
            let spec = Spec::new([], DType::F32);
            let [one, three] = [1, 3]
                .map(|threads| run_op(&CpuBackend::new(threads), &Op::MedianDistance, &[&x], &spec).unwrap());
            assert_eq!(one.to_bytes(), three.to_bytes());
        }
    }
}

/// Radii of which some hold nothing, some everything, and some end exactly at a point.
fn radii(dice: &mut Dice, n: usize, dtype: DType) -> Value {
    dice.tensor_of([n], dtype, |dice| match dice.below(12) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => 0.0,
        3 => -1.0,
        _ => dice.below(40) as f64 / 8.0,
    })
}

/// All pairs of metric and strictness on points.
fn check_neighbors(dice: &mut Dice, x: &Value, ks: &[usize]) {
    let Spec { shape, dtype } = x.spec();
    let radius = radii(dice, shape[0], dtype);
    for metric in METRICS {
        for &k in ks {
            check(Op::Neighbors { k, metric }, &[x], None, EXACT);
        }
        for closed in [false, true] {
            check(Op::CountWithin { metric, closed }, &[x, &radius], None, EXACT);
        }
    }
}

#[test]
fn neighbors_of_few_points() {
    let mut dice = Dice::new(15);
    for i in 0..24 {
        let (n, d, dtype) = (dice.between(2, 70), dice.between(0, 12), FLOATS[i % 2]);
        let k = dice.between(1, n - 1);
        let smooth = dice.tensor([n, d], dtype);
        check_neighbors(&mut dice, &smooth, &[1, k]);
        // Many at the same place, many equally far, and some with coordinates that are no numbers.
        let grid = dice.tensor_of([n, d], dtype, |dice| dice.below(3) as f64);
        check_neighbors(&mut dice, &grid, &[k]);
        let awkward = dice.awkward([n, d], dtype);
        check_neighbors(&mut dice, &awkward, &[k]);
    }
}

#[test]
fn neighbors_of_many_points() {
    let mut dice = Dice::new(16);
    for (n, d, dtype) in [
        (2001, 1, DType::F64),
        (2500, 3, DType::F64),
        (2300, 9, DType::F32),
        (520, 2, DType::F32),
        (700, 12, DType::F64),
    ] {
        let smooth = dice.tensor([n, d], dtype);
        check_neighbors(&mut dice, &smooth, &[3]);
        let grid = dice.tensor_of([n, d], dtype, |dice| dice.below(6) as f64 / 2.0);
        check_neighbors(&mut dice, &grid, &[5]);
    }
    let same = dice.tensor_of([2100, 2], DType::F64, |_| 0.25);
    check_neighbors(&mut dice, &same, &[4]);
    // Longer lists than are kept sorted.
    let x = dice.tensor([2100, 2], DType::F32);
    check(
        Op::Neighbors {
            k: 300,
            metric: Metric::Maximum,
        },
        &[&x],
        None,
        EXACT,
    );
}
