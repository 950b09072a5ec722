//! The whole path (trace, plan, queue, kernels) against the reference interpreter, on random graphs.

#[path = "support/graphs.rs"]
mod graphs;

use graphs::{devices, engine, engine_on, expected, on_every_device, read, source};
use hyperglow_core::compose::{broadcast_pair, reduce_axes};
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::engine::Engine;
use hyperglow_core::op::{Distribution, Op, Reduction, Spec};
use hyperglow_core::{DType, NodeId, Shape};

/// A small generator: enough for choosing operations.
struct Dice(u64);
impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n as u64) as usize
    }
}

/// One random node from earlier ones; `None` when the dice chose something that does not fit.
fn grow(e: &mut Engine, dice: &mut Dice, pool: &[NodeId]) -> Option<NodeId> {
    let x = pool[dice.roll(pool.len())];
    let y = pool[dice.roll(pool.len())];
    let spec = e.graph.spec(x).unwrap().clone();
    let rank = spec.shape.rank();
    let ones: Box<[usize]> = vec![1; rank].into();
    let shaped = |shape: Shape| Spec {
        shape,
        dtype: DType::F64,
    };
    match dice.roll(13) {
        0 => e
            .graph
            .add(
                Op::Unary([UnaryOp::Tanh, UnaryOp::Sin, UnaryOp::Sigmoid, UnaryOp::Relu][dice.roll(4)]),
                &[x],
                None,
            )
            .ok(),
        1..=3 => {
            let op = [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Max][dice.roll(4)];
            let [a, b] = broadcast_pair(&mut e.graph, "random", x, y).ok()?;
            let z = e.graph.add(Op::Binary(op), &[a, b], None).ok();
            e.graph.release(a).unwrap();
            e.graph.release(b).unwrap();
            z
        }
        4 if rank > 0 => {
            let kind = [Reduction::Sum, Reduction::Max, Reduction::Min][dice.roll(3)];
            let axis = dice.roll(rank);
            let keep = dice.roll(2) == 0;
            reduce_axes(&mut e.graph, kind, x, &[axis], keep).ok()
        }
        5 if rank > 1 => {
            let mut axes: Vec<usize> = (0..rank).collect();
            axes.rotate_left(1 + dice.roll(rank - 1));
            e.graph.add(Op::Permute(axes.into()), &[x], None).ok()
        }
        6 if rank > 0 => e.graph.add(Op::Flip([dice.roll(rank)].into()), &[x], None).ok(),
        7 if rank > 0 => {
            let axis = dice.roll(rank);
            let n = spec.shape[axis];
            if n < 2 {
                return None;
            }
            let mut start = vec![0; rank];
            start[axis] = dice.roll(2);
            let mut step = vec![1; rank];
            step[axis] = 1 + dice.roll(2);
            let count = (n - start[axis]).div_ceil(step[axis]);
            let target = shaped(spec.shape.with(axis, count));
            e.graph
                .add(
                    Op::Slice {
                        start: start.into(),
                        step: step.into(),
                    },
                    &[x],
                    Some(&target),
                )
                .ok()
        }
        8 => {
            let n = spec.shape.size();
            let shape: Shape = if n.is_multiple_of(2) {
                [2, n / 2].into()
            } else {
                [1, n, 1].into()
            };
            e.graph.add(Op::Reshape, &[x], Some(&shaped(shape))).ok()
        }
        9 if rank > 0 => {
            let low: Box<[usize]> = (0..rank).map(|_| dice.roll(2)).collect();
            let interior: Box<[usize]> = (0..rank).map(|_| dice.roll(2)).collect();
            e.graph
                .add(
                    Op::Pad {
                        low,
                        high: ones,
                        interior,
                    },
                    &[x],
                    None,
                )
                .ok()
        }
        10 if rank > 0 => e
            .graph
            .add(
                Op::Concat {
                    axis: dice.roll(rank),
                },
                &[x, y],
                None,
            )
            .ok(),
        11 if rank > 1 => e
            .graph
            .add(
                Op::MatMul {
                    ta: dice.roll(2) == 0,
                    tb: dice.roll(2) == 0,
                },
                &[x, y],
                None,
            )
            .ok(),
        12 => {
            let (a, b) = (e.graph.constant(0.25, &spec), e.graph.constant(-1.5, &spec));
            let on = e.graph.add(Op::Binary(BinaryOp::Less), &[x, a], None).unwrap();
            let z = e.graph.add(Op::Where, &[on, b, x], None).ok();
            for id in [a, b, on] {
                e.graph.release(id).unwrap();
            }
            z
        }
        _ => None,
    }
}

#[test]
fn random_graphs_give_what_the_reference_gives() {
    let devices: Vec<_> = devices().into_iter().filter(|device| device.is_usual).collect();
    for seed in 0..300 {
        let mut dice = Dice(seed * 77 + 5);
        let mut e = engine_on(devices[seed as usize % devices.len()].backend.clone());
        let mut sources = Vec::new();
        for shape in [&[3, 4][..], &[4], &[3, 1], &[2, 3, 4]] {
            let n: usize = shape.iter().product();
            let data: Vec<f64> = (0..n).map(|_| dice.roll(2000) as f64 / 1000.0 - 1.0).collect();
            sources.push((source(&mut e, shape, &data), data));
        }
        let mut pool: Vec<NodeId> = sources.iter().map(|(id, _)| *id).collect();
        for _ in 0..40 {
            let Some(id) = grow(&mut e, &mut dice, &pool) else {
                continue;
            };
            if e.graph.shape(id).unwrap().size() > 4000 {
                e.graph.release(id).unwrap();
            } else {
                pool.push(id);
            }
        }
        let targets: Vec<NodeId> = (0..4).map(|_| pool[dice.roll(pool.len())]).collect();
        let pending: Vec<NodeId> = targets
            .iter()
            .copied()
            .filter(|&t| e.graph.node(t).unwrap().value.is_none())
            .collect();
        if pending.is_empty() {
            continue;
        }
        // Let go of everything else, so that intermediate buffers may be reused.
        for &id in pool
            .iter()
            .filter(|id| !pending.contains(id) && !sources.iter().any(|s| s.0 == **id))
        {
            e.graph.release(id).unwrap();
        }
        let want = expected(&e, &pending, &sources);
        let text = e.explain(&pending).unwrap();
        for completion in e.evaluate(&pending).unwrap() {
            completion.wait().unwrap();
        }
        for (&id, want) in pending.iter().zip(&want) {
            let got = read(&mut e, id);
            for (i, (g, w)) in got.iter().zip(want).enumerate() {
                assert!(
                    (g - w).abs() <= 1e-9 * w.abs().max(1.0) || (g.is_nan() && w.is_nan()),
                    "seed {seed}: [{i}] {g} is not {w}\n{text}"
                );
            }
        }
        for (id, data) in &sources {
            assert_eq!(
                &read(&mut e, *id),
                data,
                "seed {seed}: a source was overwritten\n{text}"
            );
        }
    }
}

/// One more node on tensors of `[rows, 8]`, rows of 64 bytes: products with `w`, elementwise, slices, and what is put
/// together of several.
fn grow_rows(e: &mut Engine, dice: &mut Dice, w: NodeId, pool: &[NodeId]) -> NodeId {
    let x = pool[dice.roll(pool.len())];
    let spec = e.graph.spec(x).unwrap().clone();
    match dice.roll(5) {
        0 => e.graph.add(
            Op::MatMul {
                ta: false,
                tb: dice.roll(2) == 0,
            },
            &[x, w],
            None,
        ),
        1 => e.graph.add(Op::Unary(UnaryOp::Tanh), &[x], None),
        2 if spec.shape[0] > 1 => {
            let first = dice.roll(spec.shape[0]);
            let rows = 1 + dice.roll(spec.shape[0] - first);
            let target = Spec::new([rows, 8], DType::F64);
            let op = Op::Slice {
                start: [first, 0].into(),
                step: [1, 1].into(),
            };
            e.graph.add(op, &[x], Some(&target))
        }
        _ => {
            let parts: Vec<NodeId> = (0..2 + dice.roll(3))
                .map(|_| pool[dice.roll(pool.len())])
                .collect();
            e.graph.add(Op::Concat { axis: 0 }, &parts, None)
        }
    }
    .unwrap()
}

#[test]
fn parts_written_in_place_give_what_the_reference_gives() {
    let mut in_place = 0;
    for seed in 0..400 {
        let mut dice = Dice(seed * 31 + 1);
        let mut e = engine(1 + (seed % 3) as usize);
        let mut data =
            |n: usize| -> Vec<f64> { (0..n).map(|_| dice.roll(2000) as f64 / 2000.0 - 0.5).collect() };
        let (x, w) = (data(24), data(64));
        let sources = [(source(&mut e, &[3, 8], &x), x), (source(&mut e, &[8, 8], &w), w)];
        let mut pool = vec![sources[0].0];
        for _ in 0..14 {
            let id = grow_rows(&mut e, &mut dice, sources[1].0, &pool);
            if e.graph.shape(id).unwrap().size() > 4000 {
                e.graph.release(id).unwrap();
            } else {
                pool.push(id);
            }
        }
        let targets: Vec<NodeId> = pool[1..].iter().copied().filter(|_| dice.roll(5) == 0).collect();
        for id in pool[1..].iter().filter(|id| !targets.contains(id)) {
            e.graph.release(*id).unwrap();
        }
        let want = expected(&e, &targets, &sources);
        let text = e.explain(&targets).unwrap();
        in_place += text.matches("concat in place").count();
        for completion in e.evaluate(&targets).unwrap() {
            completion.wait().unwrap();
        }
        for (&id, want) in targets.iter().zip(&want) {
            for (got, want) in read(&mut e, id).iter().zip(want) {
                assert!(
                    (got - want).abs() <= 1e-12 * want.abs().max(1.0),
                    "seed {seed}: {got} is not {want}\n{text}"
                );
            }
        }
    }
    assert!(in_place > 25, "only {in_place} concatenations are in place");
}

#[test]
fn plans_of_all_sizes_share_their_memory() {
    on_every_device(|mut e| {
        for round in 0..3 {
            for n in [5, 3000, 70, 20_000, 5] {
                let data: Vec<f64> = (0..n).map(|i| (i + round) as f64 / n as f64).collect();
                let x = source(&mut e, &[n], &data);
                // The sum of tanh(x) is in the arena when it is taken from all of them.
                let t = e.graph.add(Op::Unary(UnaryOp::Tanh), &[x], None).unwrap();
                let sum = reduce_axes(&mut e.graph, Reduction::Sum, t, &[0], true).unwrap();
                let [t, sum] = broadcast_pair(&mut e.graph, "sub", t, sum).unwrap();
                let y = e.graph.add(Op::Binary(BinaryOp::Sub), &[t, sum], None).unwrap();
                let total: f64 = data.iter().map(|x| x.tanh()).sum();
                for (got, x) in read(&mut e, y).iter().zip(&data) {
                    assert!((got - (x.tanh() - total)).abs() < 1e-9 * total.abs().max(1.0));
                }
            }
        }
    });
}

/// A symmetric matrix with eigenvalues around `mean`, by rows.
fn symmetric(dice: &mut Dice, n: usize, mean: f64) -> Vec<f64> {
    let mut a: Vec<f64> = (0..n * n).map(|_| dice.roll(1000) as f64 / 1000.0).collect();
    for i in 0..n {
        a[i * n + i] = mean + i as f64;
        for j in 0..i {
            a[i * n + j] = a[j * n + i];
        }
    }
    a
}

#[test]
fn decompositions_beside_each_other_give_what_they_give_alone() {
    // Only the processor runs serial steps in parallel.
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let mut e = engine(1 + (seed % 3) as usize);
        let mut sources = Vec::new();
        for n in [3, 8, 40, 5] {
            let data = symmetric(&mut dice, n, 50.0);
            sources.push((source(&mut e, &[n, n], &data), data));
        }
        let mut made = Vec::new();
        for (id, _) in &sources {
            let eigen = e.graph.add(Op::Eigh, &[*id], None).unwrap();
            made.push(e.graph.add(Op::Unary(UnaryOp::Abs), &[eigen], None).unwrap());
            e.graph.release(eigen).unwrap();
            let factor = e.graph.add(Op::Cholesky, &[*id], None).unwrap();
            let again = e
                .graph
                .add(Op::MatMul { ta: false, tb: true }, &[factor, factor], None)
                .unwrap();
            e.graph.release(factor).unwrap();
            made.push(e.graph.add(Op::Cholesky, &[again], None).unwrap());
            e.graph.release(again).unwrap();
        }
        let text = e.explain(&made).unwrap();
        assert!(text.contains("in parallel"), "{text}");
        let want = expected(&e, &made, &sources);
        for completion in e.evaluate(&made).unwrap() {
            completion.wait().unwrap();
        }
        for (&id, want) in made.iter().zip(&want) {
            for (got, want) in read(&mut e, id).iter().zip(want) {
                assert!(
                    (got - want).abs() <= 1e-8,
                    "seed {seed}: {got} is not {want}\n{text}"
                );
            }
        }
    }
}

#[test]
fn all_devices_draw_the_same_numbers() {
    let mut first: Option<Vec<f64>> = None;
    for device in devices() {
        let mut e = engine_on(device.backend);
        let key = e
            .source(&[1, 0, 0, 0, 2, 0, 0, 0], Spec::new([2], DType::U32))
            .unwrap();
        let x = e
            .graph
            .add(
                Op::Random(Distribution::Normal),
                &[key],
                Some(&Spec::new([501, 77], DType::F64)),
            )
            .unwrap();
        let drawn = read(&mut e, x);
        let first = first.get_or_insert_with(|| drawn.clone());
        for (a, b) in drawn.iter().zip(first) {
            assert!(
                (a - *b).abs() <= 1e-14 * b.abs().max(1.0),
                "{}: {a} is not {b}",
                device.name
            );
        }
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        assert!(mean.abs() < 5.0 / (drawn.len() as f64).sqrt(), "{mean}");
    }
}
