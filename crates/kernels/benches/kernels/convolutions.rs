//! Convolutions and their adjoints.

use hyperglow_core::op::{Op, Spec, Window};

use crate::bench::{Bench, F, Work};

/// A convolution with the same kernel extent, stride, padding and dilation on every spatial axis.
struct Convolution {
    name: &'static str,
    batch: usize,
    channels: usize,
    input: &'static [usize],
    outputs: usize,
    kernel: usize,
    stride: usize,
    pad: usize,
    dilation: usize,
    groups: usize,
}

/// Shorthand for [`Convolution`]: name, (batch, channels, input, outputs), (kernel, stride, pad).
const fn convolution(
    name: &'static str,
    (batch, channels, input, outputs): (usize, usize, &'static [usize], usize),
    (kernel, stride, pad): (usize, usize, usize),
) -> Convolution {
    Convolution {
        name,
        batch,
        channels,
        input,
        outputs,
        kernel,
        stride,
        pad,
        dilation: 1,
        groups: 1,
    }
}

/// Digit models, wide residual networks (WRN-16-4), a volume, and the less usual ways to convolve.
const CONVOLUTIONS: &[Convolution] = &[
    convolution("1-16 28 k3", (64, 1, &[28, 28], 16), (3, 1, 1)),
    convolution("1-10 28 k5", (64, 1, &[28, 28], 10), (5, 1, 0)),
    convolution("10-20 12 k5", (64, 10, &[12, 12], 20), (5, 1, 0)),
    convolution("64-64 32 k3", (32, 64, &[32, 32], 64), (3, 1, 1)),
    convolution("128-128 16 k3", (32, 128, &[16, 16], 128), (3, 1, 1)),
    convolution("256-256 8 k3", (32, 256, &[8, 8], 256), (3, 1, 1)),
    convolution("3-16 32 k3", (32, 3, &[32, 32], 16), (3, 1, 1)),
    convolution("16-64 32 k3", (32, 16, &[32, 32], 64), (3, 1, 1)),
    convolution("16-64 32 k1", (32, 16, &[32, 32], 64), (1, 1, 0)),
    convolution("64-128 32 k3 s2", (32, 64, &[32, 32], 128), (3, 2, 1)),
    convolution("64-128 32 k1 s2", (32, 64, &[32, 32], 128), (1, 2, 0)),
    convolution("128-256 16 k3 s2", (32, 128, &[16, 16], 256), (3, 2, 1)),
    convolution("128-256 16 k1 s2", (32, 128, &[16, 16], 256), (1, 2, 0)),
    convolution("3d 16-32 16x32x32 k3", (4, 16, &[16, 32, 32], 32), (3, 1, 1)),
    Convolution {
        dilation: 2,
        ..convolution("dilated 64-64 32 k3", (32, 64, &[32, 32], 64), (3, 1, 2))
    },
    Convolution {
        groups: 64,
        ..convolution("depthwise 64 32 k3", (32, 64, &[32, 32], 64), (3, 1, 1))
    },
    Convolution {
        groups: 4,
        ..convolution("grouped 64-64 32 k3", (32, 64, &[32, 32], 64), (3, 1, 1))
    },
    convolution("1d 32-64 1024 k5", (32, 32, &[1024], 64), (5, 1, 2)),
];
impl Bench {
    pub fn convolutions(&self) {
        for case in CONVOLUTIONS {
            self.convolution(case);
        }
    }

    fn convolution(&self, case: &Convolution) {
        let rank = case.input.len();
        let axis = |extent: usize| -> Box<[usize]> { vec![extent; rank].into() };
        let window = Window {
            stride: axis(case.stride),
            pad_low: axis(case.pad),
            pad_high: axis(case.pad),
            dilation: axis(case.dilation),
        };
        let (kernel, input): (Box<[usize]>, Box<[usize]>) = (axis(case.kernel), case.input.into());
        let output: Vec<usize> = (0..rank)
            .map(|i| window.output(i, input[i], case.kernel))
            .collect();
        let spec = |rows: usize, columns: usize, spatial: &[usize]| {
            Spec::new([&[rows, columns], spatial].concat(), F)
        };
        let groups = case.groups;
        let x = spec(case.batch, case.channels, &input);
        let w = spec(case.outputs, case.channels / groups, &kernel);
        let y = spec(case.batch, case.outputs, &output);
        let products = y.shape.size() * w.shape.dims()[1..].iter().product::<usize>();
        let run = |what: &str, op: Op, inputs: &[Spec]| {
            let work = Work::Flops(2.0 * products as f64);
            self.op(&format!("conv {what} {}", case.name), op, inputs, None, work);
        };
        let forward = Op::Conv {
            window: window.clone(),
            groups,
        };
        run("forward", forward, &[x.clone(), w.clone()]);
        let in_x = Op::ConvInputGrad {
            window: window.clone(),
            groups,
            input,
        };
        run("input", in_x, &[y.clone(), w]);
        let in_w = Op::ConvWeightGrad {
            window,
            groups,
            kernel,
        };
        run("weight", in_w, &[x, y]);
    }
}
