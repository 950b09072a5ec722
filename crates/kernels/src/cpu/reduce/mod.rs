//! Reductions over any axes, and argmax. The order of combination depends only on the shape.

/// `$run::<C>($args)` with the [`Reducer`] of a reduction of a dtype.
macro_rules! with_reducer {
    ($kind:expr, $dtype:expr, $run:ident($($arg:expr),*)) => {
        match ($kind, $dtype) {
            (Reduction::Sum, DType::F32) => $run::<SumF32>($($arg),*),
            (Reduction::Sum, DType::F64) => $run::<SumF64>($($arg),*),
            (Reduction::Sum, DType::U8 | DType::Bool) => $run::<SumInt<u8>>($($arg),*),
            (Reduction::Sum, DType::I32) => $run::<SumInt<i32>>($($arg),*),
            (Reduction::Sum, DType::U32) => $run::<SumInt<u32>>($($arg),*),
            (Reduction::Sum, DType::I64) => $run::<SumInt<i64>>($($arg),*),
            (Reduction::Max, dtype) => for_dtype!(dtype, T => $run::<Max<T>>($($arg),*)),
            (Reduction::Min, dtype) => for_dtype!(dtype, T => $run::<Min<T>>($($arg),*)),
        }
    };
}

mod layout;
mod reducer;
mod row_reducer;

pub(crate) use row_reducer::RowReducer;

use hyperglow_core::op::{Reduction, Spec};
use hyperglow_core::{DType, Shape};

use super::element::{Element, for_dtype};
use super::exec::{Args, Chosen, Kernel, scratch_bytes};
use super::level::Level;
use super::pool::SharedSlice;
use layout::Layout;
use reducer::{
    Columns, Max, Min, Reducer, Row, STRIP_COLUMNS, SumF32, SumF64, SumInt, column_argmax, columns, row,
    row_argmax, rows, widen_columns,
};

/// Elements of a task, for reductions with many results.
const TASK_ELEMENTS: usize = 1 << 14;

/// The kernel of a reduction of `x` over `axes`.
pub(crate) fn compile(kind: Reduction, axes: &[usize], x: &Spec) -> Chosen {
    let layout = Layout::new(&x.shape, axes);
    let scratch = with_reducer!(kind, x.dtype, partial_bytes(&layout));
    let kernel = with_reducer!(kind, x.dtype, kernel(layout));
    Chosen {
        kernel,
        scratch,
        serial: false,
    }
}

/// As [`compile`], without splits and scratch: for `x` that one thread reduces.
pub(crate) fn compile_unsplit(kind: Reduction, axes: &[usize], x: &Spec) -> Kernel {
    let layout = Layout::new(&x.shape, axes).unsplit();
    with_reducer!(kind, x.dtype, kernel(layout))
}

/// Bytes of the partial results of all splits.
fn partial_bytes<C: Reducer>(layout: &Layout) -> usize {
    if layout.splits == 1 {
        0
    } else {
        scratch_bytes::<C::Wide>(layout.groups * layout.width * layout.splits)
    }
}

fn kernel<C: Reducer>(layout: Layout) -> Kernel {
    Box::new(move |args| {
        let x = args.input::<C::Elem>(0);
        let out = args.output::<C::Out>();
        let level = args.level();
        if x.is_empty() {
            out.fill(C::narrow(C::WIDE_IDENTITY));
        } else if layout.splits > 1 {
            split_reduction::<C>(args, &layout, x, out);
        } else if let Some(len) = layout.row_len() {
            let per_task = (TASK_ELEMENTS / len).max(1);
            args.pool().chunks(out, per_task, |_, i, results| {
                rows::<C>(
                    level,
                    &x[i * per_task * len..][..results.len() * len],
                    len,
                    results,
                );
            });
        } else if layout.width == 1 {
            let per_task = (TASK_ELEMENTS / (layout.runs * layout.rows)).max(1);
            args.pool().chunks(out, per_task, |_, i, results| {
                for (j, out) in results.iter_mut().enumerate() {
                    *out = C::narrow(row_total::<C>(level, &layout, x, i * per_task + j, 0));
                }
            });
        } else {
            let tiles = layout.width.div_ceil(STRIP_COLUMNS);
            let per_task = (TASK_ELEMENTS / (layout.runs * layout.rows * layout.width)).max(1);
            let out = SharedSlice::new(out);
            args.pool().ranges(layout.groups * tiles, per_task, |_, range| {
                for task in range {
                    let (group, first) = (task / tiles, task % tiles * STRIP_COLUMNS);
                    let width = STRIP_COLUMNS.min(layout.width - first);
                    let at = group * layout.width + first;
                    // SAFETY: tiles of results do not overlap.
                    let out = unsafe { out.range(at..at + width) };
                    tile::<C>(level, &layout, x, (group, 0), (first, width), |j, wide| {
                        out[j] = C::narrow(wide)
                    });
                }
            });
        }
        Ok(())
    })
}

/// Reduces each split of each group, then combines their results in order.
fn split_reduction<C: Reducer>(args: &Args<'_>, layout: &Layout, x: &[C::Elem], out: &mut [C::Out]) {
    let results = layout.groups * layout.width;
    let partial = args.scratch::<C::Wide>(results * layout.splits);
    let tiles = layout.width.div_ceil(STRIP_COLUMNS);
    let shared = SharedSlice::new(&mut *partial);
    let level = args.level();
    args.pool().run(layout.groups * tiles * layout.splits, |_, task| {
        let (split, rest) = (task % layout.splits, task / layout.splits);
        let (group, first) = (rest / tiles, rest % tiles * STRIP_COLUMNS);
        let width = STRIP_COLUMNS.min(layout.width - first);
        let at = split * results + group * layout.width + first;
        // SAFETY: parts and tiles of results do not overlap.
        let out = unsafe { shared.range(at..at + width) };
        if layout.width == 1 {
            out[0] = row_total::<C>(level, layout, x, group, split);
        } else {
            tile::<C>(level, layout, x, (group, split), (first, width), |j, wide| {
                out[j] = wide
            });
        }
    });
    for (i, out) in out.iter_mut().enumerate() {
        let total = (0..layout.splits).fold(C::WIDE_IDENTITY, |a, split| {
            C::merge(a, partial[split * results + i])
        });
        *out = C::narrow(total);
    }
}

/// The reduction of a group of width 1, or of one of its splits.
fn row_total<C: Reducer>(
    level: Level,
    layout: &Layout,
    x: &[C::Elem],
    group: usize,
    split: usize,
) -> C::Wide {
    let mut sum = Row::<C>::new();
    layout.stretches(layout.group_start(group), split, |start, count| {
        row::<C>(level, &x[start..start + count], &mut sum);
    });
    sum.total()
}

/// The reductions of `width` neighboring columns of a group, from column `first` on.
fn tile<C: Reducer>(
    level: Level,
    layout: &Layout,
    x: &[C::Elem],
    (group, split): (usize, usize),
    (first, width): (usize, usize),
    mut store: impl FnMut(usize, C::Wide),
) {
    // Several narrow rows are reduced as one long row: they are contiguous, and long rows are faster.
    let rows_per_pass = if width == layout.width {
        (STRIP_COLUMNS / width).max(1)
    } else {
        1
    };
    let filled = width * rows_per_pass;
    let mut sums = Columns::<C>::new(filled);
    layout.stretches(layout.group_start(group), split, |start, count| {
        let x = &x[start + first..];
        let (whole, rest) = (count / rows_per_pass, count % rows_per_pass);
        let stride = layout.width * rows_per_pass;
        columns::<C>(level, x, whole, stride, filled, &mut sums);
        if rest > 0 {
            columns::<C>(level, &x[whole * stride..], 1, stride, rest * width, &mut sums);
        }
    });
    widen_columns::<C>(level, &mut sums);
    for j in 0..width {
        store(j, sums.total(j, width));
    }
}

/// Position of the first maximum along `axis`; NaN is the largest.
pub(crate) fn argmax<T: Element>(shape: &Shape, axis: usize) -> Kernel {
    let extent = shape[axis];
    let inner: usize = shape.dims()[axis + 1..].iter().product();
    Box::new(move |args| {
        let (x, out, level) = (args.input::<T>(0), args.output::<i32>(), args.level());
        if out.is_empty() {
            return Ok(());
        }
        if inner == 1 {
            let per_task = (TASK_ELEMENTS / extent).max(1);
            args.pool().chunks(out, per_task, |_, i, results| {
                let x = &x[i * per_task * extent..][..results.len() * extent];
                row_argmax::<T>(level, x, extent, results);
            });
            return Ok(());
        }
        let tiles = inner.div_ceil(STRIP_COLUMNS);
        let outer = out.len() / inner;
        let per_task = (TASK_ELEMENTS / (extent * inner.min(STRIP_COLUMNS))).max(1);
        let out = SharedSlice::new(out);
        args.pool().ranges(outer * tiles, per_task, |_, range| {
            for task in range {
                let (outer, first) = (task / tiles, task % tiles * STRIP_COLUMNS);
                let width = STRIP_COLUMNS.min(inner - first);
                let at = outer * inner + first;
                // SAFETY: tiles of results do not overlap.
                let out = unsafe { out.range(at..at + width) };
                column_argmax::<T>(level, &x[outer * extent * inner + first..], extent, inner, out);
            }
        });
        Ok(())
    })
}
