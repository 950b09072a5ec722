//! Programs mapped over a batch: every operation, and its derivatives, against one program for each sample.

#[path = "support/graphs.rs"]
mod graphs;

use std::slice::from_ref;

use graphs::{evaluated, gradients, numbers, sample, weighted};
use hyperglow_core::batch::batch;
use hyperglow_core::compose::Build;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Distribution, Metric, Op, Reduction, Spec, Window};
use hyperglow_core::placement::{DeviceId, Placement};
use hyperglow_core::reference::Value;
use hyperglow_core::similarity::{Products, Similarity};
use hyperglow_core::{DType, Graph, NodeId};

/// Samples in a batch.
const COUNT: usize = 3;

/// An operand: its values for all samples.
type Operand = Vec<Value>;

fn bytes_of(values: &[Value]) -> Vec<u8> {
    values.iter().flat_map(Value::to_bytes).collect()
}

fn batched(spec: &Spec) -> Spec {
    let shape = [COUNT].into_iter().chain(spec.shape.dims().iter().copied());
    Spec::new(shape.collect::<Vec<_>>(), spec.dtype)
}

fn argument(graph: &mut Graph, spec: &Spec) -> NodeId {
    graph.argument(spec.clone(), Placement::on(DeviceId::default()))
}

fn floats(shape: &[usize], domain: (f64, f64), salt: usize) -> Operand {
    let one = |k| graphs::tensor(shape, &sample(shape.iter().product(), domain, salt + 17 * k));
    (0..COUNT).map(one).collect()
}

/// Integers below `limit`.
fn indices(shape: &[usize], limit: usize, salt: usize) -> Operand {
    let count: usize = shape.iter().product();
    let one = |k: usize| {
        let number = |i: usize| ((i * 31 + k * 7 + salt) % limit) as i32;
        let bytes: Vec<u8> = (0..count).flat_map(|i| number(i).to_ne_bytes()).collect();
        Value::from_bytes(&Spec::new(shape, DType::I32), &bytes)
    };
    (0..COUNT).map(one).collect()
}

/// Truth values and keys: bytes of any dtype.
fn raw(shape: &[usize], dtype: DType, byte: impl Fn(usize, usize) -> u8) -> Operand {
    let spec = Spec::new(shape, dtype);
    let one = |k| Value::from_bytes(&spec, &(0..spec.bytes()).map(|i| byte(k, i)).collect::<Vec<_>>());
    (0..COUNT).map(one).collect()
}

/// Symmetric positive definite matrices (.., n, n).
fn positive(shape: &[usize], salt: usize) -> Operand {
    let n = shape[shape.len() - 1];
    let made = |value: Value| {
        let data = numbers(&value);
        let mut out = vec![0.0; data.len()];
        for (block, from) in out.chunks_mut(n * n).zip(data.chunks(n * n)) {
            for i in 0..n {
                for j in 0..n {
                    let product: f64 = (0..n).map(|k| from[i * n + k] * from[j * n + k]).sum();
                    block[i * n + j] = product + if i == j { 1.0 + i as f64 } else { 0.0 };
                }
            }
        }
        graphs::tensor(shape, &out)
    };
    floats(shape, (-1.0, 1.0), salt).into_iter().map(made).collect()
}

fn near(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let good = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * b.abs().max(1.0);
        assert!(good, "{what}: element {i} is {a}, expected {b}");
    }
}

fn same(what: &str, found: &Value, expected: &[Value]) {
    if found.spec().dtype == DType::F64 {
        let expected: Vec<f64> = expected.iter().flat_map(numbers).collect();
        near(what, &numbers(found), &expected);
    } else {
        assert_eq!(found.to_bytes(), bytes_of(expected), "{what}");
    }
}

/// One sample's program: its leaves, and what is mapped.
struct Program {
    graph: Graph,
    leaves: Vec<NodeId>,
    outputs: Vec<NodeId>,
}

/// Checks a program in which some leaves depend on the samples, as `mapped` says.
fn check_program(what: &str, program: Program, operands: &[Operand], mapped: &[bool]) {
    let Program {
        mut graph,
        leaves,
        outputs,
    } = program;
    let specs: Vec<Spec> = operands.iter().map(|values| values[0].spec()).collect();
    let (mut samples, mut batches, mut places) = (Vec::new(), Vec::new(), leaves.clone());
    let mut given: Vec<Value> = operands.iter().map(|values| values[0].clone()).collect();
    for i in 0..leaves.len() {
        if mapped[i] {
            let whole = batched(&specs[i]);
            places[i] = argument(&mut graph, &whole);
            given[i] = Value::from_bytes(&whole, &bytes_of(&operands[i]));
            samples.push(leaves[i]);
            batches.push(places[i]);
        }
    }
    let found = batch(&mut graph, &outputs, &samples, &batches).unwrap();
    for (k, (&output, found)) in outputs.iter().zip(found).enumerate() {
        let expected: Vec<Value> = (0..COUNT)
            .map(|row| {
                let value = |i: usize| operands[i][if mapped[i] { row } else { 0 }].clone();
                let values: Vec<Value> = (0..leaves.len()).map(value).collect();
                evaluated(&graph, output, &leaves, &values)
            })
            .collect();
        let what = format!("{what}, output {k}, {mapped:?}");
        match found {
            Some(found) => {
                assert_eq!(
                    *graph.spec(found).unwrap(),
                    batched(&expected[0].spec()),
                    "{what}"
                );
                same(&what, &evaluated(&graph, found, &places, &given), &expected);
            }
            // The derivative of a linear program depends on no sample of its own.
            None => assert!(expected.iter().all(|value| value == &expected[0]), "{what}"),
        }
    }
}

/// One operation on one sample, and the derivatives of a weighted sum of its result in all float operands.
fn program(op: &Op, operands: &[Operand], target: Option<&Spec>) -> Program {
    let mut graph = Graph::new();
    let leaves: Vec<NodeId> = operands
        .iter()
        .map(|values| argument(&mut graph, &values[0].spec()))
        .collect();
    let mut build = Build::new(&mut graph);
    let y = build.add_op(op.clone(), &leaves, target);
    let mut outputs = vec![y];
    let is_f64 = |values: &Operand| values[0].spec().dtype == DType::F64;
    let of: Vec<NodeId> = (0..leaves.len())
        .filter(|&i| is_f64(&operands[i]))
        .map(|i| leaves[i])
        .collect();
    if build.spec(y).dtype == DType::F64 && op.traits().differentiable && !of.is_empty() {
        let scalar = weighted(&mut build, y, 1);
        let first = gradients(&mut build, scalar, &of);
        let sums: Vec<NodeId> = (0..first.len())
            .map(|i| weighted(&mut build, first[i], i))
            .collect();
        let total = sums
            .into_iter()
            .reduce(|a, b| build.add_op(Op::Binary(BinaryOp::Add), &[a, b], None))
            .unwrap();
        let second = gradients(&mut build, total, &of);
        outputs.extend(first.into_iter().chain(second));
    }
    build.finish(&outputs);
    Program {
        graph,
        leaves,
        outputs,
    }
}

/// Checks an operation for every choice of operands that depend on the samples.
fn check(op: Op, operands: &[Operand], target: Option<Spec>) {
    let count = operands.len();
    for mask in 1..1usize << count {
        let mapped: Vec<bool> = (0..count).map(|i| mask >> i & 1 == 1).collect();
        let program = program(&op, operands, target.as_ref());
        check_program(&format!("{op:?}"), program, operands, &mapped);
    }
}

const WIDE: (f64, f64) = (-2.0, 2.0);

fn extents(of: &[usize]) -> Box<[usize]> {
    of.into()
}

#[test]
fn elements_and_places() {
    let [x, y] = [1, 2].map(|salt| floats(&[2, 3, 4], WIDE, salt));
    let scalar = floats(&[], (0.5, 2.0), 3);
    check(Op::Unary(UnaryOp::Tanh), from_ref(&x), None);
    check(Op::Unary(UnaryOp::Log), from_ref(&scalar), None);
    check(Op::Binary(BinaryOp::Mul), &[x.clone(), y.clone()], None);
    check(Op::Binary(BinaryOp::Pow), &[scalar.clone(), scalar.clone()], None);
    check(Op::Binary(BinaryOp::Less), &[x.clone(), y.clone()], None);
    let condition = raw(&[2, 3, 4], DType::Bool, |k, i| ((i + k) % 2) as u8);
    check(Op::Where, &[condition, x.clone(), y.clone()], None);
    check(Op::Cast(DType::F32), from_ref(&x), None);
    check(Op::StopGradient, from_ref(&x), None);
    let target = |shape: &[usize]| Some(Spec::new(shape, DType::F64));
    check(Op::Broadcast, &[floats(&[2, 1, 4], WIDE, 4)], target(&[2, 3, 4]));
    check(Op::Reshape, from_ref(&x), target(&[4, 6]));
    check(Op::Reshape, &[scalar], target(&[1, 1]));
    check(Op::Permute(extents(&[2, 0, 1])), from_ref(&x), None);
    let (start, step) = (extents(&[0, 1, 0]), extents(&[1, 1, 2]));
    check(Op::Slice { start, step }, from_ref(&x), target(&[2, 2, 2]));
    let (low, high, interior) = (extents(&[0, 1, 2]), extents(&[1, 0, 0]), extents(&[0, 2, 1]));
    check(Op::Pad { low, high, interior }, from_ref(&x), None);
    check(Op::Flip(extents(&[0, 2])), from_ref(&x), None);
    check(Op::Concat { axis: 1 }, &[x, floats(&[2, 1, 4], WIDE, 5), y], None);
}

#[test]
fn reductions_and_order() {
    let x = floats(&[2, 3, 4], WIDE, 1);
    for kind in [Reduction::Sum, Reduction::Max, Reduction::Min] {
        for axes in [&[0][..], &[1, 2], &[0, 1, 2]] {
            let axes = axes.into();
            check(Op::Reduce { kind, axes }, from_ref(&x), None);
        }
    }
    for axis in 0..3 {
        check(Op::ArgMax { axis }, from_ref(&x), None);
        for flag in [false, true] {
            let descending = flag;
            check(Op::ArgSort { axis, descending }, from_ref(&x), None);
            check(Op::CumSum { axis, reverse: flag }, from_ref(&x), None);
            let shape = [[1, 3, 4], [2, 2, 4], [2, 3, 3]][axis];
            let largest = flag;
            check(
                Op::TopK { axis, largest },
                from_ref(&x),
                Some(Spec::new(shape, DType::I32)),
            );
        }
    }
}

#[test]
fn places_by_index() {
    let x = floats(&[2, 5, 3], WIDE, 1);
    let target = Spec::new([2, 5, 3], DType::F64);
    let list = indices(&[4], 5, 1);
    check(Op::Take { axis: 1 }, &[x.clone(), list.clone()], None);
    let source = floats(&[2, 4, 3], WIDE, 2);
    check(
        Op::IndexAdd { axis: 1 },
        &[list, source.clone()],
        Some(target.clone()),
    );
    let each = indices(&[2, 4, 3], 5, 2);
    check(Op::Gather { axis: 1 }, &[x, each.clone()], None);
    check(Op::ScatterAdd { axis: 1 }, &[each, source], Some(target));
}

#[test]
fn products_and_matrices() {
    for leading in [&[][..], &[2], &[2, 2]] {
        let shape = |rows: usize, columns: usize| [leading, &[rows, columns]].concat();
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let a = floats(&if ta { shape(3, 2) } else { shape(2, 3) }, WIDE, 1);
            let b = floats(&if tb { shape(4, 3) } else { shape(3, 4) }, WIDE, 2);
            check(Op::MatMul { ta, tb }, &[a, b], None);
        }
        let (a, b) = (positive(&shape(3, 3), 1), floats(&shape(3, 2), WIDE, 4));
        for (lower, transpose) in [(false, false), (false, true), (true, false), (true, true)] {
            check(
                Op::TriangularSolve { lower, transpose },
                &[a.clone(), b.clone()],
                None,
            );
        }
        check(Op::Solve, &[a.clone(), b], None);
        let s = positive(&shape(3, 3), 2);
        for op in [
            Op::Cholesky,
            Op::PositiveInverse,
            Op::Det,
            Op::Cofactors,
            Op::Eigh,
        ] {
            check(op, from_ref(&a), None);
        }
        for op in [Op::Congruence, Op::Cofactors] {
            check(op, &[a.clone(), s.clone()], None);
        }
    }
}

#[test]
fn convolutions_and_windows() {
    let window = Window {
        stride: extents(&[2, 1]),
        pad_low: extents(&[1, 0]),
        pad_high: extents(&[0, 2]),
        dilation: extents(&[1, 2]),
    };
    let (kernel, input) = (extents(&[2, 2]), extents(&[5, 4]));
    let (x, dy) = (floats(&[2, 4, 5, 4], WIDE, 1), floats(&[2, 6, 3, 4], WIDE, 3));
    for groups in [1, 2] {
        let w = floats(&[6, 4 / groups, 2, 2], WIDE, 2);
        let (window, input, kernel) = (window.clone(), input.clone(), kernel.clone());
        let forward = Op::Conv {
            window: window.clone(),
            groups,
        };
        check(forward, &[x.clone(), w.clone()], None);
        let backward = Op::ConvInputGrad {
            window: window.clone(),
            groups,
            input,
        };
        check(backward, &[dy.clone(), w], None);
        let of_kernel = Op::ConvWeightGrad {
            window,
            groups,
            kernel,
        };
        check(of_kernel, &[x.clone(), dy.clone()], None);
    }
    let (w, dy) = (
        floats(&[3, 4, 2, 2, 3, 4], WIDE, 4),
        floats(&[2, 3, 3, 4], WIDE, 5),
    );
    let local = Op::LocalConv {
        window: window.clone(),
    };
    check(local, &[x.clone(), w.clone()], None);
    let of_input = Op::LocalConvInputGrad {
        window: window.clone(),
        input: input.clone(),
    };
    check(of_input, &[dy.clone(), w], None);
    let of_kernel = Op::LocalConvWeightGrad {
        window: window.clone(),
        kernel: kernel.clone(),
    };
    check(of_kernel, &[x.clone(), dy], None);

    let dy = floats(&[2, 4, 3, 4], WIDE, 6);
    let sizes = || (window.clone(), kernel.clone());
    let (window, kernel) = sizes();
    check(Op::WindowSum { window, kernel }, from_ref(&x), None);
    let (window, kernel) = sizes();
    check(Op::WindowMax { window, kernel }, from_ref(&x), None);
    let (window, kernel) = sizes();
    check(Op::WindowArgMax { window, kernel }, from_ref(&x), None);
    let (window, kernel) = sizes();
    let of_sum = Op::WindowSumGrad {
        window,
        kernel,
        input: input.clone(),
    };
    check(of_sum, from_ref(&dy), None);
    let (window, kernel) = sizes();
    let of_max = Op::WindowMaxGrad {
        window,
        kernel,
        input,
    };
    check(of_max, &[indices(&[2, 4, 3, 4], 20, 1), dy], None);
}

#[test]
fn rows_of_samples() {
    let x = floats(&[7, 2], WIDE, 1);
    check(Op::UniqueRows, &[indices(&[6, 1], 4, 1)], None);
    check(Op::MedianDistance, from_ref(&x), None);
    for metric in [Metric::Maximum, Metric::Euclidean] {
        check(Op::Neighbors { k: 3, metric }, from_ref(&x), None);
        let closed = metric == Metric::Maximum;
        let radius = floats(&[7], (0.5, 2.0), 2);
        check(Op::CountWithin { metric, closed }, &[x.clone(), radius], None);
    }
    let products = Products {
        similarities: Box::new([Similarity::Gaussian { widths: 1 }, Similarity::Linear]),
        hollow: false,
    };
    let operands = [x, floats(&[7, 3], WIDE, 3), floats(&[], (0.8, 1.5), 4)];
    check(Op::CenteredProducts(products.clone()), &operands, None);
    let cotangent = floats(&[2, 2], WIDE, 5);
    let of = 0;
    let adjoint = Op::CenteredProductsGrad { products, of };
    check(adjoint, &[&operands[..], &[cotangent]].concat(), None);
    let products = Products {
        similarities: Box::new([Similarity::Gaussian { widths: 1 }]),
        hollow: true,
    };
    let groups = Box::new([extents(&[0])]);
    let sums = Op::SimilaritySums { products, groups };
    check(sums, &[operands[0].clone(), operands[2].clone()], None);
}

#[test]
fn each_key_draws_its_own_numbers() {
    let keys = raw(&[2], DType::U32, |k, i| (31 * i + 7 * k + 3) as u8);
    let stacks = raw(&[4, 2], DType::U32, |k, i| (31 * i + 7 * k + 3) as u8);
    let of = |dtype| Some(Spec::new([4, 5], dtype));
    for keys in [keys, stacks] {
        for dtype in [DType::F32, DType::F64] {
            check(Op::Random(Distribution::Uniform), from_ref(&keys), of(dtype));
            check(Op::Random(Distribution::Normal), from_ref(&keys), of(dtype));
        }
        check(Op::Random(Distribution::Bits), from_ref(&keys), of(DType::U32));
    }
}

#[test]
fn maps_nest_and_what_depends_on_no_sample_is_computed_once() {
    let mut graph = Graph::new();
    let [row, x, w, rows, all] = [&[3][..], &[4, 3], &[3, 3], &[4, 3], &[COUNT, 4, 3]]
        .map(|shape| argument(&mut graph, &Spec::new(shape, DType::F64)));
    let mut build = Build::new(&mut graph);
    let squared = build.matmul(w, w, false, false);
    let lifted = build.reshape(row, [1, 3].into());
    let y = build.matmul(lifted, squared, false, false);
    build.finish(&[y]);
    let inner = batch(&mut graph, &[y, squared], &[row], &[rows]).unwrap();
    assert_eq!(inner[1], None);
    // The inner map's batch is one sample of the outer one.
    let outer = batch(&mut graph, &[inner[0].unwrap()], &[rows], &[all]).unwrap()[0].unwrap();
    let values = floats(&[4, 3], WIDE, 1);
    let whole = Value::from_bytes(&Spec::new([COUNT, 4, 3], DType::F64), &bytes_of(&values));
    let weights = floats(&[3, 3], WIDE, 2).remove(0);
    let found = evaluated(&graph, outer, &[all, w], &[whole, weights.clone()]);
    let flat: Vec<f64> = values.iter().flat_map(numbers).collect();
    let expected: Vec<f64> = flat
        .chunks(3)
        .flat_map(|row_values| {
            let value = graphs::tensor(&[3], row_values);
            numbers(&evaluated(&graph, y, &[row, w], &[value, weights.clone()]))
        })
        .collect();
    near("a map of a map", &numbers(&found), &expected);
    assert!(x != rows);
}

#[test]
fn batches_that_do_not_fit_are_refused() {
    let mut graph = Graph::new();
    let f64s = |shape: &[usize]| Spec::new(shape, DType::F64);
    let x = argument(&mut graph, &f64s(&[2]));
    let y = argument(&mut graph, &f64s(&[2]));
    let bad = [&[3, 3][..], &[2], &[], &[4, 2, 1]].map(|shape| argument(&mut graph, &f64s(shape)));
    for batched in bad {
        let error = batch(&mut graph, &[x], &[x], &[batched]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Shape);
    }
    let [three, four, none] = [3, 4, 0].map(|n| argument(&mut graph, &f64s(&[n, 2])));
    let error = batch(&mut graph, &[x], &[x, y], &[three, four]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Shape);
    let error = batch(&mut graph, &[x], &[x], &[none]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Argument);
}
