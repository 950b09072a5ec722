//! What is computed along with something else, and fails, fails for those who read it and for nobody else.

#[path = "support/graphs.rs"]
mod graphs;

use graphs::{engine, on_every_device, read, source};
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::engine::Engine;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::slab::Key;
use hyperglow_core::{DType, NodeId};

/// A Variable (2, 2) of `x`.
fn variable(e: &mut Engine, x: [f64; 4]) -> Key {
    let initial = source(e, &[2, 2], &x);
    let v = e.variable(initial, None).unwrap();
    e.graph.release(initial).unwrap();
    v
}

/// Assigns `op` of the Variable's value.
fn assign(e: &mut Engine, v: Key, op: Op) {
    let x = e.read_variable(v).unwrap();
    let y = e.graph.add(op, &[x], None).unwrap();
    e.assign_variable(v, y).unwrap();
    e.graph.release(x).unwrap();
    e.graph.release(y).unwrap();
}

/// `x + x`.
fn twice(e: &mut Engine, x: NodeId) -> NodeId {
    e.graph.add(Op::Binary(BinaryOp::Add), &[x, x], None).unwrap()
}

fn failure(e: &mut Engine, id: NodeId) -> ErrorKind {
    let found = match e.evaluate(&[id]) {
        Err(error) => error,
        Ok(runs) => runs.iter().find_map(|run| run.wait().err()).unwrap(),
    };
    found.kind
}

fn value(e: &mut Engine, v: Key) -> Vec<f64> {
    let x = e.read_variable(v).unwrap();
    let numbers = read(e, x);
    e.graph.release(x).unwrap();
    numbers
}

const NEGATIVE: [f64; 4] = [-1.0, 0.0, 0.0, -1.0];

#[test]
fn an_assignment_that_fails_leaves_the_rest_of_its_plan_alone() {
    on_every_device(|mut e| {
        let bad = variable(&mut e, NEGATIVE);
        let good: Vec<Key> = (0..5).map(|i| variable(&mut e, [f64::from(i); 4])).collect();
        let x = source(&mut e, &[2], &[1.0, 2.0]);
        for round in 1..=3 {
            assign(&mut e, bad, Op::Cholesky);
            for &v in &good {
                assign(&mut e, v, Op::Unary(UnaryOp::Neg));
            }
            let y = twice(&mut e, x);
            assert_eq!(read(&mut e, y), [2.0, 4.0], "round {round}");
            let sign = if round % 2 == 0 { 1.0 } else { -1.0 };
            for (i, &v) in good.iter().enumerate() {
                assert_eq!(value(&mut e, v), [sign * i as f64; 4]);
            }
            for _ in 0..2 {
                let held = e.read_variable(bad).unwrap();
                assert_eq!(failure(&mut e, held), ErrorKind::Numerical);
                e.graph.release(held).unwrap();
            }
            e.graph.release(y).unwrap();
        }
        assert_eq!(e.variable_version(bad).unwrap(), 0);
        let healthy = source(&mut e, &[2, 2], &[4.0, 0.0, 0.0, 9.0]);
        e.assign_variable(bad, healthy).unwrap();
        assign(&mut e, bad, Op::Cholesky);
        assert_eq!(value(&mut e, bad), [2.0, 0.0, 0.0, 3.0]);
        assert_eq!(e.variable_version(bad).unwrap(), 2);
        for v in good.into_iter().chain([bad]) {
            e.release_variable(v).unwrap();
        }
        e.graph.release(x).unwrap();
        e.graph.release(healthy).unwrap();
        let counts = e.counts();
        assert_eq!((counts.nodes, counts.pending, counts.variables), (0, 0, 0));
    });
}

#[test]
fn of_what_is_asked_for_together_each_has_its_own_answer_afterwards() {
    on_every_device(|mut e| {
        let x = source(&mut e, &[2, 2], &NEGATIVE);
        let fine = twice(&mut e, x);
        let bad = e.graph.add(Op::Cholesky, &[x], None).unwrap();
        let after = twice(&mut e, bad);
        let runs = e.evaluate(&[fine, bad, after]).unwrap();
        assert_eq!(runs[0].wait().unwrap_err().kind, ErrorKind::Numerical);
        assert_eq!(read(&mut e, fine), [-2.0, 0.0, 0.0, -2.0]);
        assert_eq!(failure(&mut e, bad), ErrorKind::Numerical);
        assert_eq!(failure(&mut e, after), ErrorKind::Numerical);
        // What depends on a failed value fails by itself, too.
        let (later, other) = (twice(&mut e, bad), twice(&mut e, fine));
        let runs = e.evaluate(&[later, other]).unwrap();
        assert_eq!(runs[0].wait().unwrap_err().kind, ErrorKind::Numerical);
        assert_eq!(read(&mut e, other), [-4.0, 0.0, 0.0, -4.0]);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_variable_larger_than_the_memory_fails_for_its_readers() {
    let mut e = engine(1);
    let huge = |e: &mut Engine| {
        let x = e.graph.constant(1.0, &Spec::new([1 << 20, 1 << 19], DType::F64));
        let v = e.variable(x, None).unwrap();
        e.graph.release(x).unwrap();
        v
    };
    let (first, counter, second) = (huge(&mut e), variable(&mut e, [1.0; 4]), huge(&mut e));
    assign(&mut e, counter, Op::Unary(UnaryOp::Neg));
    let x = source(&mut e, &[2], &[1.0, 2.0]);
    let y = twice(&mut e, x);
    assert_eq!(read(&mut e, y), [2.0, 4.0]);
    assert_eq!(e.counts().pending, 2, "the small assignment was computed along");
    assert_eq!(value(&mut e, counter), [-1.0; 4]);
    for v in [first, second, first] {
        let held = e.read_variable(v).unwrap();
        assert_eq!(failure(&mut e, held), ErrorKind::Device);
        e.graph.release(held).unwrap();
    }
    let again = twice(&mut e, y);
    assert_eq!(read(&mut e, again), [4.0, 8.0]);
    e.release_variable(first).unwrap();
    e.release_variable(second).unwrap();
    assert_eq!(e.counts().pending, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn an_assignment_whose_plan_finds_no_memory_fails_for_its_readers() {
    // The processor knows the limits of its memory; an interpreter would ask for it.
    let mut e = engine(1);
    let v = variable(&mut e, [1.0; 4]);
    // Small itself, but by way of a table that no machine holds.
    let table = e.graph.constant(1.0, &Spec::new([1 << 19, 1 << 20], DType::F64));
    let running = Op::CumSum {
        axis: 0,
        reverse: false,
    };
    let sums = e.graph.add(running, &[table], None).unwrap();
    let corner = Op::Slice {
        start: [(1 << 19) - 2, (1 << 20) - 2].into(),
        step: [1, 1].into(),
    };
    let wanted = Spec::new([2, 2], DType::F64);
    let last = e.graph.add(corner, &[sums], Some(&wanted)).unwrap();
    e.assign_variable(v, last).unwrap();
    for id in [table, sums, last] {
        e.graph.release(id).unwrap();
    }
    let x = source(&mut e, &[2], &[1.0, 2.0]);
    let y = twice(&mut e, x);
    assert_eq!(read(&mut e, y), [2.0, 4.0]);
    let held = e.read_variable(v).unwrap();
    assert_eq!(failure(&mut e, held), ErrorKind::Device);
}

#[test]
fn a_compiled_function_fails_by_what_it_reads_only() {
    on_every_device(|mut e| {
        let (bad, counter) = (variable(&mut e, NEGATIVE), variable(&mut e, [1.0; 4]));
        let doubling = |e: &mut Engine, v: Key| {
            e.jit_begin().unwrap();
            let w = e.read_variable(v).unwrap();
            let next = twice(e, w);
            e.assign_variable(v, next).unwrap();
            let f = e.jit_end(&[]).unwrap();
            e.graph.release(w).unwrap();
            e.graph.release(next).unwrap();
            f
        };
        let (of_bad, of_counter) = (doubling(&mut e, bad), doubling(&mut e, counter));
        assign(&mut e, bad, Op::Cholesky);
        e.jit_run(of_counter, &[]).unwrap().1.wait().unwrap();
        assert_eq!(value(&mut e, counter), [2.0; 4]);
        for _ in 0..2 {
            let error = e.jit_run(of_bad, &[]).unwrap().1.wait().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Numerical);
        }
        e.jit_run(of_counter, &[]).unwrap().1.wait().unwrap();
        assert_eq!(value(&mut e, counter), [4.0; 4]);
        let healthy = source(&mut e, &[2, 2], &[1.0; 4]);
        e.assign_variable(bad, healthy).unwrap();
        e.jit_run(of_bad, &[]).unwrap().1.wait().unwrap();
        assert_eq!(value(&mut e, bad), [2.0; 4]);
    });
}
