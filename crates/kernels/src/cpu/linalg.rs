//! Factorisations and solves, in double precision whatever the dtype, one matrix at a time.

use hyperglow_core::op::{Op, Spec};
use hyperglow_core::{Error, Result};
use hyperglow_core::error::ErrorKind;

use super::eigen;
use super::element::{Float, for_float};
use super::exec::{Args, Kernel, scratch_bytes};

/// Scratch: a copy of the matrix, of the right-hand side, and two vectors.
pub(crate) fn scratch(_op: &Op, inputs: &[&Spec], _output: &Spec) -> usize {
    let dims = inputs[0].shape.dims();
    let n = dims.last().copied().unwrap_or(0);
    let columns = inputs.get(1).and_then(|b| b.shape.dims().last().copied()).unwrap_or(0);
    scratch_bytes::<f64>(n * n) + scratch_bytes::<f64>(n * columns) + 2 * scratch_bytes::<f64>(n)
}

/// The kernel of `Cholesky`, `TriangularSolve`, `Solve`, `Det` and `Eigh`.
pub(crate) fn compile(op: &Op, inputs: &[&Spec], _output: &Spec) -> Kernel {
    let dims = inputs[0].shape.dims();
    let n = dims[dims.len() - 1];
    let batch = dims[..dims.len() - 2].iter().product();
    let columns = inputs.get(1).map_or(0, |b| b.shape.dims()[dims.len() - 1]);
    let problem = Problem { op: op.clone(), n, batch, columns };
    let dtype = inputs[0].dtype;
    Box::new(move |args| for_float!(dtype, T => problem.run::<T>(args)))
}

struct Problem {
    op: Op,
    n: usize,
    batch: usize,
    columns: usize,
}

impl Problem {
    fn run<T: Float>(&self, args: &Args<'_>) -> Result<()> {
        let (n, m) = (self.n, self.columns);
        let x = args.input::<T>(0);
        let rhs: &[T] = if m > 0 { args.input::<T>(1) } else { &[] };
        let y = args.output::<T>();
        let a = args.scratch::<f64>(n * n);
        let b = args.scratch::<f64>(n * m);
        let (d, e) = (args.scratch::<f64>(n), args.scratch::<f64>(n));
        let size = if self.batch == 0 { 0 } else { y.len() / self.batch };
        for k in 0..self.batch {
            load(&x[k * n * n..], a);
            load(&rhs[k * n * m..], b);
            let y = &mut y[k * size..][..size];
            match &self.op {
                Op::Cholesky => {
                    cholesky(a, n).map_err(|e| self.numbered(e, k))?;
                    store(a, y);
                }
                Op::TriangularSolve { lower, transpose } => {
                    triangular(a, b, n, m, *lower, *transpose).map_err(|e| self.numbered(e, k))?;
                    store(b, y);
                }
                Op::Solve => {
                    lu(a, b, n, m).map_err(|e| self.numbered(e, k))?;
                    store(b, y);
                }
                Op::Det => y[0] = T::from_f64(lu(a, b, n, m).unwrap_or(0.0)),
                Op::Eigh => {
                    eigen::symmetric(a, d, e, n).map_err(|e| self.numbered(e, k))?;
                    store(d, &mut y[..n]);
                    store(a, &mut y[n..]);
                }
                other => return Err(Error::internal(other.name(), "is not linear algebra")),
            }
        }
        Ok(())
    }

    /// Names the matrix of a batch.
    fn numbered(&self, mut error: Error, k: usize) -> Error {
        if self.batch > 1 {
            error.message = format!("matrix {k} of the batch: {}", error.message);
        }
        error
    }
}

fn load<T: Float>(from: &[T], to: &mut [f64]) {
    for (t, f) in to.iter_mut().zip(from) {
        *t = f.to_f64();
    }
}
fn store<T: Float>(from: &[f64], to: &mut [T]) {
    for (t, f) in to.iter_mut().zip(from) {
        *t = T::from_f64(*f);
    }
}

fn refuse(op: &str, message: String, mend: &str) -> Error {
    Error::new(ErrorKind::Numerical, op, message, mend)
}

/// a becomes its lower factor; the upper triangle becomes 0.
fn cholesky(a: &mut [f64], n: usize) -> Result<()> {
    for j in 0..n {
        let (done, rest) = a.split_at_mut((j + 1) * n);
        let row = &mut done[j * n..];
        let pivot = row[j] - dot(&row[..j], &row[..j]);
        if !(pivot > 0.0 && pivot.is_finite()) {
            return Err(refuse(
                "cholesky",
                format!("the matrix is not positive definite: pivot {j} is {pivot:e}"),
                "add a small multiple of the identity, for instance 1e-6 times the mean of the diagonal",
            ));
        }
        let root = pivot.sqrt();
        row[j] = root;
        row[j + 1..].fill(0.0);
        let row = &*row;
        for i in 0..n - j - 1 {
            let other = &mut rest[i * n..][..=j];
            other[j] = (other[j] - dot(&other[..j], &row[..j])) / root;
        }
    }
    Ok(())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// b becomes the solution of op(a) x = b.
fn triangular(a: &[f64], b: &mut [f64], n: usize, m: usize, lower: bool, transpose: bool) -> Result<()> {
    let forward = lower != transpose;
    for step in 0..n {
        let i = if forward { step } else { n - 1 - step };
        let pivot = a[i * n + i];
        if pivot == 0.0 {
            return Err(refuse("triangularSolve", format!("the matrix is singular: element {i} of its diagonal is 0"), "check the matrix"));
        }
        for x in &mut b[i * m..][..m] {
            *x /= pivot;
        }
        let others = if forward { i + 1..n } else { 0..i };
        for r in others {
            let factor = if transpose { a[i * n + r] } else { a[r * n + i] };
            if factor != 0.0 {
                subtract(b, r, i, factor, m);
            }
        }
    }
    Ok(())
}

/// Row r minus `factor` times row i, both of length m.
fn subtract(b: &mut [f64], r: usize, i: usize, factor: f64, m: usize) {
    let (low, high) = b.split_at_mut(r.max(i) * m);
    let (target, source) = if r < i { (&mut low[r * m..][..m], &high[..m]) } else { (&mut high[..m], &low[i * m..][..m]) };
    for (t, s) in target.iter_mut().zip(source) {
        *t -= factor * s;
    }
}

/// LU with partial pivoting; b becomes the solution of a x = b; the determinant is returned.
fn lu(a: &mut [f64], b: &mut [f64], n: usize, m: usize) -> Result<f64> {
    let mut det = 1.0;
    for j in 0..n {
        let size = |r: usize| a[r * n + j].abs();
        let best = (j..n).fold(j, |best, r| if size(r) > size(best) { r } else { best });
        let pivot = a[best * n + j];
        if pivot == 0.0 || !pivot.is_finite() {
            let message = format!("the matrix is singular: no pivot in column {j}");
            return Err(refuse("solve", message, "check for repeated or zero rows, or add a multiple of the identity"));
        }
        if best != j {
            swap_rows(a, best, j, n);
            swap_rows(b, best, j, m);
            det = -det;
        }
        det *= pivot;
        for r in j + 1..n {
            let factor = a[r * n + j] / pivot;
            if factor != 0.0 {
                subtract(a, r, j, factor, n);
                subtract(b, r, j, factor, m);
            }
        }
    }
    // What is left is upper triangular with a nonzero diagonal.
    triangular(a, b, n, m, false, false)?;
    Ok(det)
}

fn swap_rows(a: &mut [f64], i: usize, j: usize, width: usize) {
    let (low, high) = a.split_at_mut(i.max(j) * width);
    low[i.min(j) * width..][..width].swap_with_slice(&mut high[..width]);
}
