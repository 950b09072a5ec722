//! CUDA kernels that compute tiles, on operands of several large tiles: the reference interpreter would take minutes, so the processor
//! says what is right. Skipped where there is no CUDA device.

mod support;

use hyperglow_core::DType;
use hyperglow_core::infer::infer;
use hyperglow_core::op::{Metric, Op, Spec};
use hyperglow_core::reference::Value;
use hyperglow_core::similarity::{Products, Similarity};
use hyperglow_kernels::{CpuBackend, CudaBackend};
use support::convolutions::{convolutions, uniform_window};
use support::{Dice, numbers, run_op};

const FLOATS: [DType; 2] = [DType::F32, DType::F64];

/// Checks that the device has a kernel for `op`, and that its result is the processor's up to `tolerance` times the largest entry.
fn compare(cuda: &CudaBackend, op: &Op, inputs: &[&Value], tolerance: f64) {
    use hyperglow_core::device::Device;
    let specs: Vec<Spec> = inputs.iter().map(|x| x.spec()).collect();
    let specs: Vec<&Spec> = specs.iter().collect();
    let spec = infer(op, &specs, None).unwrap();
    assert!(matches!(cuda.kernel(op, &specs, &spec), Ok(Some(_))), "{op:?}");
    let expected = numbers(&run_op(&CpuBackend::new(2), op, inputs, &spec).unwrap());
    let result = numbers(&run_op(cuda, op, inputs, &spec).unwrap());
    let largest = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    for (i, (a, b)) in result.iter().zip(&expected).enumerate() {
        let near = (a - b).abs() <= tolerance * largest;
        assert!(
            near,
            "{op:?} of {specs:?}: entry {i} is {a}, the processor has {b}"
        );
    }
}

fn device() -> Option<CudaBackend> {
    CudaBackend::all().ok()?.into_iter().next()
}

fn rounding(dtype: DType) -> f64 {
    if dtype == DType::F32 { 1e-5 } else { 1e-12 }
}

#[test]
fn neighbors_and_distances() {
    let Some(cuda) = device() else { return };
    let mut dice = Dice::new(70);
    for (n, d, dtype) in [(1100, 5, DType::F32), (1030, 18, DType::F64)] {
        let x = dice.tensor([n, d], dtype);
        let radius = dice.tensor_of([n], dtype, |dice| dice.below(40) as f64 / 8.0);
        for metric in [Metric::Maximum, Metric::Euclidean] {
            compare(&cuda, &Op::Neighbors { k: 4, metric }, &[&x], 0.0);
            let within = Op::CountWithin { metric, closed: true };
            compare(&cuda, &within, &[&x, &radius], 0.0);
        }
        compare(&cuda, &Op::MedianDistance, &[&x], rounding(dtype));
    }
}

#[test]
fn similarities() {
    let Some(cuda) = device() else { return };
    let mut dice = Dice::new(71);
    let products = Products {
        similarities: [
            Similarity::Gaussian { widths: 1 },
            Similarity::Linear,
            Similarity::Polynomial { degree: 2 },
        ]
        .into(),
        hollow: true,
    };
    for dtype in FLOATS {
        let mut samples = || dice.tensor_of([1090, 5], dtype, |dice| dice.number() / 4.0);
        let [x, y, z] = [samples(), samples(), samples()];
        let [sigma, gamma, offset] = [1.5, 0.2, 0.9].map(|p| Dice::new(0).tensor_of([0; 0], dtype, |_| p));
        let operands = [&x, &y, &z, &sigma, &gamma, &offset];
        let forward = Op::CenteredProducts(products.clone());
        compare(&cuda, &forward, &operands, rounding(dtype));
        let cotangent = dice.tensor([3, 3], DType::F64);
        for of in 0..3 {
            let grad = Op::CenteredProductsGrad {
                products: products.clone(),
                of,
            };
            let inputs = [&operands[..], &[&cotangent]].concat();
            compare(&cuda, &grad, &inputs, 10.0 * rounding(dtype));
        }
        let sums = Op::SimilaritySums {
            products: Products {
                similarities: [
                    Similarity::Gaussian { widths: 1 },
                    Similarity::Laplacian { widths: 1 },
                ]
                .into(),
                hollow: false,
            },
            groups: [[0].into(), [0, 1].into()].into(),
        };
        compare(&cuda, &sums, &[&x, &y, &sigma, &sigma], rounding(dtype));
    }
}

/// Channels that fill tiles and those that end within one, sums that several blocks share, and groups beside each other.
#[test]
fn convolutions_of_many_channels() {
    let Some(cuda) = device() else { return };
    let mut dice = Dice::new(72);
    let sizes = [(16, 72, 1), (50, 66, 1), (66, 132, 2), (32, 24, 2), (12, 12, 12)];
    for (round, (channels, outputs, groups)) in sizes.into_iter().enumerate() {
        for (input, kernel, (stride, pad, dilation)) in [
            ([6, 7], [3, 3], (1, 1, 1)),
            ([9, 5], [3, 2], (2, 1, 1)),
            ([8, 8], [2, 3], (3, 2, 2)),
        ] {
            let dtype = FLOATS[round % 2];
            let window = uniform_window(2, stride, pad, dilation);
            let output = [0, 1].map(|axis| window.output(axis, input[axis], kernel[axis]));
            let x = dice.tensor([2, channels, input[0], input[1]], dtype);
            let w = dice.tensor([outputs, channels / groups, kernel[0], kernel[1]], dtype);
            let dy = dice.tensor([2, outputs, output[0], output[1]], dtype);
            let [forward, input_grad, weight_grad] = convolutions(&window, groups, &input, &kernel);
            compare(&cuda, &forward, &[&x, &w], rounding(dtype));
            compare(&cuda, &input_grad, &[&dy, &w], rounding(dtype));
            compare(&cuda, &weight_grad, &[&x, &dy], rounding(dtype));
        }
    }
}

/// Tiles of every size, alone and shared by several blocks.
#[test]
fn products() {
    let Some(cuda) = device() else { return };
    let mut dice = Dice::new(73);
    let sizes = [
        (32, 130, 140, 21),
        (1, 70, 90, 1100),
        (2, 40, 33, 700),
        (1, 3, 500, 900),
        (3, 1, 1, 2000),
    ];
    for (round, (batch, m, n, k)) in sizes.into_iter().enumerate() {
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let dtype = FLOATS[(round + usize::from(ta)) % 2];
            let a = dice.tensor(if ta { [batch, k, m] } else { [batch, m, k] }, dtype);
            let b = dice.tensor(if tb { [batch, n, k] } else { [batch, k, n] }, dtype);
            compare(&cuda, &Op::MatMul { ta, tb }, &[&a, &b], rounding(dtype));
        }
    }
}
