//! Convolutions and their two adjoints, as operations and against the reference interpreter.

use hyperglow_core::DType;
use hyperglow_core::op::{Op, Window};

use super::{Dice, check, sums};

/// A window with the same stride, padding and dilation on `rank` axes.
pub fn uniform_window(rank: usize, stride: usize, pad: usize, dilation: usize) -> Window {
    let all = |extent: usize| -> Box<[usize]> { vec![extent; rank].into() };
    Window {
        stride: all(stride),
        pad_low: all(pad),
        pad_high: all(pad),
        dilation: all(dilation),
    }
}

/// The convolution of inputs of extents `input` with kernels of extents `kernel`, its adjoint in the input, and its adjoint in the
/// weights.
pub fn convolutions(window: &Window, groups: usize, input: &[usize], kernel: &[usize]) -> [Op; 3] {
    let window = || window.clone();
    [
        Op::Conv {
            window: window(),
            groups,
        },
        Op::ConvInputGrad {
            window: window(),
            groups,
            input: input.into(),
        },
        Op::ConvWeightGrad {
            window: window(),
            groups,
            kernel: kernel.into(),
        },
    ]
}

/// Checks a convolution and its two adjoints, with x (batch, channels, input..) and w (outputs, channels / groups, kernel..).
pub fn check_convolutions(
    dice: &mut Dice,
    (batch, channels, outputs, groups): (usize, usize, usize, usize),
    (input, kernel): (&[usize], &[usize]),
    window: &Window,
    dtype: DType,
) {
    let extents = input.iter().zip(kernel).enumerate();
    let output: Vec<usize> = extents.map(|(i, (&x, &k))| window.output(i, x, k)).collect();
    let x = dice.tensor([&[batch, channels], input].concat(), dtype);
    let w = dice.tensor([&[outputs, channels / groups], kernel].concat(), dtype);
    let dy = dice.tensor([&[batch, outputs], &output[..]].concat(), dtype);
    let (taps, positions): (usize, usize) = (kernel.iter().product(), output.iter().product());
    let [forward, input_grad, weight_grad] = convolutions(window, groups, input, kernel);
    check(forward, &[&x, &w], None, sums(dtype, taps * channels));
    check(input_grad, &[&dy, &w], None, sums(dtype, taps * outputs));
    check(weight_grad, &[&x, &dy], None, sums(dtype, batch * positions));
}
