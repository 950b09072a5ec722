//! Eigenvalues and eigenvectors of symmetric matrices: Householder tridiagonalisation, then implicit QL
//! (Golub & Van Loan, Matrix Computations, sections 8.3.1 and 8.3.3). O(n^3), no memory of its own.

use hyperglow_core::error::ErrorKind;
use hyperglow_core::{Error, Result};

/// Sweeps of QL per eigenvalue; two or three are usual.
const SWEEPS: usize = 60;

/// Reads the lower triangle of `a`; leaves the eigenvectors in its columns and the eigenvalues, ascending, in `d`.
/// Each vector's component of largest magnitude is positive. `e` is scratch of length n.
pub(crate) fn symmetric(a: &mut [f64], d: &mut [f64], e: &mut [f64], n: usize) -> Result<()> {
    if n == 0 {
        return Ok(());
    }
    if !a.iter().all(|x| x.is_finite()) {
        return Err(Error::new(ErrorKind::Numerical, "eigh", "the matrix has elements that are not finite", "check the input for NaN"));
    }
    for i in 0..n {
        for j in i + 1..n {
            a[i * n + j] = a[j * n + i];
        }
    }
    tridiagonalise(a, d, e, n);
    ql(a, d, e, n)?;
    order(a, d, n);
    Ok(())
}

/// A = Q T Q': Q replaces `a`, T's diagonal goes to `d`, its subdiagonal to `e[1..]`.
///
/// Row i of the working matrix is reduced from the last to the second; the reflectors are kept in the rows
/// they reduced and multiplied out at the end.
fn tridiagonalise(a: &mut [f64], d: &mut [f64], e: &mut [f64], n: usize) {
    for i in (1..n).rev() {
        let (above, row) = a.split_at_mut(i * n);
        let v = &mut row[..i];
        let scale: f64 = v[..i - 1].iter().map(|x| x.abs()).sum();
        if scale == 0.0 {
            e[i] = v[i - 1];
            d[i] = 0.0;
            continue;
        }
        // v becomes the Householder vector of x = row i: H x = -+|x| at its last component.
        let scale = scale + v[i - 1].abs();
        let mut h = 0.0;
        for x in v.iter_mut() {
            *x /= scale;
            h += *x * *x;
        }
        let f = v[i - 1];
        let g = -h.sqrt().copysign(f);
        e[i] = scale * g;
        h -= f * g;
        v[i - 1] = f - g;
        d[i] = h;
        // p = A v / h, K = v'p / 2h, q = p - K v, A -= v q' + q v'; p and q live in e[..i].
        for r in 0..i {
            let mut sum = 0.0;
            for c in 0..=r {
                sum += above[r * n + c] * v[c];
            }
            for c in r + 1..i {
                sum += above[c * n + r] * v[c];
            }
            e[r] = sum / h;
        }
        let k = v.iter().zip(&e[..i]).map(|(x, y)| x * y).sum::<f64>() / (2.0 * h);
        for (q, x) in e[..i].iter_mut().zip(v.iter()) {
            *q -= k * x;
        }
        for r in 0..i {
            for c in 0..=r {
                above[r * n + c] -= v[r] * e[c] + e[r] * v[c];
            }
        }
    }
    accumulate(a, d, n);
}

/// Multiplies the reflectors out: `a` becomes Q; `d`, which held their norms, becomes T's diagonal.
fn accumulate(a: &mut [f64], d: &mut [f64], n: usize) {
    for i in 0..n {
        let h = if i == 0 { 0.0 } else { d[i] };
        d[i] = a[i * n + i];
        if h != 0.0 {
            let (q, row) = a.split_at_mut(i * n);
            let v = &row[..i];
            for c in 0..i {
                let g = (0..i).map(|k| v[k] * q[k * n + c]).sum::<f64>() / h;
                for k in 0..i {
                    q[k * n + c] -= g * v[k];
                }
            }
        }
        a[i * n + i] = 1.0;
        for k in 0..i {
            a[i * n + k] = 0.0;
            a[k * n + i] = 0.0;
        }
    }
}

/// Implicit QL with Wilkinson shifts on the tridiagonal matrix, rotating the columns of `z`.
fn ql(z: &mut [f64], d: &mut [f64], e: &mut [f64], n: usize) -> Result<()> {
    e.copy_within(1..n, 0);
    e[n - 1] = 0.0;
    for l in 0..n {
        for sweep in 0.. {
            let small = |m: usize| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs());
            let m = (l..n - 1).find(|&m| small(m)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if sweep == SWEEPS {
                return Err(Error::new(ErrorKind::Numerical, "eigh", format!("eigenvalue {l} did not converge"), "scale the matrix"));
            }
            step(z, d, e, n, l, m);
        }
    }
    Ok(())
}

/// One QL sweep on rows l..=m.
fn step(z: &mut [f64], d: &mut [f64], e: &mut [f64], n: usize, l: usize, m: usize) {
    let shift = (d[l + 1] - d[l]) / (2.0 * e[l]);
    let mut g = d[m] - d[l] + e[l] / (shift + shift.hypot(1.0).copysign(shift));
    let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
    for i in (l..m).rev() {
        let (f, b) = (s * e[i], c * e[i]);
        let r = f.hypot(g);
        e[i + 1] = r;
        if r == 0.0 {
            // The matrix split here: start over with what is left.
            d[i + 1] -= p;
            e[m] = 0.0;
            return;
        }
        (s, c) = (f / r, g / r);
        g = d[i + 1] - p;
        let t = (d[i] - g) * s + 2.0 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
        for row in z.chunks_exact_mut(n) {
            let (x, y) = (row[i], row[i + 1]);
            row[i + 1] = s * x + c * y;
            row[i] = c * x - s * y;
        }
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0.0;
}

/// Eigenvalues ascending, vectors with them, signs fixed.
fn order(z: &mut [f64], d: &mut [f64], n: usize) {
    for i in 0..n {
        let least = (i..n).fold(i, |least, j| if d[j] < d[least] { j } else { least });
        if least != i {
            d.swap(i, least);
            for row in z.chunks_exact_mut(n) {
                row.swap(i, least);
            }
        }
        let largest = (0..n).fold(0, |r, k| if z[k * n + i].abs() > z[r * n + i].abs() { k } else { r });
        if z[largest * n + i] < 0.0 {
            for row in z.chunks_exact_mut(n) {
                row[i] = -row[i];
            }
        }
    }
}
