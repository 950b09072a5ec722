//! Sums of rows of products of similarity matrices, against the reference interpreter.

mod support;

use hyperglow_core::op::{Op, Spec};
use hyperglow_core::reference::Value;
use hyperglow_core::similarity::{Products, Similarity};
use hyperglow_core::{DType, Shape};
use hyperglow_kernels::CpuBackend;
use support::{Dice, Tested, Tolerance, check, devices, numbers, run_op};

const KINDS: [Similarity; 5] = [
    Similarity::Gaussian { widths: 1 },
    Similarity::Laplacian { widths: 1 },
    Similarity::InverseMultiquadric,
    Similarity::Equal,
    Similarity::Gaussian { widths: 2 },
];

/// The operation, and its operands: `m` samples of each width (equality has its own), and fitting parameters.
fn case(
    dice: &mut Dice,
    (similarities, hollow): (&[Similarity], bool),
    groups: &[&[usize]],
    (m, widths): (usize, &[usize]),
    dtype: DType,
) -> (Op, Vec<Value>) {
    let samples = similarities
        .iter()
        .zip(widths)
        .map(|(similarity, &d)| match similarity {
            Similarity::Equal => dice.tensor_of([m, 1], dtype, |dice| dice.below(3) as f64),
            _ => dice.tensor_of([m, d], dtype, |dice| dice.number() / 4.0),
        });
    let mut operands: Vec<Value> = samples.collect();
    for (similarity, &d) in similarities.iter().zip(widths) {
        let size = (d as f64).max(1.0);
        let values: &[f64] = match similarity {
            Similarity::Gaussian { widths: 1 } => &[0.7 * size.sqrt()],
            Similarity::Gaussian { .. } => &[0.4 * size.sqrt(), 1.1 * size.sqrt()],
            Similarity::Laplacian { .. } => &[0.8 * size],
            Similarity::InverseMultiquadric => &[0.6 * size.sqrt()],
            _ => &[],
        };
        for &p in values {
            operands.push(dice.tensor_of(Shape::from([]).dims(), dtype, |_| p));
        }
    }
    let op = Op::SimilaritySums {
        products: Products {
            similarities: similarities.into(),
            hollow,
        },
        groups: groups.iter().map(|&group| group.into()).collect(),
    };
    (op, operands)
}

fn near(dtype: DType, m: usize) -> Tolerance {
    match dtype {
        DType::F32 => Tolerance(1e-6 * m as f64, 1e-5),
        _ => Tolerance(1e-14 * m as f64, 1e-12),
    }
}

/// Few numbers per sample are compared by differences, many by inner products; few samples have all of these at once.
#[test]
fn every_similarity_alone_and_in_products() {
    let mut dice = Dice::new(60);
    for (round, m) in [1, 2, 15, 16, 33, 64, 97, 130, 200].into_iter().enumerate() {
        for (i, &left) in KINDS.iter().enumerate() {
            let right = KINDS[(i + round) % KINDS.len()];
            let dtype = [DType::F32, DType::F64][(i + round) % 2];
            let widths = [dice.between(0, 17), dice.between(1, 90)];
            let groups: [&[usize]; 4] = [&[0], &[1], &[1, 0], &[0, 0, 1]];
            let sets = (&[left, right][..], round % 3 == 1);
            let (op, given) = case(&mut dice, sets, &groups, (m, &widths), dtype);
            check(op, &given.iter().collect::<Vec<_>>(), None, near(dtype, m));
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let mut dice = Dice::new(61);
    for (m, d) in [(600, 3), (700, 40)] {
        let sets = (&[KINDS[0], KINDS[3]][..], false);
        let (op, given) = case(&mut dice, sets, &[&[0], &[0, 1]], (m, &[d, 1]), DType::F64);
        let inputs: Vec<&Value> = given.iter().collect();
        let spec = Spec::new([2, m], DType::F64);
        let [one, three] =
            [1, 3].map(|threads| run_op(&CpuBackend::new(threads), &op, &inputs, &spec).unwrap());
        assert_eq!(one.to_bytes(), three.to_bytes(), "{m} samples");
    }
}

/// Samples in two heaps far from each other and from 0, narrow next to both: each is alike to its own heap alone, and what
/// differences lose would show.
#[test]
fn narrow_similarities_far_from_the_origin() {
    for d in [2, 40] {
        let m = 600;
        let mut place = 0;
        let x = Dice::new(62).tensor_of([m, d], DType::F64, |_| {
            place += 1;
            let sample = (place - 1) / d;
            1e4 + if sample % 2 == 0 { 1.0 } else { -1.0 }
        });
        let sigma = Dice::new(0).tensor_of(Shape::from([]).dims(), DType::F64, |_| 0.03);
        let op = Op::SimilaritySums {
            products: Products {
                similarities: [KINDS[0]].into(),
                hollow: true,
            },
            groups: [[0].into()].into(),
        };
        let spec = Spec::new([1, m], DType::F64);
        for Tested { backend, .. } in devices() {
            for sum in numbers(&run_op(&*backend, &op, &[&x, &sigma], &spec).unwrap()) {
                assert!((sum - (m / 2 - 1) as f64).abs() < 1e-9, "{sum}");
            }
        }
    }
}
