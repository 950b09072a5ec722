//! Row groups: rows in segments and in one piece, private slots, pooling; the same numbers with any number of threads.

#[path = "support/graphs.rs"]
mod graphs;

use graphs::{devices, engine, engine_on, expected, read, source};
use hyperglow_core::compose::{Build, reduce_axes};
use hyperglow_core::elementwise::{BinaryOp, Formula, UnaryOp};
use hyperglow_core::engine::Engine;
use hyperglow_core::grad::vjp;
use hyperglow_core::op::{Op, Reduction, Spec, Window};
use hyperglow_core::{DType, Graph, NodeId, Shape};

/// A function of a tensor, given the gradient of its result, too: what it gives, gradients included.
type Function = fn(&mut Graph, x: NodeId, dy: NodeId) -> Vec<NodeId>;

fn numbers(count: usize, salt: usize) -> Vec<f64> {
    let number = |i: usize| ((i * 48_271 + salt * 7_919) % 65_537) as f64 / 32_768.5 - 1.0;
    (0..count).map(number).collect()
}

/// Computes what `function` gives in `dtype`; the plan and the numbers.
fn run(
    e: &mut Engine,
    function: Function,
    dtype: DType,
    shapes: [&[usize]; 2],
    reference: bool,
) -> (String, Vec<Vec<f64>>) {
    let [(x, x_data), (dy, dy_data)] = [0, 1].map(|i| {
        let data = numbers(shapes[i].iter().product(), i + 1);
        (source(e, shapes[i], &data), data)
    });
    let mut b = Build::new(&mut e.graph);
    let (typed_x, typed_dy) = (b.cast(x, dtype), b.cast(dy, dtype));
    let found = function(b.graph(), typed_x, typed_dy);
    let found: Vec<NodeId> = found.into_iter().map(|id| b.cast(id, DType::F64)).collect();
    b.finish(&found);
    let text = e.explain(&found).unwrap();
    let wanted = if reference {
        expected(e, &found, &[(x, x_data), (dy, dy_data)])
    } else {
        for completion in e.evaluate(&found).unwrap() {
            completion.wait().unwrap();
        }
        found.iter().map(|&id| read(e, id)).collect()
    };
    for id in found.into_iter().chain([x, dy]) {
        e.graph.release(id).unwrap();
    }
    (text, wanted)
}

/// Checks a function whose plan says `group` against the reference, and that every run gives the same bits.
fn check(function: Function, dtype: DType, shapes: [&[usize]; 2], group: &str) {
    let (_, want) = run(&mut engine(1), function, dtype, shapes, true);
    let (text, first) = run(&mut engine(1), function, dtype, shapes, false);
    assert!(text.contains(group), "no group with {group}:\n{text}");
    let tolerance = if dtype == DType::F32 { 2e-4 } else { 1e-10 };
    for (got, want) in first.iter().zip(&want) {
        let largest = want.iter().fold(1.0, |a: f64, x| a.max(x.abs()));
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            let near = (g - w).abs() <= tolerance * largest || (g.is_nan() && w.is_nan());
            assert!(near, "{shapes:?} [{i}]: {g} is not {w}\n{text}");
        }
    }
    for threads in [1, 2, 3] {
        let mut e = engine(threads);
        for _ in 0..20 {
            let (_, again) = run(&mut e, function, dtype, shapes, false);
            let same = first
                .iter()
                .flatten()
                .zip(again.iter().flatten())
                .all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{shapes:?} with {threads} threads\n{text}");
        }
    }
}

fn with_gradient(graph: &mut Graph, y: NodeId, x: NodeId, dy: NodeId) -> Vec<NodeId> {
    let dx = vjp(graph, &[y], &[dy], &[x]).expect("a derivative")[0].expect("a path");
    vec![y, dx]
}

/// (x - mean) / sqrt(variance + 0.1) over `axes`.
fn normalized(b: &mut Build<'_>, x: NodeId, axes: &[usize]) -> NodeId {
    let shape = b.shape(x);
    let count: usize = axes.iter().map(|&axis| shape[axis]).product();
    let mean = |b: &mut Build<'_>, x: NodeId| {
        let sum = b.sum_keep(x, axes);
        let mean = b.mul_scalar(sum, 1.0 / count as f64);
        b.broadcast(mean, shape.clone())
    };
    let middle = mean(b, x);
    let centered = b.sub(x, middle);
    let squares = b.mul(centered, centered);
    let variance = mean(b, squares);
    let safe = b.add_scalar(variance, 0.1);
    let scale = b.unary(UnaryOp::Rsqrt, safe);
    b.mul(centered, scale)
}

/// Batch normalization over all axes but the second, and its gradient.
fn batch_norm(graph: &mut Graph, x: NodeId, dy: NodeId) -> Vec<NodeId> {
    let mut b = Build::new(graph);
    let axes: Vec<usize> = (0..b.shape(x).rank()).filter(|&axis| axis != 1).collect();
    let y = normalized(&mut b, x, &axes);
    let y = b.unary(UnaryOp::Relu, y);
    b.finish(&[y]);
    with_gradient(graph, y, x, dy)
}

/// x less the largest element of its row, e to that power, and the sum of the powers.
fn exponentials(b: &mut Build<'_>, x: NodeId) -> [NodeId; 3] {
    let shape = b.shape(x);
    let last = [shape.rank() - 1];
    let largest = reduce_axes(b.graph(), Reduction::Max, x, &last, true).expect("an axis");
    let largest = b.broadcast(largest, shape);
    let shifted = b.sub(x, largest);
    let exponentials = b.unary(UnaryOp::Exp, shifted);
    let sum = b.sum_keep(exponentials, &last);
    [shifted, exponentials, sum]
}

/// Softmax along the last axis, and its gradient.
fn softmax(graph: &mut Graph, x: NodeId, dy: NodeId) -> Vec<NodeId> {
    let mut b = Build::new(graph);
    let [_, exponentials, sum] = exponentials(&mut b, x);
    let shape = b.shape(x);
    let sum = b.broadcast(sum, shape);
    let y = b.div(exponentials, sum);
    b.finish(&[y]);
    with_gradient(graph, y, x, dy)
}

/// The cross entropy of each row's softmax with the distribution `dy`, and the gradient of their sum.
fn cross_entropy(graph: &mut Graph, x: NodeId, dy: NodeId) -> Vec<NodeId> {
    let mut b = Build::new(graph);
    let shape = b.shape(x);
    let [shifted, _, sum] = exponentials(&mut b, x);
    let logarithm = b.unary(UnaryOp::Log, sum);
    let logarithm = b.broadcast(logarithm, shape.clone());
    let logits = b.sub(logarithm, shifted);
    let weighted = b.mul(logits, dy);
    let losses = b.sum_keep(weighted, &[shape.rank() - 1]);
    let spec = b.spec(losses);
    let one = b.constant(1.0, &spec);
    b.finish(&[losses, one]);
    with_gradient(graph, losses, x, one)
}

/// Layer normalization over the last axis, and its gradient.
fn layer_norm(graph: &mut Graph, x: NodeId, dy: NodeId) -> Vec<NodeId> {
    let mut b = Build::new(graph);
    let last = [b.shape(x).rank() - 1];
    let y = normalized(&mut b, x, &last);
    b.finish(&[y]);
    with_gradient(graph, y, x, dy)
}

/// The largest element of each channel, which other elements of the channel are compared with out of their order.
fn against_the_largest(graph: &mut Graph, x: NodeId, _: NodeId) -> Vec<NodeId> {
    let mut b = Build::new(graph);
    let shape = b.shape(x);
    let axes: Vec<usize> = (0..shape.rank()).filter(|&axis| axis != 1).collect();
    let twice = b.add(x, x);
    let turned = b.add_op(Op::Flip([shape.rank() - 1].into()), &[twice], None);
    let largest = reduce_axes(b.graph(), Reduction::Max, twice, &axes, true).expect("axes");
    let largest = b.broadcast(largest, shape);
    let y = b.sub(turned, largest);
    let z = b.binary(BinaryOp::Min, y, x);
    let total = b.sum_keep(z, &axes);
    b.finish(&[z, total]);
    vec![z, total]
}

/// Maxima of 2 x 2 or overlapping windows of relu(x), and the gradient.
fn pooling<const KERNEL: usize>(graph: &mut Graph, x: NodeId, dy: NodeId) -> Vec<NodeId> {
    let mut b = Build::new(graph);
    let lit = b.unary(UnaryOp::Relu, x);
    let y = maxima::<KERNEL>(&mut b, lit);
    b.finish(&[y]);
    with_gradient(graph, y, x, dy)
}

/// The same of lines of 128 numbers taken as images of 8 x 16.
fn pooling_of_lines(graph: &mut Graph, x: NodeId, dy: NodeId) -> Vec<NodeId> {
    let mut b = Build::new(graph);
    let lit = b.unary(UnaryOp::Relu, x);
    let shape = b.shape(x);
    let images = b.reshape(lit, [shape[0], shape[1], 8, 16].into());
    let y = maxima::<2>(&mut b, images);
    b.finish(&[y]);
    with_gradient(graph, y, x, dy)
}

/// The same of the first images alone: as many as there are gradients.
fn pooling_of_the_first(graph: &mut Graph, x: NodeId, dy: NodeId) -> Vec<NodeId> {
    let mut b = Build::new(graph);
    let lit = b.unary(UnaryOp::Relu, x);
    let (shape, count) = (b.shape(x), b.shape(dy)[0]);
    let op = Op::Slice {
        start: [0; 4].into(),
        step: [1; 4].into(),
    };
    let dtype = b.graph().dtype(x).expect("a live node");
    let target = Spec::new(shape.with(0, count), dtype);
    let first = b.add_op(op, &[lit], Some(&target));
    let y = maxima::<2>(&mut b, first);
    b.finish(&[y]);
    with_gradient(graph, y, x, dy)
}

fn maxima<const KERNEL: usize>(b: &mut Build<'_>, x: NodeId) -> NodeId {
    let op = Op::WindowMax {
        window: Window {
            stride: [2, 2].into(),
            pad_low: [0, 0].into(),
            pad_high: [0, 0].into(),
            dilation: [1, 1].into(),
        },
        kernel: [KERNEL, KERNEL].into(),
    };
    b.add_op(op, &[x], None)
}

#[test]
fn channels_are_rows_in_segments() {
    // Segments of 72, 64 and 70 elements, and one that is cut; rows that no block divides.
    for shape in [[5, 17, 9, 8], [3, 33, 64, 1], [2, 50, 7, 10], [2, 16, 50, 50]] {
        for dtype in [DType::F32, DType::F64] {
            let group = format!("{} rows in {} segments", shape[1], shape[0]);
            check(batch_norm, dtype, [&shape, &shape], &group);
        }
    }
    check(
        batch_norm,
        DType::F32,
        [&[4, 19, 130], &[4, 19, 130]],
        "19 rows in 4 segments",
    );
}

#[test]
fn a_segment_read_backwards_waits_for_the_whole_row() {
    let shape = [3, 20, 5, 30];
    check(
        against_the_largest,
        DType::F64,
        [&shape, &shape],
        "20 rows in 3 segments",
    );
}

#[test]
fn short_segments_and_few_channels_are_no_rows() {
    for shape in [[6, 40, 3, 5], [4, 3, 16, 16]] {
        let (text, _) = run(&mut engine(1), batch_norm, DType::F32, [&shape, &shape], true);
        assert!(!text.contains("segments"), "{text}");
    }
}

#[test]
fn softmax_goes_row_by_row() {
    for shape in [[67, 33], [300, 1000], [31, 64]] {
        for dtype in [DType::F32, DType::F64] {
            check(softmax, dtype, [&shape, &shape], &format!("{} rows", shape[0]));
        }
    }
}

#[test]
fn pooling_goes_plane_by_plane() {
    for (shape, places) in [
        ([3, 7, 36, 34], [18, 17]),
        ([4, 5, 9, 71], [4, 35]),
        ([2, 9, 4, 5], [2, 2]),
        // Lines shorter than a register.
        ([3, 6, 8, 8], [4, 4]),
        ([2, 4, 6, 24], [3, 12]),
        ([2, 3, 5, 14], [2, 7]),
        ([2, 3, 5, 19], [2, 9]),
    ] {
        let planes = format!("{} rows", shape[0] * shape[1]);
        let out: Shape = [&shape[..2], &places[..]].concat().into();
        for dtype in [DType::F32, DType::F64] {
            check(pooling::<2>, dtype, [&shape, out.dims()], &planes);
        }
        let places = [(shape[2] - 3) / 2 + 1, (shape[3] - 3) / 2 + 1];
        let out: Shape = [&shape[..2], &places[..]].concat().into();
        check(pooling::<3>, DType::F32, [&shape, out.dims()], &planes);
    }
}

#[test]
fn images_are_what_the_operation_reads_not_what_was_written() {
    for dtype in [DType::F32, DType::F64] {
        check(
            pooling_of_lines,
            dtype,
            [&[20, 4, 128], &[20, 4, 4, 8]],
            "80 rows",
        );
        check(pooling_of_the_first, dtype, [&[20, 4, 8, 16], &[5, 4, 4, 8]], "");
    }
}

/// The launches of a plan, by what the device says about it: a line for each.
fn launches(text: &str) -> usize {
    text.lines().filter(|line| line.contains(" bytes read, ")).count()
}

/// Skipped where there is no CUDA device.
#[test]
fn a_group_is_one_launch_of_a_gpu() {
    let cuda = devices()
        .into_iter()
        .filter(|d| d.arithmetic == "cuda" && d.is_usual);
    for device in cuda {
        let functions: [(&str, Function, &[usize]); 4] = [
            ("softmax", softmax, &[67, 33]),
            ("cross entropy", cross_entropy, &[67, 10]),
            ("layer norm", layer_norm, &[65, 40]),
            ("batch norm", batch_norm, &[2, 64, 8, 8]),
        ];
        for (name, function, shape) in functions {
            for dtype in [DType::F32, DType::F64] {
                let (_, want) = run(&mut engine(1), function, dtype, [shape, shape], false);
                let mut e = engine_on(device.backend.clone());
                let (text, got) = run(&mut e, function, dtype, [shape, shape], false);
                assert_eq!(launches(&text), 1, "{name} in {dtype:?}:\n{text}");
                for (i, (got, want)) in got.iter().flatten().zip(want.iter().flatten()).enumerate() {
                    let far = (got - want).abs() > 1e-5 * want.abs().max(1.0);
                    assert!(!far, "{name} in {dtype:?} [{i}]: {got} is not {want}\n{text}");
                }
            }
        }
    }
}
