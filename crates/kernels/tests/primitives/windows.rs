//! Sums and maxima over windows.

use hyperglow_core::DType;
use hyperglow_core::op::{Op, Spec, Window};
use hyperglow_core::reference::{Value, evaluate};

use crate::NUMBERS;
use crate::support::{Dice, EXACT, check, geometry, sums};

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
