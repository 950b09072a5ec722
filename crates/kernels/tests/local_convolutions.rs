//! Convolution with a kernel for every output position, and its two adjoints, against the reference interpreter.

mod support;

use hyperglow_core::DType;
use hyperglow_core::op::{Op, Window};
use support::convolutions::uniform_window;
use support::{Dice, check, geometry, sums};

/// The three of one geometry.
fn check_all(
    dice: &mut Dice,
    (batch, channels, outputs): (usize, usize, usize),
    (window, input, kernel): (Window, Vec<usize>, Vec<usize>),
    dtype: DType,
) {
    let output: Vec<usize> = (0..input.len())
        .map(|i| window.output(i, input[i], kernel[i]))
        .collect();
    let taps: usize = kernel.iter().product();
    let x = dice.tensor([&[batch, channels], &input[..]].concat(), dtype);
    let w = dice.tensor([&[outputs, channels], &kernel[..], &output[..]].concat(), dtype);
    let dy = dice.tensor([&[batch, outputs], &output[..]].concat(), dtype);
    let forward = Op::LocalConv {
        window: window.clone(),
    };
    check(forward, &[&x, &w], None, sums(dtype, taps * channels));
    let in_x = Op::LocalConvInputGrad {
        window: window.clone(),
        input: input.into(),
    };
    check(in_x, &[&dy, &w], None, sums(dtype, taps * outputs));
    let in_w = Op::LocalConvWeightGrad {
        window,
        kernel: kernel.into(),
    };
    check(in_w, &[&x, &dy], None, sums(dtype, batch.max(1)));
}

#[test]
fn any_geometry() {
    let mut dice = Dice::new(61);
    for round in 0..60 {
        let rank = 1 + round % 3;
        let geometry = geometry(&mut dice, rank, [40, 12, 6][rank - 1]);
        let sizes = (dice.between(0, 11), dice.between(1, 5), dice.between(1, 7));
        let dtype = [DType::F32, DType::F64][dice.below(2)];
        check_all(&mut dice, sizes, geometry, dtype);
    }
}

#[test]
fn whole_registers() {
    let mut dice = Dice::new(62);
    for (size, kernel, stride, pad) in [(16, 3, 1, 1), (16, 1, 1, 0), (33, 3, 2, 1)] {
        let window = uniform_window(2, stride, pad, 1);
        check_all(
            &mut dice,
            (9, 3, 5),
            (window, vec![size; 2], vec![kernel; 2]),
            DType::F32,
        );
    }
}
