//! Variables, and compiled functions that read and assign them.

#[path = "support/graphs.rs"]
mod graphs;

use graphs::{on_every_device, read, source};
use hyperglow_core::DType;
use hyperglow_core::elementwise::BinaryOp;
use hyperglow_core::engine::Engine;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Op, Reduction, Spec};
use hyperglow_core::placement::{DeviceId, Placement};
use hyperglow_core::slab::Key;

#[test]
fn variables_are_updated_in_place_and_old_versions_stay() {
    on_every_device(|mut e| {
        let w0 = source(&mut e, &[4], &[1.0, 2.0, 3.0, 4.0]);
        let v = e.variable(w0, None).unwrap();
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
    let x = e.jit_argument(spec.clone(), Placement::on(DeviceId(0))).unwrap();
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
        let v = e.variable(w0, None).unwrap();
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
fn asking_for_values_while_compiling_is_refused() {
    on_every_device(|mut e| {
        e.jit_begin().unwrap();
        let x = e
            .jit_argument(Spec::new([1], DType::F64), Placement::on(DeviceId(0)))
            .unwrap();
        assert_eq!(e.evaluate(&[x]).err().unwrap().kind, ErrorKind::State);
        e.jit_abort();
        e.graph.release(x).unwrap();
        assert_eq!(e.counts().nodes, 0);
    });
}
