//! Products of matrices.

use hyperglow_core::DType;
use hyperglow_core::op::{Op, Spec};

use crate::FLOATS;
use crate::support::{Dice, Tolerance, check, numbers, run_op, sums};

#[test]
fn matmul() {
    let mut dice = Dice::new(1);
    let fixed = [
        (64, 130, 300),
        (7, 1, 513),
        (1, 65, 70),
        (200, 20, 257),
        (13, 5, 0),
        (130, 700, 31),
        (33, 600, 40),
        (256, 12, 10),
        (10, 12, 256),
        (2, 3, 256),
        (130, 100, 100),
        (9, 200, 129),
    ];
    let random: Vec<_> = (0..60)
        .map(|_| (dice.between(1, 71), dice.between(1, 71), dice.between(0, 71)))
        .collect();
    for (i, &(m, n, k)) in fixed.iter().chain(&random).enumerate() {
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let dtype = FLOATS[i % 2];
            let batch = if i < fixed.len() { 1 } else { dice.between(0, 6) };
            let a = dice.tensor(if ta { [batch, k, m] } else { [batch, m, k] }, dtype);
            let b = dice.tensor(if tb { [batch, n, k] } else { [batch, k, n] }, dtype);
            check(Op::MatMul { ta, tb }, &[&a, &b], None, sums(dtype, k));
        }
    }
}

#[test]
fn matmul_divided_into_many_tasks() {
    let mut dice = Dice::new(2);
    for (m, n, k, ta, tb) in [
        (64, 1500, 700, false, true),
        (70, 1100, 600, false, false),
        (600, 1100, 64, true, false),
        (1200, 30, 300, false, true),
        (128, 100, 100, false, true),
        (300, 200, 100, true, false),
        (9, 900, 100, false, false),
        (200, 300, 150, true, true),
        (1030, 520, 400, false, false),
    ] {
        let a = dice.tensor(if ta { [k, m] } else { [m, k] }, DType::F32);
        let b = dice.tensor(if tb { [n, k] } else { [k, n] }, DType::F32);
        // The reference is slow: one element in each of a few places is enough here, the bits of threads all the same.
        let op = Op::MatMul { ta, tb };
        let spec = Spec::new([m, n], DType::F32);
        let one = hyperglow_kernels::CpuBackend::new(1);
        let two = hyperglow_kernels::CpuBackend::new(2);
        let result = run_op(&one, &op, &[&a, &b], &spec).unwrap();
        assert_eq!(
            result.to_bytes(),
            run_op(&two, &op, &[&a, &b], &spec).unwrap().to_bytes()
        );
        let (a, b, c) = (numbers(&a), numbers(&b), numbers(&result));
        for _ in 0..2000 {
            let (i, j) = (dice.below(m), dice.below(n));
            let term = |p: usize| {
                a[if ta { p * m + i } else { i * k + p }] * b[if tb { j * k + p } else { p * n + j }]
            };
            let expected: f64 = (0..k).map(term).sum();
            assert!(
                (c[i * n + j] - expected).abs() < 2e-3,
                "({i}, {j}) is {}, expected {expected}",
                c[i * n + j]
            );
        }
    }
}

/// Products large enough for every way to compute them, of numbers that not every way can take.
#[test]
fn large_matmul_of_extreme_numbers() {
    let mut dice = Dice::new(11);
    for shape in [(150, 130, 170), (60, 270, 170), (270, 60, 170)] {
        extreme_numbers(&mut dice, shape);
    }
}

fn extreme_numbers(dice: &mut Dice, (m, n, k): (usize, usize, usize)) {
    let b = dice.tensor_of([k, n], DType::F32, |dice| dice.below(9) as f64 - 4.0);
    let with = |dice: &mut Dice, common: f64, at: usize, x: f64| {
        let mut i = 0;
        dice.tensor_of([m, k], DType::F32, |dice| {
            i += 1;
            if i == at {
                x
            } else {
                common * (1.0 + dice.below(8) as f64 / 7.0)
            }
        })
    };
    for (common, at, x) in [
        (1.0, 5, f64::NAN),
        (1.0, 300, f64::NEG_INFINITY),
        (1.0, 7, 3e38),
        (1.0, 9, -1e-40),
        (1e-20, 0, 0.0),
        (2e30, 0, 0.0),
    ] {
        let a = with(dice, common, at, x);
        // The terms of the extreme element's row are added to it in another order.
        let tolerance = Tolerance(1e-4 * common, 1e-6);
        check(Op::MatMul { ta: false, tb: false }, &[&a, &b], None, tolerance);
    }
    let (a, b) = (
        dice.tensor([2, m, k], DType::F32),
        dice.tensor([2, n, k], DType::F32),
    );
    check(
        Op::MatMul { ta: false, tb: true },
        &[&a, &b],
        None,
        sums(DType::F32, k),
    );
}
