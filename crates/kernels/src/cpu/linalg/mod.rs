//! Dense linear algebra on the last two axes, computed in float64 whatever the dtype.
//!
//! Matrices of a batch are spread over the threads; a matrix on its own is one thread's, but for the
//! eigenvectors. The first matrix that has no answer is the one that is reported.

mod cofactors;
mod eigen;
mod factor;
mod scaled;
mod vector;

use std::sync::{Mutex, PoisonError};

use hyperglow_core::reference::refusal::singular;
use hyperglow_core::{Error, Result, Shape};

use super::element::Float;
use super::exec::{Args, Chosen, scratch_bytes};
use super::level::Level;
use super::pool::SharedSlice;

/// (number of matrices, n, columns) of (.., n, m).
fn extents(shape: &Shape) -> (usize, usize, usize) {
    let (batch, matrix) = shape.dims().split_at(shape.rank() - 2);
    (batch.iter().product(), matrix[0], matrix[1])
}

/// Calls `each(matrix, work, its piece of out)` for every matrix, with `per_worker` doubles of scratch.
fn batched<T: Float>(
    args: &Args<'_>,
    count: usize,
    per_matrix: usize,
    per_worker: usize,
    each: impl Fn(usize, &mut [f64], &mut [T]) -> Result<()> + Sync,
) -> Result<()> {
    let out = args.output::<T>();
    let work = args.worker_scratch::<f64>(per_worker);
    let first_error: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    let out = SharedSlice::new(out);
    args.pool().run(count, |worker, matrix| {
        // SAFETY: a worker's own piece of scratch, and a task's own piece of the result.
        let (work, out) = unsafe {
            (
                work.of(worker),
                out.range(matrix * per_matrix..(matrix + 1) * per_matrix),
            )
        };
        if let Err(error) = each(matrix, work, out) {
            let mut first = first_error.lock().unwrap_or_else(PoisonError::into_inner);
            if first.as_ref().is_none_or(|(at, _)| matrix < *at) {
                *first = Some((matrix, error));
            }
        }
    });
    match first_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

fn widen<T: Float>(x: &[T], out: &mut [f64]) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out = x.to_f64());
}

fn narrow<T: Float>(x: &[f64], out: &mut [T]) {
    out.iter_mut().zip(x).for_each(|(out, &x)| *out = T::from_f64(x));
}

/// Lower factors of (.., n, n).
pub(crate) fn cholesky<T: Float>(shape: &Shape, threads: usize) -> Chosen {
    let (count, n, _) = extents(shape);
    let each = n * n;
    Chosen {
        scratch: scratch_bytes::<f64>(each * threads),
        kernel: Box::new(move |args| {
            let a = args.input::<T>(0);
            let level = args.level();
            batched::<T>(args, count, n * n, each, |matrix, l, out| {
                widen(&a[matrix * n * n..][..n * n], l);
                factor::cholesky(level, l, n, matrix)?;
                narrow(l, out);
                Ok(())
            })
        }),
    }
}

/// Solves op(a) x = b for triangular a.
pub(crate) fn triangular_solve<T: Float>(
    shape: &Shape,
    threads: usize,
    lower: bool,
    transpose: bool,
) -> Chosen {
    solved::<T>(shape, threads, move |level, a, x, extents, matrix| {
        factor::triangular_solve(level, a, x, extents, lower, transpose, "triangularSolve", matrix)
    })
}

/// Solves a x = b.
pub(crate) fn solve<T: Float>(shape: &Shape, threads: usize) -> Chosen {
    solved::<T>(shape, threads, |level, a, x, extents, matrix| {
        factor::eliminate(level, a, x, extents).map_err(|pivot| singular("solve", matrix, pivot))?;
        factor::triangular_solve(level, a, x, extents, false, false, "solve", matrix)
    })
}

/// Solutions (.., n, m) for matrices (.., n, n) and right-hand sides: `each` turns a right-hand side into its solution, given the
/// matrix, (n, m), and the number that messages call the matrix by.
fn solved<T: Float>(
    shape: &Shape,
    threads: usize,
    each: impl Fn(Level, &mut [f64], &mut [f64], (usize, usize), usize) -> Result<()> + Send + Sync + 'static,
) -> Chosen {
    let (count, n, m) = extents(shape);
    let per_worker = n * n + n * m;
    Chosen {
        scratch: scratch_bytes::<f64>(per_worker * threads),
        kernel: Box::new(move |args| {
            let (a, b) = (args.input::<T>(0), args.input::<T>(1));
            let level = args.level();
            batched::<T>(args, count, n * m, per_worker, |matrix, work, out| {
                let (wide, x) = work.split_at_mut(n * n);
                widen(&a[matrix * n * n..][..n * n], wide);
                widen(&b[matrix * n * m..][..n * m], x);
                each(level, wide, x, (n, m), matrix)?;
                narrow(x, out);
                Ok(())
            })
        }),
    }
}

/// Determinants of (.., n, n).
pub(crate) fn det<T: Float>(shape: &Shape, threads: usize) -> Chosen {
    let (count, n, _) = extents(shape);
    let each = n * n;
    Chosen {
        scratch: scratch_bytes::<f64>(each * threads),
        kernel: Box::new(move |args| {
            let a = args.input::<T>(0);
            let level = args.level();
            batched::<T>(args, count, 1, each, |matrix, u, out| {
                widen(&a[matrix * n * n..][..n * n], u);
                let sign = factor::eliminate(level, u, &mut [], (n, 0));
                let product = || scaled::product((0..n).map(|i| u[i * n + i]));
                out[0] = T::from_f64(sign.map_or(0.0, |sign| sign * product()));
                Ok(())
            })
        }),
    }
}

/// Cofactors of (.., n, n), or their derivatives in so many directions.
pub(crate) fn cofactors<T: Float>(shape: &Shape, directions: usize, threads: usize) -> Chosen {
    let (count, n, _) = extents(shape);
    let each = cofactors::work_len(n, directions);
    Chosen {
        scratch: scratch_bytes::<f64>(each * threads),
        kernel: Box::new(move |args| {
            let level = args.level();
            let operands: Vec<&[T]> = (0..=directions).map(|i| args.input::<T>(i)).collect();
            batched::<T>(args, count, n * n, each, |matrix, work, out| {
                let fill = |i: usize, to: &mut [f64]| widen(&operands[i][matrix * n * n..][..n * n], to);
                let put = |place: usize, value: f64| out[place] = T::from_f64(value);
                cofactors::cofactors(level, n, directions, work, fill, put);
                Ok(())
            })
        }),
    }
}

/// Eigenvalues and eigenvectors of (.., n, n), laid out (.., n + 1, n).
pub(crate) fn eigh<T: Float>(shape: &Shape, threads: usize) -> Chosen {
    let (count, n, _) = extents(shape);
    let each = eigen::work_len(n);
    Chosen {
        scratch: scratch_bytes::<f64>(each * threads),
        kernel: Box::new(move |args| {
            let a = args.input::<T>(0);
            let (pool, level) = (args.pool(), args.level());
            batched::<T>(args, count, (n + 1) * n, each, |matrix, work, out| {
                let (wide, work) = work.split_at_mut(n * n);
                widen(&a[matrix * n * n..][..n * n], wide);
                eigen::eigh(pool, level, wide, work, n, matrix, |place, value| {
                    out[place] = T::from_f64(value)
                })
            })
        }),
    }
}
