use hyperglow_core::DType;
use hyperglow_core::elementwise::BinaryOp;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::Op;
use hyperglow_core::reference::Value;

use crate::{apply, apply_to, counting, expect, expect_near, f64s, numbers, refusal, scattered, tensor};

const NAN: f64 = f64::NAN;

fn product(a: &Value, b: &Value, ta: bool, tb: bool) -> Value {
    apply(Op::MatMul { ta, tb }, &[a, b])
}

#[test]
fn cholesky() {
    // Above the diagonal is not read.
    let a = f64s(&[2, 2, 2], &[4.0, NAN, 2.0, 5.0, 1.0, 9.0, 0.0, 9.0]);
    expect(
        &apply(Op::Cholesky, &[&a]),
        &[2.0, 0.0, 1.0, 2.0, 1.0, 0.0, 0.0, 3.0],
    );
    expect(&apply(Op::Cholesky, &[&counting(&[2, 0, 0])]), &[]);
    expect(&apply(Op::Cholesky, &[&counting(&[0, 2, 2])]), &[]);
    let single = tensor(DType::F32, &[1, 1], &[2.0]);
    expect(&apply(Op::Cholesky, &[&single]), &[f64::from(2f32.sqrt())]);
}

#[test]
fn cholesky_refuses_what_is_not_positive_definite() {
    let a = f64s(&[2, 2, 2], &[1.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 1.0]);
    let error = refusal(Op::Cholesky, &[&a]);
    assert_eq!(error.kind, ErrorKind::Numerical);
    assert_eq!(error.message, "matrix 1 is not positive definite: pivot 1 is -3");
    assert!(error.mend.contains("1e-6 * eye(n)"), "{error}");
    assert!(
        refusal(Op::Cholesky, &[&f64s(&[1, 1], &[NAN])])
            .message
            .contains("pivot 0 is NaN")
    );
}

#[test]
fn inverses_of_positive_definite_matrices() {
    // Above the diagonal is not read.
    let a = f64s(&[2, 2, 2], &[4.0, NAN, 2.0, 5.0, 1.0, 9.0, 0.0, 4.0]);
    let inverse = [0.3125, -0.125, -0.125, 0.25, 1.0, 0.0, 0.0, 0.25];
    expect(&apply(Op::PositiveInverse, &[&a]), &inverse);
    expect(&apply(Op::PositiveInverse, &[&counting(&[2, 0, 0])]), &[]);
    let error = refusal(Op::PositiveInverse, &[&f64s(&[2, 2], &[1.0, 2.0, 2.0, 1.0])]);
    assert_eq!(error.message, "matrix 0 is not positive definite: pivot 1 is -3");
}

#[test]
fn congruences() {
    let (a, s) = (
        f64s(&[2, 2], &[1.0, 2.0, 2.0, 0.0]),
        f64s(&[2, 2], &[1.0, 0.0, 0.0, -1.0]),
    );
    expect(&apply(Op::Congruence, &[&a, &s]), &[-3.0, 2.0, 2.0, 4.0]);
}

#[test]
fn triangular_systems() {
    // Each flag reads its triangle only: the other one holds NaN.
    let (lower, upper) = (
        f64s(&[2, 2], &[2.0, NAN, 1.0, 4.0]),
        f64s(&[2, 2], &[2.0, 1.0, NAN, 4.0]),
    );
    let b = f64s(&[2, 1], &[2.0, 9.0]);
    let solve = |a: &Value, lower, transpose| apply(Op::TriangularSolve { lower, transpose }, &[a, &b]);
    expect(&solve(&lower, true, false), &[1.0, 2.0]);
    expect(&solve(&lower, true, true), &[-0.125, 2.25]);
    expect(&solve(&upper, false, false), &[-0.125, 2.25]);
    expect(&solve(&upper, false, true), &[1.0, 2.0]);
    let singular = f64s(&[2, 2], &[1.0, 0.0, 5.0, 0.0]);
    let error = refusal(
        Op::TriangularSolve {
            lower: true,
            transpose: false,
        },
        &[&singular, &b],
    );
    assert_eq!(
        (error.kind, &error.message[..]),
        (ErrorKind::Numerical, "matrix 0 is singular: pivot 1 is 0")
    );
    expect(
        &apply(
            Op::TriangularSolve {
                lower: true,
                transpose: false,
            },
            &[&lower, &counting(&[2, 0])],
        ),
        &[],
    );
}

#[test]
fn systems() {
    // The first pivot is 0: rows are exchanged.
    let (a, b) = (
        f64s(&[2, 2], &[0.0, 2.0, 4.0, 1.0]),
        f64s(&[2, 2], &[2.0, 4.0, 5.0, 2.0]),
    );
    expect(&apply(Op::Solve, &[&a, &b]), &[1.0, 0.0, 1.0, 2.0]);
    let (a, x) = (scattered(&[2, 5, 5], 1), scattered(&[2, 5, 3], 2));
    expect_near(
        &apply(Op::Solve, &[&a, &product(&a, &x, false, false)]),
        &numbers(&x),
    );
    let error = refusal(Op::Solve, &[&f64s(&[2, 2], &[1.0, 2.0, 2.0, 4.0]), &b]);
    assert_eq!(
        (error.kind, &error.message[..]),
        (ErrorKind::Numerical, "matrix 0 is singular: pivot 1 is 0")
    );
}

#[test]
fn determinants() {
    let a = f64s(
        &[3, 2, 2],
        &[1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 1.0, 0.0, 1.0, 2.0, 2.0, 4.0],
    );
    expect_near(&apply(Op::Det, &[&a]), &[-2.0, -1.0, 0.0]);
    // 2 (3 * 1 - 1 * 4) - 0 + 1 (1 * 4 - 3 * 0)
    let a = f64s(&[3, 3], &[2.0, 0.0, 1.0, 1.0, 3.0, 1.0, 0.0, 4.0, 1.0]);
    expect_near(&apply(Op::Det, &[&a]), &[2.0]);
    expect(&apply(Op::Det, &[&counting(&[0, 0])]), &[1.0]);
    expect(&apply(Op::Det, &[&counting(&[0, 2, 2])]), &[]);
}

#[test]
fn eigenvalues_and_vectors() {
    let r = 0.5f64.sqrt();
    // Above the diagonal is not read. (1, -1) and (1, 1): of tied components the first is positive.
    let a = f64s(&[2, 2], &[2.0, NAN, 1.0, 2.0]);
    expect_near(&apply(Op::Eigh, &[&a]), &[1.0, 3.0, r, r, -r, r]);
    // The larger component is made positive.
    let a = f64s(&[2, 2], &[5.0, 0.0, 0.0, -1.0]);
    expect(&apply(Op::Eigh, &[&a]), &[-1.0, 5.0, 0.0, 1.0, 1.0, 0.0]);
    assert_eq!(
        apply(Op::Eigh, &[&counting(&[2, 0, 0])]).spec().shape.dims(),
        [2, 1, 0]
    );
    let error = refusal(Op::Eigh, &[&f64s(&[2, 2], &[1.0, 0.0, f64::INFINITY, 1.0])]);
    assert_eq!(
        (error.kind, &error.message[..]),
        (ErrorKind::Numerical, "matrix 0 has inf at row 1, column 0")
    );
}

#[test]
fn eigenvectors_rebuild_the_matrix() {
    let n = 7;
    let x = scattered(&[n, 4], 3);
    // Of rank 4: three eigenvalues are 0.
    let a = product(&x, &x, false, true);
    let packed = apply(Op::Eigh, &[&a]);
    let part = |start: usize, rows: usize| {
        apply_to(
            Op::Slice {
                start: [start, 0].into(),
                step: [1, 1].into(),
            },
            &[&packed],
            &[rows, n],
        )
    };
    let (values, vectors) = (part(0, 1), part(1, n));
    assert!(numbers(&values).is_sorted());
    expect_near(
        &apply_to(Op::Broadcast, &[&f64s(&[1], &[0.0])], &[3]),
        &numbers(&values)[..3],
    );
    let mut eye = vec![0.0; n * n];
    (0..n).for_each(|i| eye[i * n + i] = 1.0);
    expect_near(&product(&vectors, &vectors, true, false), &eye);
    let stretched = apply_to(Op::Broadcast, &[&values], &[n, n]);
    let scaled = apply(Op::Binary(BinaryOp::Mul), &[&vectors, &stretched]);
    expect_near(&product(&scaled, &vectors, false, true), &numbers(&a));
}
