//! Along axes that disappear.

use hyperglow_core::DType;
use hyperglow_core::op::{Op, Reduction};

use crate::NUMBERS;
use crate::support::{Dice, EXACT, Tolerance, check, sums};

#[test]
fn reductions() {
    let mut dice = Dice::new(6);
    for _ in 0..150 {
        let rank = dice.between(0, 4);
        let shape = dice.shape(rank, 9);
        let axes: Box<[usize]> = (0..rank).filter(|_| dice.below(2) == 0).collect();
        let dtype = dice.pick(&NUMBERS);
        let terms = shape.iter().product();
        let x = dice.tensor(&shape, dtype);
        check(
            Op::Reduce {
                kind: Reduction::Sum,
                axes: axes.clone(),
            },
            &[&x],
            None,
            sums(dtype, terms),
        );
        if axes.iter().all(|&a| shape[a] > 0) {
            let x = dice.awkward(&shape, dtype);
            for kind in [Reduction::Max, Reduction::Min] {
                check(
                    Op::Reduce {
                        kind,
                        axes: axes.clone(),
                    },
                    &[&x],
                    None,
                    EXACT,
                );
            }
        }
        if rank > 0 {
            let axis = dice.below(rank);
            if shape[axis] > 0 {
                check(Op::ArgMax { axis }, &[&dice.awkward(&shape, dtype)], None, EXACT);
            }
        }
    }
}

#[test]
fn large_reductions() {
    let mut dice = Dice::new(7);
    let cases: [(&[usize], &[usize]); 7] = [
        (&[200_000], &[0]),
        (&[3, 70_000], &[1]),
        (&[70_000, 3], &[0]),
        (&[40, 700, 9], &[0, 2]),
        (&[300, 700], &[0]),
        (&[8, 30, 1000], &[0, 2]),
        (&[5, 4000, 7], &[1]),
    ];
    for (shape, axes) in cases {
        for dtype in [DType::F32, DType::F64, DType::I32] {
            let x = dice.tensor(shape, dtype);
            for kind in [Reduction::Sum, Reduction::Max] {
                check(
                    Op::Reduce {
                        kind,
                        axes: axes.into(),
                    },
                    &[&x],
                    None,
                    Tolerance(1e-3, 1e-6),
                );
            }
        }
    }
}

#[test]
fn positions_in_long_rows_and_many_columns() {
    let mut dice = Dice::new(77);
    for (shape, axis) in [
        ([9, 100], 1),
        ([40, 600], 0),
        ([70, 33], 1),
        ([3, 1030], 0),
        ([600, 7], 1),
    ] {
        for dtype in [DType::F32, DType::F64, DType::I32] {
            let op = Op::ArgMax { axis };
            check(op.clone(), &[&dice.awkward(shape, dtype)], None, EXACT);
            check(op, &[&dice.tensor(shape, dtype)], None, EXACT);
        }
    }
}

#[test]
fn sums_of_many_short_runs() {
    let mut dice = Dice::new(78);
    for (shape, axes) in [
        ([40, 50, 64], vec![0, 2]),
        ([40, 50, 64], vec![2]),
        ([30, 40, 10], vec![0, 2]),
        ([256, 16, 20], vec![1]),
    ] {
        for dtype in [DType::F32, DType::F64, DType::I32] {
            for kind in [Reduction::Sum, Reduction::Max] {
                let op = Op::Reduce {
                    kind,
                    axes: axes.clone().into(),
                };
                check(op, &[&dice.tensor(shape, dtype)], None, sums(dtype, 2560));
            }
        }
    }
}

#[test]
fn a_million_terms_keep_their_accuracy() {
    let count = 1_000_000;
    let mut dice = Dice::new(8);
    let x = dice.tensor_of([count], DType::F32, |dice| 1.0 + dice.below(1000) as f64 / 1000.0);
    check(
        Op::Reduce {
            kind: Reduction::Sum,
            axes: [0].into(),
        },
        &[&x],
        None,
        Tolerance(0.0, 1e-6),
    );
    let y = dice.tensor_of([count / 2, 2], DType::F32, |dice| {
        0.1 + dice.below(10) as f64 / 1000.0
    });
    check(
        Op::Reduce {
            kind: Reduction::Sum,
            axes: [0].into(),
        },
        &[&y],
        None,
        Tolerance(0.0, 1e-6),
    );
    check(
        Op::CumSum {
            axis: 0,
            reverse: false,
        },
        &[&x],
        None,
        Tolerance(0.0, 1e-6),
    );
}
