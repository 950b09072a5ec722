//! Primitives whose kernels work by pointer, each algorithm on the smallest shapes that take it: few enough operations for Miri, which
//! detects undefined behavior (`scripts/miri.sh`).

mod support;

use hyperglow_core::DType;
use hyperglow_core::op::{Metric, Op, Reduction, Window};
use support::convolutions::{check_convolutions, uniform_window};
use support::{Dice, check, sums};

/// A window on two axes.
fn window(stride: usize, pad: usize, dilation: usize) -> Window {
    uniform_window(2, stride, pad, dilation)
}

/// Checks convolutions of one image, with (channels, outputs, groups).
fn convolution(sizes: (usize, usize, usize), (size, kernel): (usize, usize), window: Window) {
    let (channels, outputs, groups) = sizes;
    let sizes = (1, channels, outputs, groups);
    let extents: (&[usize], &[usize]) = (&[size; 2], &[kernel; 2]);
    check_convolutions(&mut Dice::new(1), sizes, extents, &window, DType::F32);
}

#[test]
fn convolutions_of_few_channels() {
    convolution((1, 2, 1), (3, 3), window(1, 1, 1));
    convolution((2, 2, 2), (3, 3), window(1, 1, 1));
    convolution((2, 2, 2), (3, 2), window(2, 1, 1));
    convolution((1, 1, 1), (4, 2), window(3, 0, 2));
}

#[test]
fn convolutions_of_many_channels() {
    convolution((8, 24, 1), (2, 2), window(1, 0, 1));
    convolution((24, 1, 1), (3, 1), window(2, 0, 1));
}

#[test]
fn convolutions_by_tiles() {
    convolution((16, 32, 1), (2, 3), window(1, 1, 1));
}

#[test]
fn products() {
    let mut dice = Dice::new(2);
    for (m, n, k) in [(1, 1, 1), (7, 9, 5), (13, 3, 2)] {
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let a = dice.tensor(if ta { [k, m] } else { [m, k] }, DType::F32);
            let b = dice.tensor(if tb { [n, k] } else { [k, n] }, DType::F32);
            check(Op::MatMul { ta, tb }, &[&a, &b], None, sums(DType::F32, k));
        }
    }
}

#[test]
fn reductions() {
    let mut dice = Dice::new(3);
    for axes in [vec![0], vec![1], vec![2], vec![0, 2], vec![0, 1, 2]] {
        let x = dice.tensor([3, 5, 9], DType::F32);
        let op = Op::Reduce {
            kind: Reduction::Sum,
            axes: axes.into(),
        };
        check(op, &[&x], None, sums(DType::F32, 135));
    }
}

#[test]
fn windows() {
    let mut dice = Dice::new(4);
    let x = dice.tensor([1, 2, 5, 6], DType::F32);
    for window in [window(2, 0, 1), window(1, 1, 1)] {
        let kernel: Box<[usize]> = [2, 2].into();
        let positions = [window.output(0, 5, 2), window.output(1, 6, 2)];
        let dy = dice.tensor([1, 2, positions[0], positions[1]], DType::F32);
        let sum = Op::WindowSum {
            window: window.clone(),
            kernel: kernel.clone(),
        };
        check(sum, &[&x], None, sums(DType::F32, 4));
        let adjoint = Op::WindowSumGrad {
            window: window.clone(),
            kernel: kernel.clone(),
            input: [5, 6].into(),
        };
        check(adjoint, &[&dy], None, sums(DType::F32, 4));
        check(Op::WindowArgMax { window, kernel }, &[&x], None, support::EXACT);
    }
}

#[test]
fn neighbors() {
    let mut dice = Dice::new(5);
    let x = dice.tensor([12, 2], DType::F64);
    let radius = dice.tensor_of([12], DType::F64, |_| 2.0);
    for metric in [Metric::Maximum, Metric::Euclidean] {
        check(Op::Neighbors { k: 2, metric }, &[&x], None, sums(DType::F64, 2));
        check(
            Op::CountWithin { metric, closed: true },
            &[&x, &radius],
            None,
            support::EXACT,
        );
    }
    check(Op::MedianDistance, &[&x], None, sums(DType::F64, 2));
}

#[test]
fn movement_and_factorisation() {
    let mut dice = Dice::new(6);
    let x = dice.tensor([3, 4, 5], DType::F32);
    let indices = dice.indices([3], 4);
    check(Op::Take { axis: 1 }, &[&x, &indices], None, support::EXACT);
    check(
        Op::CumSum {
            axis: 1,
            reverse: false,
        },
        &[&x],
        None,
        sums(DType::F32, 4),
    );
    check(
        Op::ArgSort {
            axis: 2,
            descending: true,
        },
        &[&x],
        None,
        support::EXACT,
    );
    let square = dice.tensor([4, 4], DType::F64);
    check(Op::Det, &[&square], None, sums(DType::F64, 100));
}
