//! Dense linear algebra on the last two axes, computed in float64 whatever the dtype.
//!
//! Matrices of a batch are spread over the threads; a matrix on its own is one thread's, but for the eigenvectors, and but for factors,
//! triangular systems and inverses of [`blocked::LARGE_ROWS`] rows and more, which take all threads one after the other. The first matrix that
//! has no answer is the one that is reported.

mod blocked;
mod cofactors;
mod congruence;
mod eigen;
mod factor;
mod scaled;
mod vector;

use std::sync::{Mutex, PoisonError};

use hyperglow_core::reference::refusal::{not_positive_definite, singular};
use hyperglow_core::{Error, Result, Shape};

use self::blocked::Means;
pub(crate) use self::congruence::congruence;
use super::element::Float;
use super::exec::{Args, Chosen, Env, scratch_bytes};
use super::gemm::Matrix;
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
pub(crate) fn cholesky<T: Float>(shape: &Shape, env: &Env) -> Chosen {
    let (count, n, _) = extents(shape);
    if n >= blocked::LARGE_ROWS {
        return large_cholesky::<T>((count, n), env);
    }
    let each = n * n;
    Chosen {
        scratch: scratch_bytes::<f64>(each * env.pool.threads()),
        serial: count == 1,
        kernel: Box::new(move |args| {
            let a = args.input::<T>(0);
            let level = args.level();
            batched::<T>(args, count, n * n, each, |matrix, l, out| {
                widen(&a[matrix * n * n..][..n * n], l);
                factor::cholesky(level, l, n, n)
                    .map_err(|(pivot, value)| not_positive_definite(matrix, pivot, value))?;
                narrow(l, out);
                Ok(())
            })
        }),
    }
}

fn large_cholesky<T: Float>((count, n): (usize, usize), env: &Env) -> Chosen {
    let work_len = blocked::cholesky_work(n, env.level, env.pool.threads());
    Chosen {
        scratch: scratch_bytes::<f64>(n * n) + scratch_bytes::<f64>(work_len),
        serial: false,
        kernel: Box::new(move |args| {
            let (a, out) = (args.input::<T>(0), args.output::<T>());
            let (l, work) = (args.scratch::<f64>(n * n), args.scratch::<f64>(work_len));
            for matrix in 0..count {
                let all = matrix * n * n..(matrix + 1) * n * n;
                widen(&a[all.clone()], l);
                blocked::cholesky(means(args), l, work, n, matrix)?;
                narrow(l, &mut out[all]);
            }
            Ok(())
        }),
    }
}

fn means<'a>(args: &Args<'a>) -> Means<'a> {
    Means {
        pool: args.pool(),
        level: args.level(),
    }
}

/// Inverses of symmetric positive definite (.., n, n).
pub(crate) fn positive_inverse<T: Float>(shape: &Shape, env: &Env) -> Chosen {
    let (count, n, _) = extents(shape);
    if n >= blocked::LARGE_ROWS {
        return large_inverse::<T>((count, n), env);
    }
    let each = 2 * n * n;
    Chosen {
        scratch: scratch_bytes::<f64>(each * env.pool.threads()),
        serial: count == 1,
        kernel: Box::new(move |args| {
            let a = args.input::<T>(0);
            let level = args.level();
            batched::<T>(args, count, n * n, each, |matrix, work, out| {
                let (inverse, work) = work.split_at_mut(n * n);
                widen(&a[matrix * n * n..][..n * n], inverse);
                factor::positive_inverse(level, inverse, work, n)
                    .map_err(|(pivot, value)| not_positive_definite(matrix, pivot, value))?;
                narrow(inverse, out);
                Ok(())
            })
        }),
    }
}

fn large_inverse<T: Float>((count, n): (usize, usize), env: &Env) -> Chosen {
    let work_len = blocked::inverse_work(n, env.level, env.pool.threads());
    Chosen {
        scratch: scratch_bytes::<f64>(work_len),
        serial: false,
        kernel: Box::new(move |args| {
            let (a, out) = (args.input::<T>(0), args.output::<T>());
            let work = args.scratch::<f64>(work_len);
            for matrix in 0..count {
                let all = matrix * n * n..(matrix + 1) * n * n;
                blocked::positive_inverse(means(args), (&a[all.clone()], &mut out[all]), work, n, matrix)?;
            }
            Ok(())
        }),
    }
}

/// Solves op(a) x = b for triangular a.
pub(crate) fn triangular_solve<T: Float>(shape: &Shape, env: &Env, lower: bool, transpose: bool) -> Chosen {
    let forward = lower != transpose;
    let (count, n, m) = extents(shape);
    if n >= blocked::LARGE_ROWS {
        return large_triangular_solve::<T>((count, n, m), env, transpose, forward);
    }
    solved::<T>(shape, env.pool.threads(), move |level, a, x, (n, m), matrix| {
        let a = operand(a, n, transpose);
        if let Some(pivot) = factor::zero_pivot(a, n, forward) {
            return Err(singular("triangularSolve", matrix, pivot));
        }
        factor::substitute(level, a, x, (n, m), forward);
        Ok(())
    })
}

fn large_triangular_solve<T: Float>(
    (count, n, m): (usize, usize, usize),
    env: &Env,
    transpose: bool,
    forward: bool,
) -> Chosen {
    let work_len = blocked::solve_work(n, env.level, env.pool.threads());
    Chosen {
        scratch: scratch_bytes::<f64>(n * n) + scratch_bytes::<f64>(work_len),
        serial: false,
        kernel: Box::new(move |args| {
            let (a, b, out) = (args.input::<T>(0), args.input::<T>(1), args.output::<T>());
            let (wide, work) = (args.scratch::<f64>(n * n), args.scratch::<f64>(work_len));
            for matrix in 0..count {
                widen(&a[matrix * n * n..][..n * n], wide);
                let a = operand(wide, n, transpose);
                if let Some(pivot) = factor::zero_pivot(a, n, forward) {
                    return Err(singular("triangularSolve", matrix, pivot));
                }
                let all = matrix * n * m..(matrix + 1) * n * m;
                let sides = (&b[all.clone()], &mut out[all]);
                blocked::triangular_solve(means(args), a, sides, work, (n, m), forward);
            }
            Ok(())
        }),
    }
}

/// The matrix (n, n), or its transpose.
fn operand(a: &[f64], n: usize, transpose: bool) -> Matrix<'_, f64> {
    let plain = Matrix {
        data: a,
        row: n,
        col: 1,
    };
    if transpose { plain.t() } else { plain }
}

/// Solves a x = b.
pub(crate) fn solve<T: Float>(shape: &Shape, threads: usize) -> Chosen {
    solved::<T>(shape, threads, |level, a, x, extents, matrix| {
        factor::eliminate(level, a, x, extents).map_err(|pivot| singular("solve", matrix, pivot))?;
        factor::substitute(level, operand(a, extents.0, false), x, extents, false);
        Ok(())
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
        serial: count == 1,
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
        serial: count == 1,
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
        serial: count == 1,
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
        serial: count == 1,
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
