//! Convolution and its two adjoints against the reference interpreter, for every level, with one and three threads; and the error of
//! algorithms that do not sum term by term.

mod support;

use hyperglow_core::DType;
use hyperglow_core::device::Device;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Op, Spec, Window};
use hyperglow_core::reference::Value;
use hyperglow_kernels::{CpuBackend, Level};
use support::convolutions::{check_convolutions, convolutions, uniform_window};
use support::list::processors;
use support::{Dice, geometry, numbers, run_op};

const FLOATS: [DType; 2] = [DType::F32, DType::F64];

#[test]
fn any_geometry() {
    let mut dice = Dice::new(3);
    for round in 0..60 {
        let rank = 1 + round % 3;
        let (window, input, kernel) = geometry(&mut dice, rank, [30, 12, 6][rank - 1]);
        let groups = dice.between(1, 3);
        let many = if round % 4 == 0 { 20 } else { 3 };
        let (batch, c, o) = (dice.between(0, 4), dice.between(1, many), dice.between(1, 9));
        let dtype = FLOATS[dice.below(2)];
        let sizes = (batch, c * groups, o * groups, groups);
        check_convolutions(&mut dice, sizes, (&input, &kernel), &window, dtype);
    }
}

/// Checks convolutions of one geometry in both dtypes.
fn check_floats(
    dice: &mut Dice,
    sizes: (usize, usize, usize, usize),
    extents: (&[usize], &[usize]),
    window: &Window,
) {
    for dtype in FLOATS {
        check_convolutions(dice, sizes, extents, window, dtype);
    }
}

#[test]
fn planes_of_padding_alone() {
    let mut dice = Dice::new(5);
    for (input, kernel, pad) in [([0, 8], [1, 3], 1), ([0, 0], [2, 3], 2)] {
        check_floats(&mut dice, (1, 2, 3, 1), (&input, &kernel), &moving(1, pad, 1));
    }
}

#[test]
fn strides_larger_than_the_planes() {
    let mut dice = Dice::new(5);
    for (kernel, stride, pad) in [
        ([2, 1], 1 << 40, 0),
        ([1, 1], 1 << 18, 1 << 18),
        ([2, 3], 700, 701),
    ] {
        check_floats(
            &mut dice,
            (1, 2, 3, 1),
            (&[4, 5], &kernel),
            &moving(stride, pad, 1),
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn results_beyond_all_memory_are_refused_before_their_places_are_listed() {
    let pad = 1 << 19;
    let window = moving(1, pad, 1);
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
    let extents: (&[usize], &[usize]) = (&[30, 20], &[3, 3]);
    check_convolutions(&mut dice, (2, 12, 20, 1), extents, &moving(1, 1, 1), DType::F32);
}

/// Padding (low, high) on every axis.
fn padded(rank: usize, low: usize, high: usize) -> Window {
    Window {
        pad_high: vec![high; rank].into(),
        ..uniform_window(rank, 1, low, 1)
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
        check_floats(&mut dice, sizes, (&input, &[3, 3]), &padded(2, low, high));
    }
    for (sizes, input, (low, high)) in [
        ((1, 16, 17, 1), [4, 6, 5], (1, 1)),
        ((2, 18, 16, 1), [5, 4, 7], (0, 0)),
    ] {
        check_floats(&mut dice, sizes, (&input, &[3, 3, 3]), &padded(3, low, high));
        check_floats(&mut dice, sizes, (&input, &[2, 3, 3]), &padded(3, low, high));
    }
}

/// A window on two axes.
fn moving(stride: usize, pad: usize, dilation: usize) -> Window {
    uniform_window(2, stride, pad, dilation)
}

/// Sizes (images, channels, results, groups), extents of planes and kernels, and the window.
type Geometry = ((usize, usize, usize, usize), [usize; 2], [usize; 2], Window);

fn check_all(salt: u64, geometries: &[Geometry]) {
    let mut dice = Dice::new(salt);
    for (sizes, input, kernel, window) in geometries {
        check_floats(&mut dice, *sizes, (input, kernel), window);
    }
}

#[test]
fn many_channels_in_short_lines() {
    // Lines of half a register, which are brought together; terms in several blocks; steps of 2.
    check_all(
        34,
        &[
            ((2, 70, 66, 1), [15, 15], [3, 3], moving(2, 1, 1)),
            ((2, 50, 49, 1), [17, 29], [1, 1], moving(1, 0, 1)),
            ((1, 200, 50, 1), [17, 16], [1, 1], moving(1, 0, 1)),
            ((2, 64, 64, 1), [16, 16], [1, 1], moving(2, 0, 1)),
            ((4, 48, 192, 1), [16, 16], [2, 2], moving(2, 0, 1)),
            ((1, 100, 98, 2), [9, 11], [3, 2], moving(1, 2, 2)),
            ((1, 48, 48, 1), [38, 38], [2, 2], moving(3, 0, 1)),
        ],
    );
}

#[test]
fn many_channels_of_a_single_tap() {
    // Few terms, rows in part of a panel, groups, odd planes, more positions than are summed at a time.
    check_all(
        36,
        &[
            ((3, 40, 80, 1), [16, 16], [1, 1], moving(1, 0, 1)),
            ((2, 128, 128, 2), [16, 16], [1, 1], moving(1, 0, 1)),
            ((4, 64, 64, 1), [17, 31], [1, 1], moving(2, 0, 1)),
            ((1, 50, 49, 1), [34, 38], [1, 1], moving(1, 0, 1)),
        ],
    );
}

#[test]
fn many_channels_in_planes_that_are_packed_once() {
    // Odd extents in steps of 2 and 3, groups, dilation.
    check_all(
        37,
        &[
            ((2, 64, 62, 1), [31, 31], [3, 3], moving(2, 1, 1)),
            ((1, 64, 128, 2), [13, 30], [3, 3], moving(1, 2, 2)),
            ((1, 60, 64, 1), [33, 46], [2, 3], moving(3, 1, 1)),
        ],
    );
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
        // Positions whose taps are all in the padding; no padding.
        ((2, 2, 2, 2), [4, 9], [3, 3], moving(1, 5, 1)),
        ((5, 3, 3, 3), [19, 34], [3, 3], moving(1, 0, 1)),
    ] {
        check_floats(&mut dice, sizes, (&input, &kernel), &window);
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
        let mut position = 0;
        let x = dice.tensor_of([2, channels, 16, 16], DType::F32, |dice| {
            position += 1;
            if position == 20_001 { large } else { dice.number() }
        });
        let w = dice.tensor([64, channels, kernel, kernel], DType::F32);
        let window = moving(stride, kernel / 2, 1);
        let y = [2, 64, 16 / stride, 16 / stride];
        let dy = dice.tensor(y, DType::F32);
        let [_, _, in_w] = convolutions(&window, 1, &[16, 16], &[kernel; 2]);
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
