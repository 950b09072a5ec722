//! Matrices.

use hyperglow_core::NodeId;
use hyperglow_core::compose::Build;
use hyperglow_core::elementwise::{BinaryOp, Formula};
use hyperglow_core::op::Op;

use crate::run;

/// a a' + 2 I for square matrices a.
fn positive(b: &mut Build<'_>, a: NodeId) -> NodeId {
    let square = b.matmul(a, a, false, true);
    let distance = b.diagonal_distance(square);
    let zero = b.scalar_like(0.0, square);
    let on = b.binary(BinaryOp::Equal, distance, zero);
    let moved = b.add_scalar(square, 2.0);
    b.select(on, moved, square)
}

#[test]
fn linear_algebra() {
    let domain = (-1.0, 1.0);
    run("cholesky", &[&[2, 3, 3]], domain, &|b, x| {
        let a = positive(b, x[0]);
        b.add_op(Op::Cholesky, &[a], None)
    });
    for (lower, transpose) in [(true, false), (true, true), (false, false), (false, true)] {
        run("triangularSolve", &[&[3, 3], &[3, 2]], domain, &|b, x| {
            let a = positive(b, x[0]);
            b.add_op(Op::TriangularSolve { lower, transpose }, &[a, x[1]], None)
        });
    }
    run("solve", &[&[3, 3], &[3, 2]], domain, &|b, x| {
        let distance = b.diagonal_distance(x[0]);
        let zero = b.scalar_like(0.0, x[0]);
        let on = b.binary(BinaryOp::Equal, distance, zero);
        let moved = b.add_scalar(x[0], 3.0);
        let a = b.select(on, moved, x[0]);
        b.add_op(Op::Solve, &[a, x[1]], None)
    });
    run("positiveInverse", &[&[2, 3, 3]], domain, &|b, x| {
        let a = positive(b, x[0]);
        b.add_op(Op::PositiveInverse, &[a], None)
    });
    run("congruence", &[&[2, 3, 3], &[2, 3, 3]], domain, &|b, x| {
        let (a, s) = (b.symmetrized(x[0]), b.symmetrized(x[1]));
        b.add_op(Op::Congruence, &[a, s], None)
    });
    run("det of singular matrices", &[&[2, 3, 2]], domain, &|b, x| {
        // Products of (3, 2) and (2, 3), of rank 2.
        let wide = b.matmul(x[0], x[0], false, true);
        b.add_op(Op::Det, &[wide], None)
    });
    run("det", &[&[2, 3, 3]], domain, &|b, x| {
        let a = positive(b, x[0]);
        b.add_op(Op::Det, &[a], None)
    });
    run("eigh", &[&[3, 3]], domain, &|b, x| {
        let a = positive(b, x[0]);
        let packed = b.add_op(Op::Eigh, &[a], None);
        // Squared vectors do not depend on the sign convention.
        b.mul(packed, packed)
    });
}
