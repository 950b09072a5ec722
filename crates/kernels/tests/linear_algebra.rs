//! Factorizations, solutions and eigenvectors against the reference interpreter, and by their definitions.

mod support;

use hyperglow_core::op::{Op, Spec};
use hyperglow_core::reference::Value;
use hyperglow_core::{DType, Shape};
use hyperglow_kernels::CpuBackend;
use support::{Dice, Tolerance, check, numbers, run_op};

const FLOATS: [DType; 2] = [DType::F32, DType::F64];

fn near(dtype: DType) -> Tolerance {
    if dtype == DType::F32 {
        Tolerance(1e-4, 1e-4)
    } else {
        Tolerance(1e-9, 1e-9)
    }
}

/// How far a s a may be off: by the rounding of its largest terms, which may cancel.
fn of_sums(a: &Value, s: &Value, n: usize) -> Tolerance {
    let largest = |x: &Value| numbers(x).into_iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    let terms = largest(a).powi(2) * largest(s) * (n * n) as f64;
    let rounding = if a.spec().dtype == DType::F32 { 1e-7 } else { 1e-15 };
    Tolerance(rounding * terms, 0.0)
}

/// Matrices x x' + n, symmetric and positive definite.
fn positive(dice: &mut Dice, batch: &[usize], n: usize, dtype: DType) -> Value {
    let count: usize = batch.iter().product();
    let mut elements = Vec::new();
    for _ in 0..count {
        let x: Vec<f64> = (0..n * n).map(|_| dice.number()).collect();
        for r in 0..n {
            for c in 0..n {
                let product: f64 = (0..n).map(|k| x[r * n + k] * x[c * n + k]).sum();
                elements.push(product + if r == c { n as f64 } else { 0.0 });
            }
        }
    }
    let mut next = elements.into_iter();
    dice.tensor_of([batch, &[n, n]].concat(), dtype, |_| next.next().unwrap())
}

#[test]
fn factors_and_solutions() {
    let mut dice = Dice::new(20);
    for round in 0..30 {
        let dtype = FLOATS[round % 2];
        let n = dice.between(0, 9);
        let m = dice.between(0, 4);
        let batch: Vec<usize> = (0..dice.between(0, 2)).map(|_| dice.between(1, 3)).collect();
        let a = positive(&mut dice, &batch, n, dtype);
        let b = dice.tensor([&batch[..], &[n, m]].concat(), dtype);
        check(Op::Cholesky, &[&a], None, near(dtype));
        check(Op::PositiveInverse, &[&a], None, near(dtype));
        let s = positive(&mut dice, &batch, n, dtype);
        check(Op::Congruence, &[&a, &s], None, of_sums(&a, &s, n));
        check(Op::Det, &[&a], None, Tolerance(1e-3, 1e-5));
        check(Op::Solve, &[&a, &b], None, near(dtype));
        for lower in [false, true] {
            for transpose in [false, true] {
                check(
                    Op::TriangularSolve { lower, transpose },
                    &[&a, &b],
                    None,
                    near(dtype),
                );
            }
        }
        let general = dice.tensor([&batch[..], &[n, n]].concat(), DType::F64);
        let b = dice.tensor([&batch[..], &[n, m]].concat(), DType::F64);
        check(Op::Solve, &[&general, &b], None, Tolerance(1e-6, 1e-6));
        check(Op::Det, &[&general], None, Tolerance(1e-9, 1e-9));
    }
}

/// What divides a matrix into blocks does so from 128 rows on: whole blocks, a part of one, a part of a part of a product.
#[test]
fn factors_solutions_and_inverses_of_large_matrices() {
    let mut dice = Dice::new(24);
    for (round, n) in [127, 128, 144, 193, 230].into_iter().enumerate() {
        let dtype = FLOATS[round % 2];
        let batch = &[[2].as_slice(), &[]][round % 2];
        let a = positive(&mut dice, batch, n, dtype);
        check(Op::Cholesky, &[&a], None, near(dtype));
        check(Op::PositiveInverse, &[&a], None, near(dtype));
        let s = positive(&mut dice, batch, n, dtype);
        check(Op::Congruence, &[&a, &s], None, of_sums(&a, &s, n));
        for (m, lower) in [(1, true), (49, false), (100, true)] {
            // As large on the diagonal as all else in a row, so that solutions stay small.
            let mut next = numbers(&dice.tensor([batch, &[n, n][..]].concat(), dtype))
                .into_iter()
                .enumerate();
            let triangle = dice.tensor_of([batch, &[n, n][..]].concat(), dtype, |_| {
                let (i, x) = next.next().unwrap();
                if i % (n * n) / n == i % n { n as f64 } else { x }
            });
            let b = dice.tensor([batch, &[n, m][..]].concat(), dtype);
            for transpose in [false, true] {
                let op = Op::TriangularSolve { lower, transpose };
                check(op, &[&triangle, &b], None, near(dtype));
            }
        }
    }
}

/// The inverse of a large matrix is its own transpose, bit by bit.
#[test]
fn large_inverses_are_symmetric() {
    let n = 200;
    let a = positive(&mut Dice::new(25), &[], n, DType::F64);
    let inverse = run_op(&CpuBackend::new(2), &Op::PositiveInverse, &[&a], &a.spec()).unwrap();
    let inverse = numbers(&inverse);
    for r in 0..n {
        for c in 0..r {
            assert_eq!(inverse[r * n + c].to_bits(), inverse[c * n + r].to_bits());
        }
    }
}

#[test]
fn cofactors_and_their_derivatives_at_matrices_of_any_rank() {
    let mut dice = Dice::new(23);
    for round in 0..60 {
        let dtype = FLOATS[round % 2];
        let (n, rank) = (dice.between(0, 5), dice.between(0, 5));
        let count = dice.between(1, 3);
        // Whole numbers, of which products are exact in float32, too.
        let mut elements = Vec::new();
        for _ in 0..count {
            let mut part = |rows: usize, columns: usize| -> Vec<f64> {
                (0..rows * columns).map(|_| dice.below(5) as f64 - 2.0).collect()
            };
            let (left, right) = (part(n, rank), part(rank, n));
            for r in 0..n {
                for c in 0..n {
                    elements.push((0..rank).map(|k| left[r * rank + k] * right[k * n + c]).sum());
                }
            }
        }
        let mut next = elements.into_iter();
        let a = dice.tensor_of([count, n, n], dtype, |_| next.next().unwrap());
        let h: Vec<_> = (0..3).map(|_| dice.tensor([count, n, n], dtype)).collect();
        let tolerance = Tolerance(2e-2, 1e-5);
        for directions in 0..=3 {
            let operands: Vec<_> = [&a].into_iter().chain(&h[..directions]).collect();
            check(Op::Cofactors, &operands, None, tolerance);
        }
    }
}

#[test]
fn matrices_without_an_answer_are_named() {
    let mut dice = Dice::new(21);
    let mut a = numbers(&positive(&mut dice, &[3], 4, DType::F64));
    let b = dice.tensor([3, 4, 2], DType::F64);
    // The second matrix gets a row and a column of zeros.
    for k in 0..4 {
        a[16 + 2 * 4 + k] = 0.0;
        a[16 + k * 4 + 2] = 0.0;
    }
    let mut next = a.iter().copied();
    let a = dice.tensor_of([3, 4, 4], DType::F64, |_| next.next().unwrap());
    check(Op::Cholesky, &[&a], None, near(DType::F64));
    check(Op::PositiveInverse, &[&a], None, near(DType::F64));
    check(Op::Solve, &[&a, &b], None, near(DType::F64));
    check(Op::Det, &[&a], None, near(DType::F64));
    check(
        Op::TriangularSolve {
            lower: true,
            transpose: false,
        },
        &[&a, &b],
        None,
        near(DType::F64),
    );
    let nan = dice.tensor_of([2, 2], DType::F32, |dice| {
        if dice.below(3) == 0 { f64::NAN } else { 1.0 }
    });
    check(Op::Eigh, &[&nan], None, near(DType::F32));
}

#[test]
fn eigenvectors() {
    let mut dice = Dice::new(22);
    for round in 0..20 {
        let dtype = FLOATS[round % 2];
        let n = dice.between(0, 12);
        check(
            Op::Eigh,
            &[&positive(&mut dice, &[2], n, dtype)],
            None,
            near(dtype),
        );
        let general = dice.tensor([n, n], dtype);
        check(Op::Eigh, &[&general], None, near(dtype));
    }
}

/// The eigenvalues and vectors of (n, n), checked by A v = lambda v and V'V = 1.
fn decompose(a: &Value, n: usize, scale: f64) -> Vec<f64> {
    let spec = Spec::new(Shape::from([n + 1, n]), DType::F64);
    let backend = CpuBackend::new(2);
    let result = run_op(&backend, &Op::Eigh, &[a], &spec).unwrap();
    let alone = run_op(&CpuBackend::new(1), &Op::Eigh, &[a], &spec).unwrap();
    assert_eq!(result.to_bytes(), alone.to_bytes(), "bits depend on threads");
    let (a, e) = (numbers(a), numbers(&result));
    let at = |r: usize, c: usize| a[r.max(c) * n + r.min(c)];
    let v = |r: usize, c: usize| e[(r + 1) * n + c];
    for c in 0..n {
        assert!(c == 0 || e[c] >= e[c - 1]);
        for r in 0..n {
            let product: f64 = (0..n).map(|k| at(r, k) * v(k, c)).sum();
            assert!(
                (product - e[c] * v(r, c)).abs() < 1e-11 * scale,
                "vector {c}: {product} is not {}",
                e[c] * v(r, c)
            );
            let overlap: f64 = (0..n).map(|k| v(k, c) * v(k, r)).sum();
            assert!(
                (overlap - f64::from(u8::from(r == c))).abs() < 1e-11,
                "vectors {r} and {c}: {overlap}"
            );
        }
    }
    e[..n].to_vec()
}

#[test]
fn awkward_symmetric_matrices_are_decomposed() {
    let mut dice = Dice::new(23);
    let n = 60;
    // Two of equal eigenvalues, one of rank one, one of wide range, one that is zero, one that only couples.
    decompose(&dice.tensor_of([n, n], DType::F64, |_| 1.0), n, 60.0);
    decompose(&dice.tensor_of([n, n], DType::F64, |_| 0.0), n, 1.0);
    let mut i = 0;
    let identity = dice.tensor_of([n, n], DType::F64, |_| {
        i += 1;
        f64::from(u8::from((i - 1) % (n + 1) == 0))
    });
    assert_eq!(decompose(&identity, n, 1.0), vec![1.0; n]);
    let mut i = 0;
    let graded = dice.tensor_of([n, n], DType::F64, |dice| {
        i += 1;
        let (r, c) = ((i - 1) / n, (i - 1) % n);
        dice.number() * 10.0_f64.powi(-((r + c) as i32) / 8)
    });
    decompose(&graded, n, 60.0);
    let mut i = 0;
    let coupled = dice.tensor_of([n, n], DType::F64, |_| {
        i += 1;
        let (r, c) = ((i - 1) / n, (i - 1) % n);
        f64::from(u8::from(r + c == n - 1))
    });
    decompose(&coupled, n, 1.0);
    let huge = dice.tensor_of([n, n], DType::F64, |dice| dice.number() * 1e300);
    decompose(&huge, n, 1e302);
    decompose(&dice.tensor([150, 150], DType::F64), 150, 100.0);
}

/// Matrices of few different eigenvalues, most of them 0: what equal samples and classes give. What is left of the zeros is rounding,
/// which differs between the vector units, so there are many sizes.
#[test]
fn repeated_eigenvalues_settle() {
    let mut dice = Dice::new(24);
    for n in (10..=120).step_by(10) {
        for groups in [1, 3, 10] {
            let mut i = 0;
            let equal = dice.tensor_of([n, n], DType::F64, |_| {
                i += 1;
                let (r, c) = ((i - 1) / n, (i - 1) % n);
                f64::from(u8::from(r % groups == c % groups)) / n as f64
            });
            let values = decompose(&equal, n, 1.0);
            assert!((values[n - 1] - n.div_ceil(groups) as f64 / n as f64).abs() < 1e-12);
            assert!(values[..n - groups].iter().all(|value| value.abs() < 1e-12));
        }
        // Clusters of samples that nearly coincide, compared by a Gaussian kernel.
        let places: Vec<f64> = (0..n).map(|i| (i % 5) as f64 + 1e-4 * dice.number()).collect();
        let mut i = 0;
        let near = dice.tensor_of([n, n], DType::F64, |_| {
            i += 1;
            let apart: f64 = places[(i - 1) / n] - places[(i - 1) % n];
            (-apart * apart / 2.0).exp() / n as f64
        });
        decompose(&near, n, 1.0);
    }
}

/// 2^e.
fn power(e: i32) -> f64 {
    2f64.powi(e / 2) * 2f64.powi(e - e / 2)
}

/// The coefficient that `Cofactors` gives for a matrix (3, 3) and directions.
fn coefficient(backend: &CpuBackend, a: [f64; 9], directions: &[[f64; 9]]) -> Vec<f64> {
    let spec = Spec::new([3, 3], DType::F64);
    let tensor = |x: &[f64; 9]| {
        let bytes: Vec<u8> = x.iter().flat_map(|x| x.to_ne_bytes()).collect();
        Value::from_bytes(&spec, &bytes)
    };
    let operands: Vec<Value> = [a].iter().chain(directions).map(tensor).collect();
    let operands: Vec<&Value> = operands.iter().collect();
    numbers(&run_op(backend, &Op::Cofactors, &operands, &spec).unwrap())
}

/// A minor is linear in each of its rows and columns: powers of two of these in a matrix and in its directions are powers of two of
/// the result, however large they are.
#[test]
fn derivatives_of_determinants_at_numbers_of_any_size() {
    let a = [3.0, -1.0, 0.5, 2.0, 4.0, -2.5, 0.25, 1.0, -3.0];
    let directions = [
        [1.0, 2.0, -1.0, 0.5, 0.0, 3.0, -2.0, 1.0, 1.5],
        [0.5, -1.0, 2.0, 1.0, 1.0, -0.5, 3.0, 0.25, 2.0],
    ];
    for backend in support::list::processors() {
        for count in 0..=2 {
            let directions = &directions[..count];
            let own = coefficient(&backend, a, directions);
            // Every element of the matrix alone.
            for e in [500, 660, -500, -660] {
                let power_of_all = e * (2 - count as i32);
                if power_of_all.abs() < 1000 {
                    let given = coefficient(&backend, a.map(|x| x * power(e)), directions);
                    let wanted: Vec<f64> = own.iter().map(|x| x * power(power_of_all)).collect();
                    assert_eq!(given, wanted, "{count} directions, 2^{e}");
                }
            }
            // Rows and columns, also those of the directions.
            for (rows, columns) in [([600, 0, -600], [0; 3]), ([0, 500, 0], [300, -400, 0])] {
                let at = |i: usize| rows[i / 3] + columns[i % 3];
                let scaled = |x: &[f64; 9]| std::array::from_fn(|i| x[i] * power(at(i)));
                let directions: Vec<[f64; 9]> = directions.iter().map(scaled).collect();
                let given = coefficient(&backend, scaled(&a), &directions);
                let all: i32 = rows.iter().chain(&columns).sum();
                for (i, (given, own)) in given.iter().zip(&own).enumerate() {
                    let size = power(all - at(i));
                    let wanted = own * size;
                    let near = (given - wanted).abs() <= 1e-13 * (wanted.abs() + size);
                    assert!(near, "{i} of {count} directions: {given} is not {wanted}");
                }
            }
        }
    }
}

#[test]
fn a_determinant_of_ordinary_size_has_pivots_of_any_size() {
    let diagonal = [1e200, 1e200, 3.0, 1e-200, 1e-200];
    let elements = (0..25).map(|i| if i % 6 == 0 { diagonal[i / 6] } else { 0.0 });
    let bytes: Vec<u8> = elements.flat_map(f64::to_ne_bytes).collect();
    let a = Value::from_bytes(&Spec::new([5, 5], DType::F64), &bytes);
    for backend in support::list::processors() {
        let det = run_op(&backend, &Op::Det, &[&a], &Spec::new([], DType::F64)).unwrap();
        assert!((numbers(&det)[0] - 3.0).abs() < 1e-14);
    }
}
