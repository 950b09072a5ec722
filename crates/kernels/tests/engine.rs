//! The whole path (trace, plan, queue, kernels) against the reference interpreter, on random graphs; and
//! Variables, compiled functions and failures.

#[path = "support/graphs.rs"]
mod graphs;

use std::sync::Arc;

use graphs::{engine, engine_on, expected, read, source};
use hyperglow_core::backend::Backend;
use hyperglow_core::compose::{broadcast_pair, reduce_axes};
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::engine::{Engine, PENDING_LIMIT};
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Distribution, Op, Reduction, Spec};
use hyperglow_core::reference::ReferenceBackend;
use hyperglow_core::slab::Key;
use hyperglow_core::{DType, NodeId, Shape};
use hyperglow_kernels::CpuBackend;

/// Every device there is.
fn devices() -> Vec<Arc<dyn Backend>> {
    vec![
        Arc::new(CpuBackend::new(1)),
        Arc::new(CpuBackend::new(3)),
        Arc::new(ReferenceBackend),
    ]
}

/// Runs a test on an engine of each device.
fn on_every_device(test: impl Fn(Engine)) {
    for backend in devices() {
        test(engine_on(backend));
    }
}

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
    let devices = devices();
    for seed in 0..300 {
        let mut dice = Dice(seed * 77 + 5);
        let mut e = engine_on(devices[seed as usize % devices.len()].clone());
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
    let mut joined = 0;
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
        joined += text.matches("joined").count();
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
    assert!(joined > 25, "only {joined} concatenations were joined");
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
        assert!(text.contains("beside each other"), "{text}");
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
fn of_several_that_refuse_the_first_is_reported() {
    for _ in 0..20 {
        let mut e = engine(3);
        let mut made = Vec::new();
        for (scope, mean) in [("fine", 50.0), ("first", -1.0), ("second", -2.0)] {
            let data = symmetric(&mut Dice(3), 6, mean);
            let id = source(&mut e, &[6, 6], &data);
            e.graph.push_scope(scope);
            made.push(e.graph.add(Op::Cholesky, &[id], None).unwrap());
            e.graph.pop_scope();
        }
        let error = e.evaluate(&made).unwrap()[0].wait().unwrap_err();
        assert_eq!(
            (error.kind, error.scope.as_str()),
            (ErrorKind::Numerical, "first")
        );
    }
}

#[test]
fn variables_are_updated_in_place_and_old_versions_stay() {
    on_every_device(|mut e| {
        let w0 = source(&mut e, &[4], &[1.0, 2.0, 3.0, 4.0]);
        let v = e.variable(w0).unwrap();
        e.graph.release(w0).unwrap();
        let held = e.read_variable(v).unwrap();
        for _ in 0..3 {
            let w = e.read_variable(v).unwrap();
            let next = e.graph.add(Op::Binary(BinaryOp::Add), &[w, w], None).unwrap();
            e.assign_variable(v, next).unwrap();
            e.graph.release(next).unwrap();
            e.graph.release(w).unwrap();
        }
        let now = e.read_variable(v).unwrap();
        assert_eq!(read(&mut e, now), [8.0, 16.0, 24.0, 32.0]);
        assert_eq!(read(&mut e, held), [1.0, 2.0, 3.0, 4.0]);
        e.graph.release(held).unwrap();
        e.graph.release(now).unwrap();
        let before = hyperglow_kernels::memory().system_allocations;
        for _ in 0..5 {
            let w = e.read_variable(v).unwrap();
            let half = e.graph.constant(0.5, &Spec::new([4], DType::F64));
            let next = e.graph.add(Op::Binary(BinaryOp::Mul), &[w, half], None).unwrap();
            e.assign_variable(v, next).unwrap();
            for id in [w, half, next] {
                e.graph.release(id).unwrap();
            }
            for c in e.evaluate(&[]).unwrap() {
                c.wait().unwrap();
            }
        }
        assert!(hyperglow_kernels::memory().system_allocations <= before + 2);
        let now = e.read_variable(v).unwrap();
        assert_eq!(read(&mut e, now), [0.25, 0.5, 0.75, 1.0]);
    });
}

/// w <- w - 0.1 x, returning sum(w x); compiled.
fn descent(e: &mut Engine, v: Key) -> Key {
    e.jit_begin().unwrap();
    let spec = Spec::new([3], DType::F64);
    let x = e.jit_argument(spec.clone()).unwrap();
    let w = e.read_variable(v).unwrap();
    let product = e.graph.add(Op::Binary(BinaryOp::Mul), &[w, x], None).unwrap();
    let sum = e
        .graph
        .add(
            Op::Reduce {
                kind: Reduction::Sum,
                axes: [0].into(),
            },
            &[product],
            None,
        )
        .unwrap();
    let rate = e.graph.constant(0.1, &spec);
    let step = e.graph.add(Op::Binary(BinaryOp::Mul), &[rate, x], None).unwrap();
    let next = e.graph.add(Op::Binary(BinaryOp::Sub), &[w, step], None).unwrap();
    e.assign_variable(v, next).unwrap();
    let f = e.jit_end(&[sum]).unwrap();
    for id in [x, w, product, sum, rate, step, next] {
        e.graph.release(id).unwrap();
    }
    f
}

#[test]
fn a_compiled_function_reads_and_assigns_variables() {
    on_every_device(|mut e| {
        let w0 = source(&mut e, &[3], &[1.0, 1.0, 1.0]);
        let v = e.variable(w0).unwrap();
        e.graph.release(w0).unwrap();
        let f = descent(&mut e, v);
        let x = source(&mut e, &[3], &[1.0, 2.0, 3.0]);
        let mut sums = Vec::new();
        for _ in 0..4 {
            let (results, _) = e.jit_run(f, &[x]).unwrap();
            sums.push(read(&mut e, results[0])[0]);
            e.graph.release(results[0]).unwrap();
        }
        for (got, want) in sums.iter().zip([6.0, 4.6, 3.2, 1.8]) {
            assert!((got - want).abs() < 1e-12, "{sums:?}");
        }
        let w = e.read_variable(v).unwrap();
        let now = read(&mut e, w);
        assert!((now[2] + 0.2).abs() < 1e-12, "{now:?}");
        e.graph.release(w).unwrap();
        let nodes = e.counts().nodes;
        let allocations = hyperglow_kernels::memory().system_allocations;
        for _ in 0..100 {
            let (results, done) = e.jit_run(f, &[x]).unwrap();
            done.wait().unwrap();
            e.graph.release(results[0]).unwrap();
        }
        assert_eq!(e.counts().nodes, nodes);
        assert!(
            hyperglow_kernels::memory().system_allocations <= allocations + 40,
            "other tests run beside this one"
        );
        let wrong = source(&mut e, &[2], &[1.0, 2.0]);
        assert_eq!(e.jit_run(f, &[wrong]).err().unwrap().kind, ErrorKind::Shape);
    });
}

#[test]
fn a_failed_run_changes_no_variable_and_neither_do_those_after_it() {
    on_every_device(|mut e| {
        let w0 = source(&mut e, &[2, 2], &[4.0, 0.0, 0.0, 9.0]);
        let v = e.variable(w0).unwrap();
        e.graph.release(w0).unwrap();
        // w <- cholesky(w) - 5: positive definite once, not twice.
        e.jit_begin().unwrap();
        let w = e.read_variable(v).unwrap();
        let l = e.graph.add(Op::Cholesky, &[w], None).unwrap();
        let five = e.graph.constant(5.0, &Spec::new([2, 2], DType::F64));
        let next = e.graph.add(Op::Binary(BinaryOp::Sub), &[l, five], None).unwrap();
        e.assign_variable(v, next).unwrap();
        let f = e.jit_end(&[]).unwrap();
        for id in [w, l, five, next] {
            e.graph.release(id).unwrap();
        }
        let runs: Vec<_> = (0..3).map(|_| e.jit_run(f, &[]).unwrap().1).collect();
        assert!(runs[0].wait().is_ok());
        assert_eq!(runs[1].wait().unwrap_err().kind, ErrorKind::Numerical);
        assert_eq!(runs[2].wait().unwrap_err().kind, ErrorKind::Numerical);
        let w = e.read_variable(v).unwrap();
        assert_eq!(read(&mut e, w), [-3.0, -5.0, -5.0, -2.0]);
    });
}

#[test]
fn a_version_counts_the_assignments_that_took_place() {
    on_every_device(|mut e| {
        let w0 = source(&mut e, &[2, 2], &[4.0, 0.0, 0.0, 9.0]);
        let v = e.variable(w0).unwrap();
        e.assign_variable(v, w0).unwrap();
        assert_eq!(e.variable_version(v).unwrap(), 1);
        // Assigned twice before the run that fails: neither took place.
        let negative = e.graph.add(Op::Unary(UnaryOp::Neg), &[w0], None).unwrap();
        let factor = e.graph.add(Op::Cholesky, &[negative], None).unwrap();
        e.assign_variable(v, negative).unwrap();
        e.assign_variable(v, factor).unwrap();
        assert_eq!(e.variable_version(v).unwrap(), 3);
        for completion in e.evaluate(&[factor]).unwrap() {
            completion.wait().unwrap_err();
        }
        assert_eq!(e.variable_version(v).unwrap(), 1);
        // Readers are told of the failure until another assignment takes its place.
        let failed = e.read_variable(v).unwrap();
        for completion in e.evaluate(&[failed]).unwrap() {
            assert_eq!(completion.wait().unwrap_err().kind, ErrorKind::Numerical);
        }
        e.assign_variable(v, w0).unwrap();
        assert_eq!(read(&mut e, w0), [4.0, 0.0, 0.0, 9.0]);
        assert_eq!(e.variable_version(v).unwrap(), 2);
        // The same in a compiled function.
        e.jit_begin().unwrap();
        let w = e.read_variable(v).unwrap();
        let next = e.graph.add(Op::Cholesky, &[w], None).unwrap();
        let less = e.graph.constant(5.0, &Spec::new([2, 2], DType::F64));
        let next = e
            .graph
            .add(Op::Binary(BinaryOp::Sub), &[next, less], None)
            .unwrap();
        e.assign_variable(v, next).unwrap();
        let f = e.jit_end(&[]).unwrap();
        let runs: Vec<_> = (0..3).map(|_| e.jit_run(f, &[]).unwrap().1).collect();
        assert!(runs[0].wait().is_ok() && runs[2].wait().is_err());
        assert_eq!(e.variable_version(v).unwrap(), 3);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_the_memory_does_not_hold_changes_no_variable() {
    let mut e = engine(1);
    let w0 = source(&mut e, &[], &[7.0]);
    let v = e.variable(w0).unwrap();
    e.graph.release(w0).unwrap();
    e.jit_begin().unwrap();
    let w = e.read_variable(v).unwrap();
    let x = e.graph.constant(1.0, &Spec::new([1 << 20, 1 << 20], DType::F64));
    let running = Op::CumSum {
        axis: 0,
        reverse: false,
    };
    let x = e.graph.add(running, &[x], None).unwrap();
    let sum = reduce_axes(&mut e.graph, Reduction::Sum, x, &[0, 1], false).unwrap();
    let next = e.graph.add(Op::Binary(BinaryOp::Add), &[w, sum], None).unwrap();
    e.assign_variable(v, next).unwrap();
    let f = e.jit_end(&[]).unwrap();
    for _ in 0..2 {
        let (_, run) = e.jit_run(f, &[]).unwrap();
        assert_eq!(run.wait().unwrap_err().kind, ErrorKind::Device);
    }
    let w = e.read_variable(v).unwrap();
    assert_eq!(read(&mut e, w), [7.0]);
    assert_eq!(e.variable_version(v).unwrap(), 0);
}

/// `x + 1`
fn plus_one(e: &mut Engine, x: NodeId) -> NodeId {
    let one = e.graph.constant(1.0, &Spec::new([2], DType::F64));
    let sum = e.graph.add(Op::Binary(BinaryOp::Add), &[x, one], None).unwrap();
    e.graph.release(one).unwrap();
    sum
}

#[test]
fn a_history_that_nobody_holds_is_bounded() {
    let mut e = engine(1);
    let mut x = source(&mut e, &[2], &[0.0, 1.0]);
    let (mut most, mut evaluations) = (0, 0);
    for _ in 0..3 * PENDING_LIMIT / 2 {
        evaluations += usize::from(e.bound_pending().unwrap());
        let next = plus_one(&mut e, x);
        e.graph.release(x).unwrap();
        x = next;
        most = most.max(e.counts().pending);
    }
    assert!(most <= PENDING_LIMIT + 2, "{most}");
    assert_eq!(evaluations, 2);
    let n = (3 * PENDING_LIMIT / 2) as f64;
    assert_eq!(read(&mut e, x), [n, n + 1.0]);
}

#[test]
fn handles_that_are_still_to_be_collected_do_not_make_every_operation_evaluate() {
    let mut e = engine(1);
    let x = source(&mut e, &[2], &[0.0, 1.0]);
    let misses = e.counts().misses;
    // One long chain of which every node is held, and many short ones.
    let mut y = x;
    for k in 0..PENDING_LIMIT {
        e.bound_pending().unwrap();
        y = plus_one(&mut e, if k % 2 == 0 { y } else { x });
    }
    assert!(e.graph.unheld() >= PENDING_LIMIT);
    assert_eq!(e.counts().misses, misses, "nothing of this is worth computing");
}

#[test]
fn much_history_behind_many_handles_is_computed_at_once() {
    let mut e = engine(1);
    let x = source(&mut e, &[2], &[0.0, 1.0]);
    let mut held = Vec::new();
    let mut evaluations = 0;
    while held.len() < 5000 {
        let mut y = x;
        for step in 0..30 {
            evaluations += usize::from(e.bound_pending().unwrap());
            let next = plus_one(&mut e, y);
            if step > 0 {
                e.graph.release(y).unwrap();
            }
            y = next;
        }
        held.push(y);
    }
    assert_eq!(evaluations, 1);
    assert!(e.counts().pending < PENDING_LIMIT);
    assert_eq!(read(&mut e, held[0]), [30.0, 31.0]);
    assert_eq!(read(&mut e, held[4999]), [30.0, 31.0]);
}

#[test]
fn asking_for_values_while_compiling_is_refused() {
    on_every_device(|mut e| {
        e.jit_begin().unwrap();
        let x = e.jit_argument(Spec::new([1], DType::F64)).unwrap();
        assert_eq!(e.evaluate(&[x]).err().unwrap().kind, ErrorKind::State);
        e.jit_abort();
        e.graph.release(x).unwrap();
        assert_eq!(e.counts().nodes, 0);
    });
}

#[test]
fn one_and_two_threads_draw_the_same_numbers() {
    let draw = |threads| {
        let mut e = engine(threads);
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
        read(&mut e, x)
    };
    let (one, two) = (draw(1), draw(2));
    assert_eq!(one, two);
    let mean = one.iter().sum::<f64>() / one.len() as f64;
    assert!(mean.abs() < 5.0 / (one.len() as f64).sqrt(), "{mean}");
}
