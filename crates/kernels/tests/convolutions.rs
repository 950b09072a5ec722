//! Convolution and its two adjoints against the reference interpreter, for every level, one and three threads; and the
//! error of the ways that sum otherwise than term by term.

mod support;

use hyperglow_core::DType;
use hyperglow_core::backend::Backend;
use hyperglow_core::device::Device;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Op, Spec, Window};
use hyperglow_core::plan::{Cluster, Instr, InstrKind, View};
use hyperglow_core::reference::Value;
use hyperglow_core::storage::Buffer;
use hyperglow_kernels::{CpuBackend, Level};
use support::list::processors;
use support::{Dice, Draft, buffers, check, geometry, numbers, run_op, sums};

const FLOATS: [DType; 2] = [DType::F32, DType::F64];

#[test]
fn convolutions() {
    let mut dice = Dice::new(3);
    for round in 0..60 {
        let rank = 1 + round % 3;
        let (window, input, kernel) = geometry(&mut dice, rank, [30, 12, 6][rank - 1]);
        let groups = dice.between(1, 3);
        let many = if round % 4 == 0 { 20 } else { 3 };
        let (batch, c, o) = (dice.between(0, 4), dice.between(1, many), dice.between(1, 9));
        let dtype = FLOATS[dice.below(2)];
        let output: Vec<usize> = (0..rank).map(|i| window.output(i, input[i], kernel[i])).collect();
        let taps: usize = kernel.iter().product();
        let x = dice.tensor([&[batch, c * groups], &input[..]].concat(), dtype);
        let w = dice.tensor([&[o * groups, c], &kernel[..]].concat(), dtype);
        let dy = dice.tensor([&[batch, o * groups], &output[..]].concat(), dtype);
        let terms = taps * c.max(o) * batch.max(1) * output.iter().product::<usize>();
        check(
            Op::Conv {
                window: window.clone(),
                groups,
            },
            &[&x, &w],
            None,
            sums(dtype, taps * c),
        );
        let op = Op::ConvInputGrad {
            window: window.clone(),
            groups,
            input: input.clone().into(),
        };
        check(op, &[&dy, &w], None, sums(dtype, taps * o));
        let op = Op::ConvWeightGrad {
            window,
            groups,
            kernel: kernel.into(),
        };
        check(op, &[&x, &dy], None, sums(dtype, terms));
    }
}

/// The three convolutions of x (1, 2, size..) with w (3, 2, kernel..).
fn all_three(size: [usize; 2], kernel: [usize; 2], window: Window) {
    let mut dice = Dice::new(5);
    for dtype in FLOATS {
        let places = [0, 1].map(|axis| window.output(axis, size[axis], kernel[axis]));
        let x = dice.tensor([1, 2, size[0], size[1]], dtype);
        let w = dice.tensor([3, 2, kernel[0], kernel[1]], dtype);
        let dy = dice.tensor([1, 3, places[0], places[1]], dtype);
        let (window, groups, tolerance) = (window.clone(), 1, sums(dtype, 100));
        let forward = Op::Conv {
            window: window.clone(),
            groups,
        };
        check(forward, &[&x, &w], None, tolerance);
        let input_grad = Op::ConvInputGrad {
            window: window.clone(),
            groups,
            input: size.into(),
        };
        check(input_grad, &[&dy, &w], None, tolerance);
        let weight_grad = Op::ConvWeightGrad {
            window,
            groups,
            kernel: kernel.into(),
        };
        check(weight_grad, &[&x, &dy], None, tolerance);
    }
}

#[test]
fn planes_of_padding_alone() {
    let window = |pad: usize| Window {
        stride: [1, 1].into(),
        pad_low: [pad, pad].into(),
        pad_high: [pad, pad].into(),
        dilation: [1, 1].into(),
    };
    all_three([0, 8], [1, 3], window(1));
    all_three([0, 0], [2, 3], window(2));
}

#[test]
fn steps_larger_than_the_planes() {
    let window = |stride: usize, pad: usize| Window {
        stride: [stride, stride].into(),
        pad_low: [pad, pad].into(),
        pad_high: [pad, pad].into(),
        dilation: [1, 1].into(),
    };
    all_three([4, 5], [2, 1], window(1 << 40, 0));
    all_three([4, 5], [1, 1], window(1 << 18, 1 << 18));
    all_three([4, 5], [2, 3], window(700, 701));
}

#[cfg(target_os = "linux")]
#[test]
fn results_beyond_all_memory_are_refused_before_their_places_are_listed() {
    let pad = 1 << 19;
    let window = Window {
        stride: [1, 1].into(),
        pad_low: [pad, pad].into(),
        pad_high: [pad, pad].into(),
        dilation: [1, 1].into(),
    };
    let backend = CpuBackend::with_level(1, Level::PORTABLE);
    for channels in [1, 4, 16] {
        let spec = |dims: [usize; 4]| Spec::new(dims, DType::F32);
        let (x, w) = (spec([1, channels, 4, 4]), spec([channels, channels, 1, 1]));
        let y = spec([1, channels, 4 + 2 * pad, 4 + 2 * pad]);
        let op = Op::Conv {
            window: window.clone(),
            groups: 1,
        };
        let error = backend.kernel(&op, &[&x, &w], &y).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Device);
    }
}

#[test]
fn a_large_convolution() {
    let mut dice = Dice::new(4);
    let window = Window {
        stride: [1, 1].into(),
        pad_low: [1, 1].into(),
        pad_high: [1, 1].into(),
        dilation: [1, 1].into(),
    };
    let x = dice.tensor([2, 12, 30, 20], DType::F32);
    let w = dice.tensor([20, 12, 3, 3], DType::F32);
    let dy = dice.tensor([2, 20, 30, 20], DType::F32);
    check(
        Op::Conv {
            window: window.clone(),
            groups: 1,
        },
        &[&x, &w],
        None,
        sums(DType::F32, 108),
    );
    let op = Op::ConvInputGrad {
        window: window.clone(),
        groups: 1,
        input: [30, 20].into(),
    };
    check(op, &[&dy, &w], None, sums(DType::F32, 180));
    check(
        Op::ConvWeightGrad {
            window,
            groups: 1,
            kernel: [3, 3].into(),
        },
        &[&x, &dy],
        None,
        sums(DType::F32, 1200),
    );
}

/// The three convolutions of one geometry, against the reference.
fn check_convolution(
    dice: &mut Dice,
    (batch, channels, outputs, groups): (usize, usize, usize, usize),
    (input, kernel): (&[usize], &[usize]),
    window: Window,
) {
    let output: Vec<usize> = (0..input.len())
        .map(|i| window.output(i, input[i], kernel[i]))
        .collect();
    for dtype in FLOATS {
        let x = dice.tensor([&[batch, channels], input].concat(), dtype);
        let w = dice.tensor([&[outputs, channels / groups], kernel].concat(), dtype);
        let dy = dice.tensor([&[batch, outputs], &output[..]].concat(), dtype);
        let taps: usize = kernel.iter().product();
        let forward = Op::Conv {
            window: window.clone(),
            groups,
        };
        check(forward, &[&x, &w], None, sums(dtype, taps * channels));
        let in_x = Op::ConvInputGrad {
            window: window.clone(),
            groups,
            input: input.into(),
        };
        check(in_x, &[&dy, &w], None, sums(dtype, taps * outputs));
        let in_w = Op::ConvWeightGrad {
            window: window.clone(),
            groups,
            kernel: kernel.into(),
        };
        let places: usize = output.iter().product();
        check(in_w, &[&x, &dy], None, sums(dtype, batch * places));
    }
}

/// Padding (low, high) on every axis.
fn padded(rank: usize, low: usize, high: usize) -> Window {
    Window {
        stride: vec![1; rank].into(),
        pad_low: vec![low; rank].into(),
        pad_high: vec![high; rank].into(),
        dilation: vec![1; rank].into(),
    }
}

#[test]
fn convolutions_by_tiles() {
    let mut dice = Dice::new(33);
    for (sizes, input, (low, high)) in [
        ((2, 16, 16, 1), [8, 8], (1, 1)),
        ((3, 17, 18, 1), [7, 9], (1, 1)),
        ((1, 33, 70, 1), [6, 11], (0, 0)),
        ((2, 34, 38, 2), [5, 6], (2, 1)),
        ((9, 16, 20, 1), [4, 4], (1, 0)),
        ((1, 16, 16, 1), [9, 60], (3, 3)),
    ] {
        check_convolution(&mut dice, sizes, (&input, &[3, 3]), padded(2, low, high));
    }
    for (sizes, input, (low, high)) in [
        ((1, 16, 17, 1), [4, 6, 5], (1, 1)),
        ((2, 18, 16, 1), [5, 4, 7], (0, 0)),
    ] {
        check_convolution(&mut dice, sizes, (&input, &[3, 3, 3]), padded(3, low, high));
        check_convolution(&mut dice, sizes, (&input, &[2, 3, 3]), padded(3, low, high));
    }
}

/// The same step and dilation on both axes, padded by `pad`.
fn moving(stride: usize, pad: usize, dilation: usize) -> Window {
    let both = |extent: usize| -> Box<[usize]> { [extent; 2].into() };
    Window {
        stride: both(stride),
        pad_low: both(pad),
        pad_high: both(pad),
        dilation: both(dilation),
    }
}

#[test]
fn convolutions_of_many_channels_without_tiles() {
    let mut dice = Dice::new(34);
    for (sizes, input, kernel, window) in [
        // Lines of half a register, which are brought together; terms in several blocks; steps of 2.
        ((2, 70, 66, 1), [15, 15], [3, 3], moving(2, 1, 1)),
        ((2, 50, 49, 1), [17, 29], [1, 1], moving(1, 0, 1)),
        ((1, 200, 50, 1), [17, 16], [1, 1], moving(1, 0, 1)),
        ((2, 64, 64, 1), [16, 16], [1, 1], moving(2, 0, 1)),
        ((4, 48, 192, 1), [16, 16], [2, 2], moving(2, 0, 1)),
        ((1, 100, 98, 2), [9, 11], [3, 2], moving(1, 2, 2)),
        ((1, 48, 48, 1), [38, 38], [2, 2], moving(3, 0, 1)),
        // A single tap: few terms, rows in part of a panel, groups, odd planes, more places than are summed at a time.
        ((3, 40, 80, 1), [16, 16], [1, 1], moving(1, 0, 1)),
        ((2, 128, 128, 2), [16, 16], [1, 1], moving(1, 0, 1)),
        ((4, 64, 64, 1), [17, 31], [1, 1], moving(2, 0, 1)),
        ((1, 50, 49, 1), [34, 38], [1, 1], moving(1, 0, 1)),
        // Planes that are packed once: odd extents in steps of 2 and 3, groups, dilation.
        ((2, 64, 62, 1), [31, 31], [3, 3], moving(2, 1, 1)),
        ((1, 64, 128, 2), [13, 30], [3, 3], moving(1, 2, 2)),
        ((1, 60, 64, 1), [33, 46], [2, 3], moving(3, 1, 1)),
    ] {
        check_convolution(&mut dice, sizes, (&input, &kernel), window);
    }
}

#[test]
fn convolutions_of_a_single_channel() {
    let mut dice = Dice::new(35);
    for (sizes, input, kernel, window) in [
        ((2, 1, 16, 1), [28, 28], [3, 3], moving(1, 1, 1)),
        ((3, 5, 5, 5), [13, 35], [3, 3], moving(1, 1, 1)),
        ((2, 7, 7, 7), [9, 16], [3, 5], moving(1, 2, 1)),
        ((2, 3, 3, 3), [11, 20], [3, 3], moving(1, 2, 2)),
        ((2, 3, 6, 3), [12, 20], [3, 3], moving(2, 1, 1)),
        ((1, 16, 1, 1), [10, 17], [3, 1], moving(1, 1, 1)),
        ((1, 1, 10, 1), [28, 28], [5, 5], moving(1, 0, 1)),
        // Places that meet nothing, in lines and beside them; no padding.
        ((2, 2, 2, 2), [4, 9], [3, 3], moving(1, 5, 1)),
        ((5, 3, 3, 3), [19, 34], [3, 3], moving(1, 0, 1)),
    ] {
        check_convolution(&mut dice, sizes, (&input, &kernel), window);
    }
}

/// A convolution of float32 numbers, and its result.
fn forward(backend: &CpuBackend, x: &Value, w: &Value, window: &Window, y: [usize; 4]) -> Value {
    let window = window.clone();
    let spec = Spec::new(y, x.spec().dtype);
    run_op(backend, &Op::Conv { window, groups: 1 }, &[x, w], &spec).unwrap()
}

#[test]
fn numbers_that_cannot_be_split_are_convolved_without_matrix_instructions() {
    let mut dice = Dice::new(36);
    for (stride, kernel, channels, large) in [
        (1, 3, 64, 1e30),
        (2, 3, 64, 1e30),
        (1, 1, 200, f64::INFINITY),
        (2, 1, 200, f64::NAN),
    ] {
        let mut place = 0;
        let x = dice.tensor_of([2, channels, 16, 16], DType::F32, |dice| {
            place += 1;
            if place == 20_001 { large } else { dice.number() }
        });
        let w = dice.tensor([64, channels, kernel, kernel], DType::F32);
        let window = moving(stride, kernel / 2, 1);
        let y = [2, 64, 16 / stride, 16 / stride];
        let dy = dice.tensor(y, DType::F32);
        let in_w = Op::ConvWeightGrad {
            window: window.clone(),
            groups: 1,
            kernel: [kernel; 2].into(),
        };
        let results: Vec<_> = processors()
            .iter()
            .filter(|backend| ["avx512", "amx"].contains(&backend.level().name()))
            .map(|backend| {
                let y = forward(backend, &x, &w, &window, y).to_bytes();
                let dw = run_op(backend, &in_w, &[&x, &dy], &w.spec()).unwrap().to_bytes();
                (y, dw)
            })
            .collect();
        assert!(
            results.windows(2).all(|pair| pair[0] == pair[1]),
            "stride {stride}, {kernel} x {kernel}, {large}"
        );
    }
}

/// The root of the mean square error of float32 results, by that of the float64 results.
fn relative_error(backend: &CpuBackend, channels: usize, kernel: usize) -> f64 {
    let mut dice = Dice::new(37);
    let x = dice.tensor([1, channels, 12, 12], DType::F64);
    let w = dice.tensor([32, channels, kernel, kernel], DType::F64);
    // The same numbers: of 24 bits.
    let narrow = |x: &Value, shape: [usize; 4]| {
        let mut all = numbers(x).into_iter();
        Dice::new(0).tensor_of(shape, DType::F32, |_| all.next().unwrap())
    };
    let (x32, w32) = (
        narrow(&x, [1, channels, 12, 12]),
        narrow(&w, [32, channels, kernel, kernel]),
    );
    let (window, y) = (moving(1, kernel / 2, 1), [1, 32, 12, 12]);
    let found = numbers(&forward(backend, &x32, &w32, &window, y));
    let expected = numbers(&forward(backend, &x, &w, &window, y));
    let square = |all: &mut dyn Iterator<Item = f64>| all.map(|x| x * x).sum::<f64>();
    let errors = square(&mut found.iter().zip(&expected).map(|(a, b)| a - b));
    (errors / square(&mut expected.iter().copied())).sqrt()
}

/// See the documentation of minimal filtering, which only the processor does, for the figures.
#[test]
fn convolutions_by_tiles_are_as_exact_as_they_are_said_to_be() {
    for backend in processors() {
        for (channels, bound) in [(64, 4e-7), (128, 5e-7), (512, 5e-7)] {
            let error = relative_error(&backend, channels, 3);
            assert!(
                error < bound,
                "{} {channels} channels: {error:.2e}",
                backend.level().name()
            );
        }
    }
}

/// `relu(convolution + bias + other)` written over the other, with the convolution's result used up on the way or kept.
fn with_what_follows(
    backend: &CpuBackend,
    op: &Op,
    inputs: [&Value; 4],
    y: &Spec,
    kept: bool,
) -> (Vec<u8>, Vec<u8>) {
    let mut draft = Draft::default();
    let slots = inputs.map(|x| draft.input(x.spec()));
    let output = draft.output(y.clone());
    draft.donations[0] = Some(3);
    let result = if kept {
        draft.output(y.clone())
    } else {
        draft.inner(y.clone())
    };
    draft.op(backend, op.clone(), &slots[..2], result);
    let bias = View {
        strides: vec![0, 1, 0, 0],
        ..View::contiguous(slots[2], y.shape.clone())
    };
    let instr = |kind: InstrKind| Instr { kind, dtype: y.dtype };
    draft.cluster(Cluster {
        shape: y.shape.clone(),
        loads: vec![
            View::contiguous(result, y.shape.clone()),
            bias,
            View::contiguous(slots[3], y.shape.clone()),
        ],
        code: vec![
            instr(InstrKind::Load(0)),
            instr(InstrKind::Load(1)),
            instr(InstrKind::Binary(BinaryOp::Add, 0, 1)),
            instr(InstrKind::Load(2)),
            instr(InstrKind::Binary(BinaryOp::Add, 2, 3)),
            instr(InstrKind::Unary(UnaryOp::Relu, 4)),
        ],
        stores: vec![(5, output)],
    });
    let program = draft.finish();
    let given: Vec<Buffer> = inputs
        .iter()
        .map(|x| backend.upload(&x.to_bytes()).unwrap())
        .collect();
    let mut results = buffers(backend, &program);
    results[0] = given[3].clone();
    backend.prepare(program).unwrap().run(&given, &results).unwrap();
    let mut all = results.iter().map(|buffer| {
        let mut bytes = vec![0; y.bytes()];
        buffer.read(&mut bytes).unwrap();
        bytes
    });
    (all.next().unwrap(), all.next().unwrap_or_default())
}

#[test]
fn what_follows_a_convolution_is_the_same_on_the_way_and_after_it() {
    let mut dice = Dice::new(38);
    for (channels, outputs, groups, kernel, window) in [
        (20, 70, 1, 3, moving(1, 1, 1)),
        (5, 9, 1, 3, moving(1, 1, 1)),
        (6, 6, 6, 3, moving(1, 1, 1)),
        (40, 30, 1, 2, moving(1, 0, 1)),
        (64, 64, 1, 3, moving(2, 1, 1)),
        (200, 64, 1, 1, moving(1, 0, 1)),
        (4, 3, 1, 3, moving(3, 0, 2)),
    ] {
        for (dtype, backward) in [(DType::F32, false), (DType::F32, true), (DType::F64, false)] {
            let places = |size: usize| window.output(0, size, kernel);
            let (from, to) = (
                [3, channels, 22, 24],
                [3, outputs, places(22), window.output(1, 24, kernel)],
            );
            let window = window.clone();
            let (op, x, y) = if backward {
                (
                    Op::ConvInputGrad {
                        window,
                        groups,
                        input: [22, 24].into(),
                    },
                    to,
                    from,
                )
            } else {
                (Op::Conv { window, groups }, from, to)
            };
            let tensors = [
                vec![outputs, channels / groups, kernel, kernel],
                vec![y[1]],
                y.to_vec(),
            ];
            let [w, bias, other] = tensors.map(|shape| dice.tensor(shape, dtype));
            let (x, y) = (dice.tensor(x, dtype), Spec::new(y, dtype));
            let mut before: Option<(Level, Vec<u8>)> = None;
            for backend in processors() {
                let inputs = [&x, &w, &bias, &other];
                let (alone, result) = with_what_follows(&backend, &op, inputs, &y, true);
                let (together, _) = with_what_follows(&backend, &op, inputs, &y, false);
                assert!(
                    alone == together,
                    "{op:?} {channels} -> {outputs} at {}",
                    backend.level().name()
                );
                assert!(result == run_op(&backend, &op, &[&x, &w], &y).unwrap().to_bytes());
                if let Some((level, bits)) = &before
                    && *level == backend.level()
                {
                    assert!(*bits == together, "{op:?}: bits depend on threads");
                }
                before = Some((backend.level(), together));
            }
        }
    }
}
