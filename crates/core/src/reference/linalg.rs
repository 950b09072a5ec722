//! Dense linear algebra on the last two axes, in float64.

use ndarray::{Array2, ArrayD, Axis, Ix3, IxDyn};

use super::refusal::{no_convergence, not_finite, not_positive_definite, singular};
use crate::error::Result;
use crate::shape::Shape;

/// `each(matrices, number)` on the matrices of every operand, one batch element after the other; its results
/// are laid out as `to`.
pub(super) fn batched(
    operands: &[&ArrayD<f64>],
    to: &Shape,
    each: impl Fn(&[Array2<f64>], usize) -> Result<Array2<f64>>,
) -> Result<ArrayD<f64>> {
    let stacks: Vec<_> = operands
        .iter()
        .map(|x| {
            let (batch, &[rows, columns]) =
                x.shape().split_last_chunk::<2>().expect("matrices have two axes");
            let stacked = x
                .to_shape((batch.iter().product(), rows, columns))
                .expect("the same elements");
            stacked.into_dimensionality::<Ix3>().expect("three axes")
        })
        .collect();
    let mut out = Vec::with_capacity(to.size());
    for number in 0..stacks[0].shape()[0] {
        let matrices: Vec<Array2<f64>> = stacks
            .iter()
            .map(|x| x.index_axis(Axis(0), number).to_owned())
            .collect();
        out.extend(each(&matrices, number)?);
    }
    Ok(ArrayD::from_shape_vec(IxDyn(to.dims()), out).expect("results of the shape inferred"))
}

/// L with L L' = a, row by row; above the diagonal 0. Reads the lower triangle.
pub(super) fn cholesky(a: &Array2<f64>, number: usize) -> Result<Array2<f64>> {
    let n = a.nrows();
    let mut l = Array2::zeros((n, n));
    for i in 0..n {
        for j in 0..=i {
            let rest: f64 = a[[i, j]] - (0..j).map(|k| l[[i, k]] * l[[j, k]]).sum::<f64>();
            if i != j {
                l[[i, j]] = rest / l[[j, j]];
            } else if rest > 0.0 {
                l[[i, i]] = rest.sqrt();
            } else {
                return Err(not_positive_definite(number, i, rest));
            }
        }
    }
    Ok(l)
}

/// The inverse of a, from its factor L: x with L' x = L^-1.
pub(super) fn positive_inverse(a: &Array2<f64>, number: usize) -> Result<Array2<f64>> {
    let l = cholesky(a, number)?;
    let half = triangular_solve(&l, &Array2::eye(a.nrows()), true, false, number)?;
    triangular_solve(&l, &half, true, true, number)
}

/// x with op(a) x = b: each row of op(a) gives one row of x, once those before it are known.
pub(super) fn triangular_solve(
    a: &Array2<f64>,
    b: &Array2<f64>,
    lower: bool,
    transpose: bool,
    number: usize,
) -> Result<Array2<f64>> {
    let n = a.nrows();
    let at = |r: usize, c: usize| if transpose { a[[c, r]] } else { a[[r, c]] };
    let forward = lower != transpose;
    let mut x = b.clone();
    for step in 0..n {
        let (row, known) = if forward {
            (step, 0..step)
        } else {
            (n - 1 - step, n - step..n)
        };
        if at(row, row) == 0.0 {
            return Err(singular("triangularSolve", number, row));
        }
        for column in 0..b.ncols() {
            let rest: f64 =
                b[[row, column]] - known.clone().map(|k| at(row, k) * x[[k, column]]).sum::<f64>();
            x[[row, column]] = rest / at(row, row);
        }
    }
    Ok(x)
}

/// Gaussian elimination with partial pivoting: makes `a` upper triangular and does to `b` the same.
/// Gives the sign of the exchanges, or, as an error, the column without a pivot.
fn eliminate(a: &mut Array2<f64>, b: &mut Array2<f64>) -> std::result::Result<f64, usize> {
    let n = a.nrows();
    let mut sign = 1.0;
    for k in 0..n {
        let pivot = (k + 1..n).fold(k, |best, r| {
            if a[[r, k]].abs() > a[[best, k]].abs() {
                r
            } else {
                best
            }
        });
        if a[[pivot, k]] == 0.0 {
            return Err(k);
        }
        if pivot != k {
            sign = -sign;
            (0..n).for_each(|c| a.swap([k, c], [pivot, c]));
            (0..b.ncols()).for_each(|c| b.swap([k, c], [pivot, c]));
        }
        for r in k + 1..n {
            let factor = a[[r, k]] / a[[k, k]];
            (k..n).for_each(|c| a[[r, c]] -= factor * a[[k, c]]);
            (0..b.ncols()).for_each(|c| b[[r, c]] -= factor * b[[k, c]]);
        }
    }
    Ok(sign)
}

/// x with a x = b.
pub(super) fn solve(a: &Array2<f64>, b: &Array2<f64>, number: usize) -> Result<Array2<f64>> {
    let (mut u, mut c) = (a.clone(), b.clone());
    eliminate(&mut u, &mut c).map_err(|pivot| singular("solve", number, pivot))?;
    triangular_solve(&u, &c, false, false, number)
}

/// The determinant, (1, 1): 0 if singular, 1 of the empty matrix.
pub(super) fn det(a: &Array2<f64>) -> Array2<f64> {
    let mut u = a.clone();
    let sign = eliminate(&mut u, &mut Array2::zeros((a.nrows(), 0)));
    let det = sign.map_or(0.0, |sign| sign * u.diag().product());
    Array2::from_elem((1, 1), det)
}

/// The coefficient of t_1 .. t_k of the cofactors of a + t_1 h_1 + .. + t_k h_k, by their definition.
pub(super) fn cofactors(operands: &[Array2<f64>]) -> Array2<f64> {
    let (a, directions) = (&operands[0], operands.len() - 1);
    let n = a.nrows();
    let sign = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
    let without = |i: usize| (0..n).filter(|&j| j != i).collect::<Vec<_>>();
    Array2::from_shape_fn((n, n), |(r, c)| {
        sign(r + c) * coefficient(operands, &without(r), &without(c), (1 << directions) - 1)
    })
}

/// Of the determinant of some rows and columns of a + t_1 h_1 + .. + t_k h_k, the coefficient of the product of the t that the bits
/// of `wanted` name.
fn coefficient(operands: &[Array2<f64>], rows: &[usize], columns: &[usize], wanted: usize) -> f64 {
    let Some((&row, rows)) = rows.split_first() else {
        return if wanted == 0 { 1.0 } else { 0.0 };
    };
    let mut sum = 0.0;
    for (i, &column) in columns.iter().enumerate() {
        let others = [&columns[..i], &columns[i + 1..]].concat();
        let sign = if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        for (k, operand) in operands.iter().enumerate() {
            // Operand 0 brings no t, operand k brings t_k.
            let brought = if k == 0 { 0 } else { 1 << (k - 1) };
            if brought & wanted == brought {
                let minor = coefficient(operands, rows, &others, wanted & !brought);
                sum += sign * operand[[row, column]] * minor;
            }
        }
    }
    sum
}

/// Sweeps after which Jacobi's method gives up; it needs about log2(n) + 5.
const MAX_SWEEPS: usize = 60;
/// Components of an eigenvector this close to the largest count as tied, since rounding decides between them.
const TIE_RATIO: f64 = 1.0 - 1e-6;

/// Eigenvalues ascending in row 0, eigenvectors below as columns of length 1, by Jacobi's method: rotations
/// that make one element after the other 0. The largest component of each vector, the first on ties, is
/// positive. Reads the lower triangle.
pub(super) fn eigh(matrix: &Array2<f64>, number: usize) -> Result<Array2<f64>> {
    let n = matrix.nrows();
    let mut a = Array2::from_shape_fn((n, n), |(r, c)| matrix[[r.max(c), r.min(c)]]);
    if let Some(((r, c), &value)) = a.indexed_iter().find(|(_, x)| !x.is_finite()) {
        return Err(not_finite("eigh", number, r.max(c), r.min(c), value));
    }
    let mut v: Array2<f64> = Array2::eye(n);
    let norm = a.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut sweeps = 0;
    while off_diagonal(&a) > f64::EPSILON * norm {
        if sweeps == MAX_SWEEPS {
            return Err(no_convergence("eigh", number, MAX_SWEEPS));
        }
        sweeps += 1;
        for q in 1..n {
            for p in 0..q {
                if a[[p, q]] != 0.0 {
                    rotate(&mut a, &mut v, p, q);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[[i, i]].total_cmp(&a[[j, j]]));
    Ok(Array2::from_shape_fn((n + 1, n), |(r, c)| {
        let from = order[c];
        if r == 0 {
            return a[[from, from]];
        }
        let vector = v.column(from);
        let largest = vector.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let leading = vector.iter().find(|x| x.abs() >= largest * TIE_RATIO);
        vector[r - 1] * leading.map_or(1.0, |x| x.signum())
    }))
}

/// The norm of what is not on the diagonal.
fn off_diagonal(a: &Array2<f64>) -> f64 {
    a.indexed_iter()
        .filter(|((r, c), _)| r != c)
        .map(|(_, x)| x * x)
        .sum::<f64>()
        .sqrt()
}

/// a <- J' a J, v <- v J with the rotation J in the plane of p and q that makes a[p, q] 0
/// (Golub and Van Loan, Matrix Computations, section 8.5.2).
fn rotate(a: &mut Array2<f64>, v: &mut Array2<f64>, p: usize, q: usize) {
    let tau = (a[[q, q]] - a[[p, p]]) / (2.0 * a[[p, q]]);
    let tan = tau.signum() / (tau.abs() + tau.hypot(1.0));
    let cos = 1.0 / tan.hypot(1.0);
    let sin = tan * cos;
    let turn = |x: f64, y: f64| (cos * x - sin * y, sin * x + cos * y);
    for k in 0..a.nrows() {
        (a[[k, p]], a[[k, q]]) = turn(a[[k, p]], a[[k, q]]);
        (v[[k, p]], v[[k, q]]) = turn(v[[k, p]], v[[k, q]]);
    }
    for k in 0..a.nrows() {
        (a[[p, k]], a[[q, k]]) = turn(a[[p, k]], a[[q, k]]);
    }
    (a[[p, q]], a[[q, p]]) = (0.0, 0.0);
}
