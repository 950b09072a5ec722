//! The epilogue: what is done with each finished part of a result.

use std::ops::Range;

use crate::cpu::element::Element;
use crate::cpu::pool::SharedSlice;

/// `epilogue(worker, start, elements)` is called for each finished part of a result: row by row, or for some contiguous
/// rows at a time. Elements are numbered through all results.
pub(crate) type Epilogue<'a, T> = dyn Fn(usize, usize, &[T]) + Sync + 'a;

/// Calls `epilogue` for rows and columns of the result that begins at element `first`.
///
/// # Safety
/// They must be written, and nobody may write them any more.
pub(super) unsafe fn run_epilogue<T: Copy>(
    c: &SharedSlice<'_, T>,
    first: usize,
    stride: usize,
    (rows, cols): (Range<usize>, Range<usize>),
    worker: usize,
    epilogue: &Epilogue<'_, T>,
) {
    let call = |elements: Range<usize>| {
        // SAFETY: as the caller promises.
        epilogue(worker, elements.start, unsafe { c.range(elements) });
    };
    if cols.len() == stride {
        return call(first + rows.start * stride..first + rows.end * stride);
    }
    for row in rows {
        call(first + row * stride + cols.start..first + row * stride + cols.end);
    }
}

/// Writes `small`, which is C^T for some of its rows and columns, to C: `rows` by `columns` of the matrix with
/// `stride` between rows that starts at `first`.
pub(super) fn store_transposed<T: Element>(
    small: &[T],
    rows: Range<usize>,
    columns: Range<usize>,
    c: &SharedSlice<'_, T>,
    first: usize,
    stride: usize,
) {
    // A cache line of each row at a time.
    for start in columns.clone().step_by(16) {
        let end = columns.end.min(start + 16);
        for row in rows.clone() {
            let at = first + row * stride;
            // SAFETY: within C, and these rows and columns are one task's.
            let line = unsafe { c.range(at + start..at + end) };
            for (i, out) in line.iter_mut().enumerate() {
                *out = small[(start - columns.start + i) * rows.len() + row - rows.start];
            }
        }
    }
}
