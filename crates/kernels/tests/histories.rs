//! Histories that wait for a value to be asked for. They are the graph's, whatever the device.

#[path = "support/graphs.rs"]
mod graphs;

use graphs::{engine, read, source};
use hyperglow_core::elementwise::BinaryOp;
use hyperglow_core::engine::{Engine, MAX_PENDING_NODES};
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::{DType, NodeId};

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
    for _ in 0..3 * MAX_PENDING_NODES / 2 {
        evaluations += usize::from(e.bound_pending().unwrap());
        let next = plus_one(&mut e, x);
        e.graph.release(x).unwrap();
        x = next;
        most = most.max(e.counts().pending);
    }
    assert!(most <= MAX_PENDING_NODES + 2, "{most}");
    assert_eq!(evaluations, 2);
    let n = (3 * MAX_PENDING_NODES / 2) as f64;
    assert_eq!(read(&mut e, x), [n, n + 1.0]);
}

#[test]
fn handles_that_are_still_to_be_collected_do_not_make_every_operation_evaluate() {
    let mut e = engine(1);
    let x = source(&mut e, &[2], &[0.0, 1.0]);
    let misses = e.counts().misses;
    // One long chain of which every node is held, and many short ones.
    let mut y = x;
    for k in 0..MAX_PENDING_NODES {
        e.bound_pending().unwrap();
        y = plus_one(&mut e, if k % 2 == 0 { y } else { x });
    }
    assert!(e.graph.unheld() >= MAX_PENDING_NODES);
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
    assert!(e.counts().pending < MAX_PENDING_NODES);
    assert_eq!(read(&mut e, held[0]), [30.0, 31.0]);
    assert_eq!(read(&mut e, held[4999]), [30.0, 31.0]);
}
