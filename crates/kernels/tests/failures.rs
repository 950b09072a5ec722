//! Runs that fail, and what they leave as it was.

#[path = "support/graphs.rs"]
mod graphs;

use graphs::{engine, on_every_device, read, source};
use hyperglow_core::DType;
use hyperglow_core::compose::reduce_axes;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Op, Reduction, Spec};

/// A diagonal matrix with elements from `first` on, by rows.
fn diagonal(n: usize, first: f64) -> Vec<f64> {
    let at = |i: usize| {
        if i / n == i % n {
            first + (i / n) as f64
        } else {
            0.0
        }
    };
    (0..n * n).map(at).collect()
}

#[test]
fn of_several_that_refuse_the_first_is_reported() {
    on_every_device(|mut e| {
        // As often as it takes threads to come in another order.
        for _ in 0..20 {
            let mut made = Vec::new();
            for (scope, mean) in [("fine", 50.0), ("first", -1.0), ("second", -2.0)] {
                let data = diagonal(6, mean);
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
    });
}

#[test]
fn a_failed_run_changes_no_variable_and_neither_do_those_after_it() {
    on_every_device(|mut e| {
        let w0 = source(&mut e, &[2, 2], &[4.0, 0.0, 0.0, 9.0]);
        let v = e.variable(w0, None).unwrap();
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
        let v = e.variable(w0, None).unwrap();
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
    // The processor knows the limits of its memory; an interpreter would ask for it.
    let mut e = engine(1);
    let w0 = source(&mut e, &[], &[7.0]);
    let v = e.variable(w0, None).unwrap();
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
