//! Operations that a device has no kernel for: computed by simpler ones with the same numbers, or refused by name.

mod support;

use std::sync::Arc;

use hyperglow_core::backend::Backend;
use hyperglow_core::device::{Device, Kernel};
use hyperglow_core::error::ErrorKind;
use hyperglow_core::infer::infer;
use hyperglow_core::op::{Distribution, Metric, Op, Reduction, Spec, Window};
use hyperglow_core::plan::Program;
use hyperglow_core::plan::build::build;
use hyperglow_core::plan::context::Context;
use hyperglow_core::plan::trace::{Trace, TraceNode};
use hyperglow_core::reference::{ReferenceBackend, Value, evaluate};
use hyperglow_core::similarity::{Products, Similarity};
use hyperglow_core::storage::Buffer;
use hyperglow_core::{DType, Error, Result};
use support::forward;

/// The reference device with some of its kernels only.
struct Sparing {
    reference: ReferenceBackend,
    has: fn(&Op) -> bool,
}

impl Device for Sparing {
    fn name(&self) -> &str {
        "sparing"
    }
    forward!(limits);
    fn kernel(&self, op: &Op, inputs: &[&Spec], output: &Spec) -> Result<Option<Arc<dyn Kernel>>> {
        if (self.has)(op) {
            self.reference.kernel(op, inputs, output)
        } else {
            Ok(None)
        }
    }
}

impl Backend for Sparing {
    forward!(allocate);
    forward!(upload);
    forward!(memory);
    forward!(prepare);
}

/// What everything else is made of.
fn is_simple(op: &Op) -> bool {
    matches!(
        op,
        Op::Iota { .. }
            | Op::Reduce { .. }
            | Op::Concat { .. }
            | Op::MatMul { .. }
            | Op::Gather { .. }
            | Op::ScatterAdd { .. }
            | Op::ArgSort { .. }
    )
}

/// A program of one operation.
fn planned(device: &Sparing, op: &Op, inputs: &[Spec], output: &Spec) -> Result<Arc<Program>> {
    let node = |op: Op, inputs: Vec<u32>, spec: &Spec| TraceNode {
        op,
        inputs,
        spec: spec.clone(),
        scope: 0,
    };
    let count = inputs.len() as u32;
    let mut nodes: Vec<TraceNode> = inputs.iter().map(|spec| node(Op::Input, vec![], spec)).collect();
    nodes.push(node(op.clone(), (0..count).collect(), output));
    let trace = Trace {
        nodes,
        inputs: (0..count).collect(),
        expendable: vec![false; inputs.len()],
        outputs: vec![count],
    };
    let scope = |_| "model/layer".to_string();
    let context = Context {
        scope: &scope,
        device,
    };
    Ok(Arc::new(build(&trace, &context)?))
}

fn run(device: &Sparing, op: &Op, inputs: &[&Value], output: &Spec) -> Result<Value> {
    let specs: Vec<Spec> = inputs.iter().map(|x| x.spec()).collect();
    let program = planned(device, op, &specs, output)?;
    let given: Vec<Buffer> = inputs
        .iter()
        .map(|x| device.upload(&x.to_bytes()).unwrap())
        .collect();
    let result = device.allocate(output.bytes())?;
    device
        .prepare(program)?
        .run(&given, std::slice::from_ref(&result))?;
    let mut bytes = vec![0; output.bytes()];
    result.read(&mut bytes)?;
    Ok(Value::from_bytes(output, &bytes))
}

fn numbers(x: &Value) -> Vec<f64> {
    let bytes = x.to_bytes();
    match x.spec().dtype {
        DType::F64 => bytes
            .chunks_exact(8)
            .map(|b| f64::from_ne_bytes(b.try_into().unwrap()))
            .collect(),
        DType::I64 => bytes
            .chunks_exact(8)
            .map(|b| i64::from_ne_bytes(b.try_into().unwrap()) as f64)
            .collect(),
        DType::I32 => bytes
            .chunks_exact(4)
            .map(|b| f64::from(i32::from_ne_bytes(b.try_into().unwrap())))
            .collect(),
        dtype => panic!("no {dtype} here"),
    }
}

/// Checks that an operation gives the same numbers on a device that has simple kernels only.
fn check(op: Op, inputs: &[&Value], target: Option<Spec>) {
    let specs: Vec<Spec> = inputs.iter().map(|x| x.spec()).collect();
    let output = infer(&op, &specs.iter().collect::<Vec<_>>(), target.as_ref()).unwrap();
    let device = Sparing {
        reference: ReferenceBackend,
        has: is_simple,
    };
    assert!(!is_simple(&op), "{op:?} is no test of lowering");
    let wanted = numbers(&evaluate(&op, inputs, &output).unwrap());
    let found = run(&device, &op, inputs, &output).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    for (i, (a, b)) in numbers(&found).into_iter().zip(wanted).enumerate() {
        let near = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-10 * b.abs().max(1.0);
        assert!(near, "{op:?} of {specs:?}: element {i} is {a}, expected {b}");
    }
}

fn tensor(shape: &[usize], data: &[f64]) -> Value {
    let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_ne_bytes()).collect();
    Value::from_bytes(&Spec::new(shape, DType::F64), &bytes)
}

/// Numbers within +-2, of which several are equal.
fn sample(shape: &[usize], salt: usize) -> Value {
    let count: usize = shape.iter().product();
    let number = |i: usize| ((i * 7919 + salt * 104_729 + i * i * 31) % 65) as f64 / 16.0 - 2.0;
    tensor(shape, &(0..count).map(number).collect::<Vec<_>>())
}

/// Of these numbers some are NaN, infinite or -0.
fn awkward(shape: &[usize], salt: usize) -> Value {
    let mut data = numbers(&sample(shape, salt));
    for (i, x) in data.iter_mut().enumerate() {
        match (i + salt) % 11 {
            3 => *x = f64::NAN,
            5 => *x = f64::INFINITY,
            7 => *x = -0.0,
            8 => *x = f64::NEG_INFINITY,
            _ => {}
        }
    }
    tensor(shape, &data)
}

fn whole(shape: &[usize], data: &[i32]) -> Value {
    let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_ne_bytes()).collect();
    Value::from_bytes(&Spec::new(shape, DType::I32), &bytes)
}

fn sizes(of: &[usize]) -> Box<[usize]> {
    of.into()
}

#[test]
fn padding_places_and_order() {
    let x = awkward(&[3, 4, 2], 1);
    let pad = |low: &[usize], high: &[usize], interior: &[usize]| Op::Pad {
        low: low.into(),
        high: high.into(),
        interior: interior.into(),
    };
    check(pad(&[1, 0, 2], &[0, 3, 1], &[2, 1, 0]), &[&x], None);
    check(pad(&[1, 2], &[2, 1], &[3, 1]), &[&sample(&[0, 1], 1)], None);
    let index = whole(&[5], &[2, 0, 3, 3, 1]);
    check(Op::Take { axis: 1 }, &[&x, &index], None);
    let src = sample(&[3, 5, 2], 2);
    let target = Spec::new([3, 4, 2], DType::F64);
    check(Op::IndexAdd { axis: 1 }, &[&index, &src], Some(target));
    for axis in 0..3 {
        check(Op::ArgMax { axis }, &[&x], None);
        check(Op::ArgMax { axis }, &[&sample(&[3, 4, 2], 5)], None);
        for flag in [false, true] {
            let k = Spec::new([[2, 4, 2], [3, 3, 2], [3, 4, 1]][axis], DType::I32);
            check(Op::TopK { axis, largest: flag }, &[&x], Some(k));
            check(
                Op::CumSum { axis, reverse: flag },
                &[&sample(&[3, 4, 2], 3)],
                None,
            );
            check(
                Op::CumSum { axis, reverse: flag },
                &[&whole(&[2, 1, 3], &[1, 2, 3, 4, 5, 6])],
                None,
            );
        }
    }
    check(
        Op::CumSum {
            axis: 0,
            reverse: false,
        },
        &[&sample(&[13], 4)],
        None,
    );
    check(
        Op::CumSum {
            axis: 1,
            reverse: true,
        },
        &[&sample(&[2, 0], 4)],
        None,
    );
}

#[test]
fn an_index_out_of_range_is_refused_all_the_same() {
    let device = Sparing {
        reference: ReferenceBackend,
        has: is_simple,
    };
    let (x, index) = (sample(&[3], 1), whole(&[1], &[3]));
    let error = run(
        &device,
        &Op::Take { axis: 0 },
        &[&x, &index],
        &Spec::new([1], DType::F64),
    )
    .unwrap_err();
    assert_eq!((error.kind, &*error.scope), (ErrorKind::Data, "model/layer"));
}

#[test]
fn convolutions_and_windows() {
    let window = Window {
        stride: sizes(&[2, 1]),
        pad_low: sizes(&[1, 0]),
        pad_high: sizes(&[0, 2]),
        dilation: sizes(&[1, 2]),
    };
    let (kernel, input) = (sizes(&[2, 2]), sizes(&[5, 4]));
    let (x, out) = (sample(&[2, 4, 5, 4], 1), [3, 4]);
    for groups in [1, 2] {
        let w = sample(&[6, 4 / groups, 2, 2], 2);
        let dy = sample(&[2, 6, out[0], out[1]], 3);
        let (window, input, kernel) = (window.clone(), input.clone(), kernel.clone());
        check(
            Op::Conv {
                window: window.clone(),
                groups,
            },
            &[&x, &w],
            None,
        );
        check(
            Op::ConvInputGrad {
                window: window.clone(),
                groups,
                input,
            },
            &[&dy, &w],
            None,
        );
        check(
            Op::ConvWeightGrad {
                window,
                groups,
                kernel,
            },
            &[&x, &dy],
            None,
        );
    }
    let (w, dy) = (
        sample(&[3, 4, 2, 2, out[0], out[1]], 4),
        sample(&[2, 3, out[0], out[1]], 5),
    );
    check(
        Op::LocalConv {
            window: window.clone(),
        },
        &[&x, &w],
        None,
    );
    let (op_window, op_input) = (window.clone(), input.clone());
    check(
        Op::LocalConvInputGrad {
            window: op_window,
            input: op_input,
        },
        &[&dy, &w],
        None,
    );
    let (op_window, op_kernel) = (window.clone(), kernel.clone());
    check(
        Op::LocalConvWeightGrad {
            window: op_window,
            kernel: op_kernel,
        },
        &[&x, &dy],
        None,
    );

    let dy = sample(&[2, 4, out[0], out[1]], 6);
    let integers = whole(&[1, 1, 5, 4], &(0..20).map(|i| i * 7 % 9 - 4).collect::<Vec<_>>());
    for x in [&x, &awkward(&[2, 4, 5, 4], 2), &integers] {
        check(
            Op::WindowMax {
                window: window.clone(),
                kernel: kernel.clone(),
            },
            &[x],
            None,
        );
        check(
            Op::WindowArgMax {
                window: window.clone(),
                kernel: kernel.clone(),
            },
            &[x],
            None,
        );
    }
    for x in [&x, &integers] {
        check(
            Op::WindowSum {
                window: window.clone(),
                kernel: kernel.clone(),
            },
            &[x],
            None,
        );
    }
    let (op_window, op_kernel, op_input) = (window.clone(), kernel.clone(), input.clone());
    check(
        Op::WindowSumGrad {
            window: op_window,
            kernel: op_kernel,
            input: op_input,
        },
        &[&dy],
        None,
    );
    let places = Op::WindowArgMax {
        window: window.clone(),
        kernel: kernel.clone(),
    };
    let spec = infer(&places, &[&x.spec()], None).unwrap();
    let places = evaluate(&places, &[&x], &spec).unwrap();
    check(
        Op::WindowMaxGrad {
            window,
            kernel,
            input,
        },
        &[&places, &dy],
        None,
    );
}

#[test]
fn rows_of_samples() {
    let lattice = sample(&[13, 2], 1);
    for x in [&lattice, &awkward(&[12, 3], 3), &sample(&[5, 0], 1)] {
        check(Op::UniqueRows, &[x], None);
        check(Op::MedianDistance, &[x], None);
        for metric in [Metric::Maximum, Metric::Euclidean] {
            check(Op::Neighbors { k: 4, metric }, &[x], None);
            let n = x.spec().shape[0];
            let radius = tensor(&[n], &(0..n).map(|i| i as f64 / 4.0).collect::<Vec<_>>());
            for closed in [false, true] {
                check(Op::CountWithin { metric, closed }, &[x, &radius], None);
            }
        }
    }
    check(Op::UniqueRows, &[&whole(&[4, 1], &[3, 1, 3, 1])], None);
    let heap = tensor(&[5, 1], &[2.0, 2.0, 2.0, 2.0, 7.0]);
    check(Op::MedianDistance, &[&heap], None);
    check(Op::UniqueRows, &[&sample(&[0, 2], 1)], None);
}

#[test]
fn determinants_and_cofactors() {
    let singular = tensor(&[3, 3], &[1.0, 2.0, 3.0, 2.0, 4.0, 6.0, 0.0, 1.0, -1.0]);
    let nothing = tensor(&[2, 2], &[0.0; 4]);
    let matrices = [
        sample(&[2, 4, 4], 1),
        sample(&[5, 5], 2),
        sample(&[1, 1], 3),
        singular,
        nothing,
    ];
    for a in &matrices {
        check(Op::Det, &[a], None);
        let shape = a.spec().shape;
        let (h, g) = (sample(shape.dims(), 7), sample(shape.dims(), 8));
        check(Op::Congruence, &[a, &h], None);
        check(Op::Cofactors, &[a], None);
        check(Op::Cofactors, &[a, &h], None);
        check(Op::Cofactors, &[a, &h, &g], None);
    }
    check(Op::Det, &[&sample(&[20, 20], 4)], None);
    check(Op::Det, &[&sample(&[3, 0, 0], 4)], None);
}

#[test]
fn similarities() {
    let kinds = [
        Similarity::Gaussian { widths: 2 },
        Similarity::Laplacian { widths: 1 },
        Similarity::Linear,
        Similarity::Polynomial { degree: 3 },
        Similarity::InverseMultiquadric,
    ];
    let parameters: Vec<Value> = [1.5, 0.75, 2.0, 0.5, 1.0, 1.25].map(|p| tensor(&[], &[p])).into();
    let samples: Vec<Value> = (0..kinds.len()).map(|a| sample(&[6, 2 + a % 2], a + 1)).collect();
    let operands: Vec<&Value> = samples.iter().chain(&parameters).collect();
    for hollow in [false, true] {
        let products = Products {
            similarities: kinds.into(),
            hollow,
        };
        check(Op::CenteredProducts(products.clone()), &operands, None);
        let cotangent = sample(&[5, 5], 9);
        let inputs: Vec<&Value> = operands.iter().copied().chain([&cotangent]).collect();
        for of in 0..5 {
            check(
                Op::CenteredProductsGrad {
                    products: products.clone(),
                    of,
                },
                &inputs,
                None,
            );
        }
    }
    let products = Products {
        similarities: [Similarity::Gaussian { widths: 1 }, Similarity::Equal].into(),
        hollow: true,
    };
    let groups: Box<[Box<[usize]>]> = [sizes(&[0]), sizes(&[0, 1])].into();
    let labels = tensor(&[6, 1], &[0.0, 1.0, 0.0, 2.0, 1.0, 0.0]);
    let operands = [&samples[0], &labels, &parameters[0]];
    check(Op::SimilaritySums { products, groups }, &operands, None);
}

#[test]
fn what_is_made_of_nothing_simpler_is_refused_by_name() {
    let matrix = || Spec::new([3, 3], DType::F64);
    let (wide, index) = (Spec::new([13, 13], DType::F64), Spec::new([3, 3], DType::I32));
    let axes: Box<[usize]> = sizes(&[0]);
    let kind = Reduction::Sum;
    let cases: Vec<(Op, Vec<Spec>)> = vec![
        (Op::Iota { axis: 0 }, vec![]),
        (Op::Random(Distribution::Normal), vec![Spec::new([2], DType::U32)]),
        (Op::Reduce { kind, axes }, vec![matrix()]),
        (Op::Concat { axis: 0 }, vec![matrix(), matrix()]),
        (Op::MatMul { ta: false, tb: true }, vec![matrix(), matrix()]),
        (Op::Gather { axis: 0 }, vec![matrix(), index.clone()]),
        (Op::ScatterAdd { axis: 0 }, vec![index, matrix()]),
        (
            Op::ArgSort {
                axis: 0,
                descending: true,
            },
            vec![matrix()],
        ),
        (Op::Cholesky, vec![matrix()]),
        (
            Op::TriangularSolve {
                lower: true,
                transpose: false,
            },
            vec![matrix(), matrix()],
        ),
        (Op::Solve, vec![matrix(), matrix()]),
        (Op::PositiveInverse, vec![matrix()]),
        (Op::Eigh, vec![matrix()]),
        (Op::Cofactors, vec![wide]),
    ];
    let device = Sparing {
        reference: ReferenceBackend,
        has: |_| false,
    };
    for (op, inputs) in cases {
        let output = infer(&op, &inputs.iter().collect::<Vec<_>>(), Some(&matrix())).unwrap();
        let refused: Error = planned(&device, &op, &inputs, &output).unwrap_err();
        assert_eq!(
            (refused.kind, &*refused.op, &*refused.scope),
            (ErrorKind::Device, op.name(), "model/layer")
        );
        assert!(refused.message.contains("\"sparing\" has no kernel"), "{refused}");
    }
}
