//! Large matrices, block by block: what is no product is confined to blocks of [`BLOCK_ROWS`] rows, and the products between them are the
//! macro-kernel's, part by part on all threads (Anderson and others, LAPACK Users' Guide, section 3.4: block algorithms).
//!
//! How a matrix is divided does not depend on the number of threads, and so the bits do not.

use hyperglow_core::Result;
use hyperglow_core::reference::refusal::not_positive_definite;

use super::factor;
use super::vector::add_scaled;
use super::{narrow, widen};
use crate::cpu::element::Float;
use crate::cpu::gemm::{LeftOperand, Matrix, OutBlock, Prefetch, RightOperand, macro_kernel, work_len};
use crate::cpu::level::Level;
use crate::cpu::pool::{Pool, SharedSlice};

/// Rows from which a matrix is divided.
pub(super) const LARGE_ROWS: usize = 128;
/// Rows of a block: whole tiles of products, and few enough that little is no product.
const BLOCK_ROWS: usize = 48;
/// Rows and columns of a part of a product, and right-hand sides that a task solves for.
pub(super) const PART_LINES: usize = 2 * BLOCK_ROWS;

/// Threads and instructions.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    pub pool: &'a Pool,
    pub level: Level,
}

/// Doubles of scratch of [`cholesky`].
pub(super) fn cholesky_work(n: usize, level: Level, threads: usize) -> usize {
    2 * BLOCK_ROWS * n + BLOCK_ROWS * BLOCK_ROWS + threads * part_work(BLOCK_ROWS, level)
}

/// Doubles of scratch of [`triangular_solve`].
pub(super) fn solve_work(n: usize, level: Level, threads: usize) -> usize {
    threads * columns_work(n, level)
}

/// Doubles of scratch of [`positive_inverse`].
pub(super) fn inverse_work(n: usize, level: Level, threads: usize) -> usize {
    let each = columns_work(n, level).max(PART_LINES * PART_LINES + part_work(n, level));
    2 * n * n + cholesky_work(n, level, threads).max(threads * each)
}

/// What a thread takes for a part of a product of `k` terms.
fn part_work(k: usize, level: Level) -> usize {
    work_len::<f64>(level, k, PART_LINES, PART_LINES, true, true)
}

/// What a thread takes to solve for some columns.
fn columns_work(n: usize, level: Level) -> usize {
    (n + BLOCK_ROWS) * PART_LINES + work_len::<f64>(level, n, BLOCK_ROWS, PART_LINES, true, true)
}

/// a (n, n) becomes L with L L' = a; above the diagonal 0. Reads the lower triangle. `number` is what messages call the matrix.
pub(super) fn cholesky(
    by: Means<'_>,
    a: &mut [f64],
    work: &mut [f64],
    n: usize,
    number: usize,
) -> Result<()> {
    let (panel, work) = work.split_at_mut(BLOCK_ROWS * n);
    let (negative, work) = work.split_at_mut(BLOCK_ROWS * n);
    let (corner, work) = work.split_at_mut(BLOCK_ROWS * BLOCK_ROWS);
    for start in (0..n).step_by(BLOCK_ROWS) {
        let size = BLOCK_ROWS.min(n - start);
        let diagonal = &mut a[start * n + start..];
        factor::cholesky(by.level, diagonal, n, size)
            .map_err(|(pivot, value)| not_positive_definite(number, start + pivot, value))?;
        let end = start + size;
        if end == n {
            break;
        }
        for (line, row) in corner.chunks_exact_mut(BLOCK_ROWS).zip(diagonal.chunks(n)) {
            line.copy_from_slice(&row[..BLOCK_ROWS]);
        }
        let below = BLOCK_ROWS * (n - end);
        let (panel, negative) = (&mut panel[..below], &mut negative[..below]);
        solve_panel(by, a, corner, (panel, negative), n, end);
        subtract_product(by, a, (negative, panel), work, n, end);
    }
    for (r, row) in a.chunks_exact_mut(n).enumerate() {
        row[r + 1..].fill(0.0);
    }
    Ok(())
}

/// The block of columns before `end`, below its diagonal, divided by the transpose of its factor `corner`. Its transpose (BLOCK_ROWS, n - end) and
/// the negative of that are left in `transposed`.
fn solve_panel(
    by: Means<'_>,
    a: &mut [f64],
    corner: &[f64],
    transposed: (&mut [f64], &mut [f64]),
    n: usize,
    end: usize,
) {
    let rest = n - end;
    let a = SharedSlice::new(a);
    let (panel, negative) = (SharedSlice::new(transposed.0), SharedSlice::new(transposed.1));
    by.pool.ranges(rest, PART_LINES, |_, rows| {
        let line = |k: usize| k * rest + rows.start..k * rest + rows.end;
        // SAFETY: rows of `a`, and columns of the transposed panels, that no other task has.
        let (mut lines, minus): ([&mut [f64]; BLOCK_ROWS], [&mut [f64]; BLOCK_ROWS]) = unsafe {
            (
                std::array::from_fn(|k| panel.range(line(k))),
                std::array::from_fn(|k| negative.range(line(k))),
            )
        };
        // SAFETY: as above.
        let row = |r: usize| unsafe { a.range((end + r) * n + end - BLOCK_ROWS..(end + r) * n + end) };
        for (i, r) in rows.clone().enumerate() {
            for (line, &x) in lines.iter_mut().zip(&*row(r)) {
                line[i] = x;
            }
        }
        for k in 0..BLOCK_ROWS {
            let (known, rest) = lines.split_at_mut(k);
            for (j, other) in known.iter().enumerate() {
                add_scaled(by.level, rest[0], -corner[k * BLOCK_ROWS + j], other);
            }
            rest[0].iter_mut().for_each(|x| *x /= corner[k * BLOCK_ROWS + k]);
        }
        for (minus, line) in minus.into_iter().zip(&lines) {
            minus.iter_mut().zip(&**line).for_each(|(minus, x)| *minus = -x);
        }
        for (i, r) in rows.clone().enumerate() {
            row(r).iter_mut().zip(&lines).for_each(|(x, line)| *x = line[i]);
        }
    });
}

/// Subtracts, from rows and columns of a from `end` on, the product of the panel before them and its transpose, given both as rows of the
/// transpose; the part below the diagonal.
fn subtract_product(
    by: Means<'_>,
    a: &mut [f64],
    (negative, panel): (&[f64], &[f64]),
    work: &mut [f64],
    n: usize,
    end: usize,
) {
    let rest = n - end;
    let each = part_work(BLOCK_ROWS, by.level);
    let (a, work) = (SharedSlice::new(a), SharedSlice::new(work));
    let left = Matrix {
        data: negative,
        row: 1,
        col: rest,
    };
    let right = RightOperand::Pack(&Matrix {
        data: panel,
        row: rest,
        col: 1,
    });
    each_pair(by.pool, rest, |worker, rows, cols| {
        let at = (end + rows.start) * n + end + cols.start;
        // SAFETY: a part of the matrix that no other task has, and a worker's own piece of scratch.
        unsafe {
            let target = OutBlock {
                start: a.as_mut_ptr().add(at),
                stride: n,
                add: true,
                prefetch: Prefetch::NONE,
            };
            let work = work.range(worker * each..(worker + 1) * each);
            macro_kernel(
                by.level,
                BLOCK_ROWS,
                LeftOperand::Matrix(left),
                rows,
                &right,
                cols,
                target,
                work,
            );
        }
    });
}

/// Calls `each(worker, rows, columns)` for the parts on and below the diagonal of a square of `n` rows.
pub(super) fn each_pair(
    pool: &Pool,
    n: usize,
    each: impl Fn(usize, std::ops::Range<usize>, std::ops::Range<usize>) + Sync,
) {
    let parts = n.div_ceil(PART_LINES);
    let part = |i: usize| i * PART_LINES..n.min((i + 1) * PART_LINES);
    pool.run(parts * (parts + 1) / 2, |worker, task| {
        let (mut row, mut column) = (0, task);
        while column > row {
            row += 1;
            column -= row;
        }
        each(worker, part(row), part(column));
    });
}

/// `out` (n, m) becomes the solution of a x = b for triangular a without zeros on its diagonal.
pub(super) fn triangular_solve<T: Float>(
    by: Means<'_>,
    a: Matrix<'_, f64>,
    (b, out): (&[T], &mut [T]),
    work: &mut [f64],
    (n, m): (usize, usize),
    forward: bool,
) {
    let each = columns_work(n, by.level);
    let (out, work) = (SharedSlice::new(out), SharedSlice::new(work));
    by.pool.ranges(m, PART_LINES, |worker, columns| {
        // SAFETY: a worker's own piece of scratch.
        let work = unsafe { work.range(worker * each..(worker + 1) * each) };
        let (x, work) = work.split_at_mut(n * columns.len());
        for (r, x) in x.chunks_exact_mut(columns.len()).enumerate() {
            widen(&b[r * m..][columns.clone()], x);
        }
        substitute(by.level, a, x, (n, columns.len()), forward, work);
        for (r, x) in x.chunks_exact(columns.len()).enumerate() {
            // SAFETY: columns that no other task has.
            narrow(x, unsafe {
                out.range(r * m + columns.start..r * m + columns.end)
            });
        }
    });
}

/// x (n, m), at most [`PART_LINES`] columns, becomes the solution of a x = x for triangular a.
fn substitute(
    level: Level,
    a: Matrix<'_, f64>,
    x: &mut [f64],
    (n, m): (usize, usize),
    forward: bool,
    work: &mut [f64],
) {
    let (product, work) = work.split_at_mut(BLOCK_ROWS * m);
    let blocks = n.div_ceil(BLOCK_ROWS);
    for step in 0..blocks {
        let first = BLOCK_ROWS * if forward { step } else { blocks - 1 - step };
        let rows = BLOCK_ROWS.min(n - first);
        let (before, rest) = x.split_at_mut(first * m);
        let (own, after) = rest.split_at_mut(rows * m);
        let (known, from) = if forward {
            (&*before, 0)
        } else {
            (&*after, first + rows)
        };
        if !known.is_empty() {
            let right = Matrix {
                data: known,
                row: m,
                col: 1,
            };
            let target = OutBlock {
                start: product.as_mut_ptr(),
                stride: m,
                add: false,
                prefetch: Prefetch::NONE,
            };
            let left = LeftOperand::Matrix(a.from(first * a.row + from * a.col));
            // SAFETY: `product` has room for a block of rows, and is nobody else's.
            unsafe {
                macro_kernel(
                    level,
                    known.len() / m,
                    left,
                    0..rows,
                    &RightOperand::Pack(&right),
                    0..m,
                    target,
                    work,
                )
            };
            own.iter_mut()
                .zip(&*product)
                .for_each(|(x, product)| *x -= product);
        }
        factor::substitute(level, a.from(first * (a.row + a.col)), own, (rows, m), forward);
    }
}

/// `out` (n, n) becomes the inverse of symmetric positive definite a, of which the lower triangle is read: W' W with W = L^-1.
pub(super) fn positive_inverse<T: Float>(
    by: Means<'_>,
    (a, out): (&[T], &mut [T]),
    work: &mut [f64],
    n: usize,
    number: usize,
) -> Result<()> {
    let (l, work) = work.split_at_mut(n * n);
    let (w, work) = work.split_at_mut(n * n);
    widen(a, l);
    cholesky(by, l, work, n, number)?;
    invert_factor(by, l, w, work, n);
    let each = PART_LINES * PART_LINES + part_work(n, by.level);
    let (out, work) = (SharedSlice::new(out), SharedSlice::new(work));
    each_pair(by.pool, n, |worker, rows, cols| {
        // SAFETY: a worker's own piece of scratch.
        let work = unsafe { work.range(worker * each..(worker + 1) * each) };
        let (part, work) = work.split_at_mut(PART_LINES * PART_LINES);
        // Above these rows W has nothing but zeros in their columns.
        let known = &w[rows.start * n..];
        let left = Matrix {
            data: known,
            row: 1,
            col: n,
        };
        let right = Matrix {
            data: known,
            row: n,
            col: 1,
        };
        let target = OutBlock {
            start: part.as_mut_ptr(),
            stride: cols.len(),
            add: false,
            prefetch: Prefetch::NONE,
        };
        // SAFETY: `part` has room for a part, and is nobody else's.
        unsafe {
            macro_kernel(
                by.level,
                n - rows.start,
                LeftOperand::Matrix(left),
                rows.clone(),
                &RightOperand::Pack(&right),
                cols.clone(),
                target,
                work,
            )
        };
        let part = &part[..rows.len() * cols.len()];
        for (r, line) in rows.clone().zip(part.chunks_exact(cols.len())) {
            // SAFETY: a part of the result that no other task has; its mirror image below is no other task's either.
            narrow(line, unsafe { out.range(r * n + cols.start..r * n + cols.end) });
        }
        if rows != cols {
            for (i, c) in cols.clone().enumerate() {
                // SAFETY: as above.
                let mirrored = unsafe { out.range(c * n + rows.start..c * n + rows.end) };
                let column = part[i..].iter().step_by(cols.len());
                mirrored
                    .iter_mut()
                    .zip(column)
                    .for_each(|(to, &x)| *to = T::from_f64(x));
            }
        }
    });
    Ok(())
}

/// The inverse of lower triangular l, in w: the columns of each part from the part's first row on, zeros included.
fn invert_factor(by: Means<'_>, l: &[f64], w: &mut [f64], work: &mut [f64], n: usize) {
    let each = columns_work(n, by.level);
    let (w, work) = (SharedSlice::new(w), SharedSlice::new(work));
    let l = Matrix {
        data: l,
        row: n,
        col: 1,
    };
    by.pool.ranges(n, PART_LINES, |worker, columns| {
        // SAFETY: a worker's own piece of scratch.
        let work = unsafe { work.range(worker * each..(worker + 1) * each) };
        let (first, width) = (columns.start, columns.len());
        // Solutions begin where the right-hand sides, columns of the identity, do.
        let (x, work) = work.split_at_mut((n - first) * width);
        x.fill(0.0);
        (0..width).for_each(|i| x[i * width + i] = 1.0);
        substitute(
            by.level,
            l.from(first * (n + 1)),
            x,
            (n - first, width),
            true,
            work,
        );
        for (r, x) in (first..n).zip(x.chunks_exact(width)) {
            // SAFETY: columns that no other task has.
            unsafe { w.range(r * n + first..r * n + first + width) }.copy_from_slice(x);
        }
    });
}
