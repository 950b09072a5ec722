//! Elements in other places, and sources.

use hyperglow_core::DType;
use hyperglow_core::op::{Distribution, Op, Spec};

use crate::support::{Dice, EXACT, check, sums};
use crate::{FLOATS, NUMBERS};

#[test]
fn movements() {
    let mut dice = Dice::new(9);
    for _ in 0..80 {
        let rank = dice.between(1, 4);
        let shape = dice.shape(rank, 6);
        let dtype = dice.pick(&DType::ALL);
        let mut widths = |most: usize| -> Box<[usize]> { (0..rank).map(|_| dice.between(0, most)).collect() };
        let op = Op::Pad {
            low: widths(3),
            high: widths(3),
            interior: widths(2),
        };
        check(op, &[&dice.tensor(&shape, dtype)], None, EXACT);
        let axis = dice.below(rank);
        let parts: Vec<_> = (0..dice.between(1, 4))
            .map(|_| {
                let mut shape = shape.clone();
                shape[axis] = dice.between(0, 5);
                dice.tensor(&shape, dtype)
            })
            .collect();
        check(
            Op::Concat { axis },
            &parts.iter().collect::<Vec<_>>(),
            None,
            EXACT,
        );
        if dtype != DType::Bool {
            check(Op::Iota { axis }, &[], Some(Spec::new(shape, dtype)), EXACT);
        }
    }
    let large = dice.tensor([3, 100_000], DType::F32);
    check(Op::Concat { axis: 0 }, &[&large, &large], None, EXACT);
    check(Op::Concat { axis: 1 }, &[&large, &large], None, EXACT);
    check(
        Op::Iota { axis: 0 },
        &[],
        Some(Spec::new([70_000], DType::I64)),
        EXACT,
    );
}

#[test]
fn indexing() {
    let mut dice = Dice::new(10);
    for round in 0..120 {
        let rank = dice.between(1, 4);
        let shape: Vec<usize> = (0..rank).map(|_| dice.between(1, 6)).collect();
        let dtype = dice.pick(&NUMBERS);
        let axis = dice.below(rank);
        // Now and then an index is out of range.
        let extent = shape[axis] + usize::from(round % 10 == 0);
        let x = dice.tensor(&shape, dtype);
        let count = dice.between(0, 7);
        let index = dice.indices([count], extent);
        check(Op::Take { axis }, &[&x, &index], None, EXACT);
        let mut along = shape.clone();
        along[axis] = count;
        let src = dice.tensor(&along, dtype);
        check(
            Op::IndexAdd { axis },
            &[&index, &src],
            Some(Spec::new(shape.clone(), dtype)),
            sums(dtype, 8),
        );
        let smaller: Vec<usize> = along
            .iter()
            .enumerate()
            .map(|(i, &d)| if i == axis { d } else { dice.between(1, d.max(1)) })
            .collect();
        let index = dice.indices(&smaller, extent);
        check(Op::Gather { axis }, &[&x, &index], None, EXACT);
        let src = dice.tensor(&smaller, dtype);
        check(
            Op::ScatterAdd { axis },
            &[&index, &src],
            Some(Spec::new(shape, dtype)),
            sums(dtype, 8),
        );
    }
}

#[test]
fn indices_that_are_neighbours() {
    let mut dice = Dice::new(46);
    for (shape, axis) in [([3, 4, 90], 2), ([2, 90, 3], 1), ([90, 2, 300], 0)] {
        // Lines of 30 of an image, as windows name them; then some of no order, and a last index in the extent.
        let mut all: Vec<i64> = (0..60).map(|i| i / 30 * 45 + i % 30).collect();
        all.extend([7, 7, 3]);
        all.extend(70..90);
        for outside in [false, true] {
            let mut each = all.iter().map(|&i| if outside { i + 1 } else { i });
            let index = dice.tensor_of([all.len()], DType::I64, |_| each.next().unwrap() as f64);
            let x = dice.tensor(shape, DType::F32);
            check(Op::Take { axis }, &[&x, &index], None, EXACT);
            let mut along = shape;
            along[axis] = all.len();
            let src = dice.tensor(along, DType::F32);
            check(
                Op::IndexAdd { axis },
                &[&index, &src],
                Some(Spec::new(shape, DType::F32)),
                sums(DType::F32, 8),
            );
        }
    }
}

#[test]
fn large_indexing() {
    let mut dice = Dice::new(11);
    let x = dice.tensor([500, 300], DType::F32);
    let index = dice.indices([700], 500);
    check(Op::Take { axis: 0 }, &[&x, &index], None, EXACT);
    let src = dice.tensor([700, 300], DType::F32);
    check(
        Op::IndexAdd { axis: 0 },
        &[&index, &src],
        Some(Spec::new([500, 300], DType::F32)),
        sums(DType::F32, 8),
    );
    let index = dice.indices([500, 120], 300);
    check(Op::Gather { axis: 1 }, &[&x, &index], None, EXACT);
    let src = dice.tensor([500, 120], DType::F32);
    check(
        Op::ScatterAdd { axis: 1 },
        &[&index, &src],
        Some(Spec::new([500, 300], DType::F32)),
        sums(DType::F32, 8),
    );
}

#[test]
fn random_numbers() {
    let mut dice = Dice::new(14);
    let key = dice.tensor_of([2], DType::U32, |dice| dice.below(1 << 30) as f64);
    for shape in [vec![], vec![0], vec![3, 7], vec![10_001]] {
        check(
            Op::Random(Distribution::Bits),
            &[&key],
            Some(Spec::new(shape.clone(), DType::U32)),
            EXACT,
        );
        for dtype in FLOATS {
            for kind in [Distribution::Uniform, Distribution::Normal] {
                check(
                    Op::Random(kind),
                    &[&key],
                    Some(Spec::new(shape.clone(), dtype)),
                    EXACT,
                );
            }
        }
    }
}
