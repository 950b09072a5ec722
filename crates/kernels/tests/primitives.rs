//! Every primitive against the reference interpreter: random shapes and dtypes, every level, one and three threads.

mod support;

use hyperglow_core::DType;
use hyperglow_core::op::{Distribution, Metric, Op, Reduction, Spec, Window};
use hyperglow_core::reference::{Value, evaluate};
use support::{Dice, EXACT, Tolerance, check, geometry, sums};

const FLOATS: [DType; 2] = [DType::F32, DType::F64];
const NUMBERS: [DType; 6] = [
    DType::F32,
    DType::F64,
    DType::I32,
    DType::I64,
    DType::U8,
    DType::U32,
];

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
        let result = support::run_op(&one, &op, &[&a, &b], &spec).unwrap();
        assert_eq!(
            result.to_bytes(),
            support::run_op(&two, &op, &[&a, &b], &spec).unwrap().to_bytes()
        );
        let (a, b, c) = (
            support::numbers(&a),
            support::numbers(&b),
            support::numbers(&result),
        );
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

#[test]
fn windows() {
    let mut dice = Dice::new(5);
    for round in 0..60 {
        let rank = 1 + round % 3;
        let (window, input, kernel) = geometry(&mut dice, rank, [30, 10, 6][rank - 1]);
        let dtype = dice.pick(&NUMBERS);
        let (batch, c) = (dice.between(0, 3), dice.between(1, 3));
        let output: Vec<usize> = (0..rank).map(|i| window.output(i, input[i], kernel[i])).collect();
        let x = dice.tensor([&[batch, c], &input[..]].concat(), dtype);
        let dy = dice.tensor([&[batch, c], &output[..]].concat(), dtype);
        check(
            Op::WindowSum {
                window: window.clone(),
                kernel: kernel.clone().into(),
            },
            &[&x],
            None,
            sums(dtype, 27),
        );
        let op = Op::WindowSumGrad {
            window: window.clone(),
            kernel: kernel.clone().into(),
            input: input.clone().into(),
        };
        check(op, &[&dy], None, sums(dtype, 27));
        let x = dice.awkward([&[batch, c], &input[..]].concat(), dtype);
        let padding_alone = (0..rank).any(|i| window.pad_low[i] > 0 || window.pad_high[i] > 0);
        if !padding_alone {
            check_maxima(&window, &kernel, &x, &dy);
        }
    }
}

/// The maxima of windows, where they are, and the way back.
fn check_maxima(window: &Window, kernel: &[usize], x: &Value, dy: &Value) {
    let (window, kernel) = (window.clone(), Box::<[usize]>::from(kernel));
    let input = x.spec().shape.dims()[2..].into();
    let op = Op::WindowMax {
        window: window.clone(),
        kernel: kernel.clone(),
    };
    check(op, &[x], None, EXACT);
    let op = Op::WindowArgMax {
        window: window.clone(),
        kernel: kernel.clone(),
    };
    check(op.clone(), &[x], None, EXACT);
    let places = evaluate(&op, &[x], &Spec::new(dy.spec().shape.clone(), DType::I32)).unwrap();
    let op = Op::WindowMaxGrad {
        window,
        kernel,
        input,
    };
    check(op, &[&places, dy], None, sums(dy.spec().dtype, 9));
}

#[test]
fn windows_in_blocks() {
    let mut dice = Dice::new(55);
    for (kernel, stride, pad, dilation, input) in [
        (2, 2, 0, 1, [4, 32]),
        (2, 2, 0, 1, [6, 71]),
        (3, 2, 1, 1, [7, 66]),
        (3, 1, 1, 1, [5, 40]),
        (2, 1, 0, 2, [6, 35]),
        (3, 3, 1, 1, [6, 100]),
        (5, 2, 2, 2, [11, 90]),
        (1, 2, 0, 1, [3, 70]),
    ] {
        let window = Window {
            stride: [stride; 2].into(),
            pad_low: [pad; 2].into(),
            pad_high: [pad; 2].into(),
            dilation: [dilation; 2].into(),
        };
        let output = [0, 1].map(|i| window.output(i, input[i], kernel));
        let kernel: Box<[usize]> = [kernel; 2].into();
        for dtype in [DType::F32, DType::F64, DType::I32] {
            let x = dice.awkward([2, 3, input[0], input[1]], dtype);
            let dy = dice.tensor([2, 3, output[0], output[1]], dtype);
            check_maxima(&window, &kernel, &x, &dy);
            let x = dice.tensor([2, 3, input[0], input[1]], dtype);
            let op = Op::WindowSum {
                window: window.clone(),
                kernel: kernel.clone(),
            };
            check(op, &[&x], None, sums(dtype, 25));
            let dy = dice.tensor([2, 3, output[0], output[1]], dtype);
            let op = Op::WindowSumGrad {
                window: window.clone(),
                kernel: kernel.clone(),
                input: input.into(),
            };
            check(op, &[&dy], None, sums(dtype, 25));
        }
    }
}

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
        (2047, 9, DType::F32),
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
