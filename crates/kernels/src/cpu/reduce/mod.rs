//! Reductions over any axes, and the position of the maximum. The order of combination is fixed by the shape.

/// `$run::<C>($args)` with the [`Combine`] of a reduction of a dtype.
macro_rules! with_combine {
    ($kind:expr, $dtype:expr, $run:ident($($arg:expr),*)) => {
        match ($kind, $dtype) {
            (Reduction::Sum, DType::F32) => $run::<SumF32>($($arg),*),
            (Reduction::Sum, DType::F64) => $run::<SumF64>($($arg),*),
            (Reduction::Sum, DType::U8 | DType::Bool) => $run::<Total<u8>>($($arg),*),
            (Reduction::Sum, DType::I32) => $run::<Total<i32>>($($arg),*),
            (Reduction::Sum, DType::U32) => $run::<Total<u32>>($($arg),*),
            (Reduction::Sum, DType::I64) => $run::<Total<i64>>($($arg),*),
            (Reduction::Max, dtype) => for_dtype!(dtype, T => $run::<Largest<T>>($($arg),*)),
            (Reduction::Min, dtype) => for_dtype!(dtype, T => $run::<Smallest<T>>($($arg),*)),
        }
    };
}

mod combine;
mod folding;
mod layout;

pub(crate) use folding::Folding;

use hyperglow_core::op::{Reduction, Spec};
use hyperglow_core::{DType, Shape};

use super::element::{Element, for_dtype};
use super::exec::{Args, Chosen, Kernel, scratch_bytes};
use super::level::Level;
use super::pool::SharedSlice;
use combine::{
    Columns, Combine, Largest, Row, STRIP_COLUMNS, Smallest, SumF32, SumF64, Total, column_positions,
    columns, row, row_positions, rows, widen_columns,
};
use layout::Layout;

/// Elements read by one task, when there are many results.
const TASK_ELEMENTS: usize = 1 << 14;

/// The kernel of a reduction of `x` over `axes`.
pub(crate) fn compile(kind: Reduction, axes: &[usize], x: &Spec) -> Chosen {
    let layout = Layout::new(&x.shape, axes);
    let scratch = with_combine!(kind, x.dtype, partial_bytes(&layout));
    let kernel = with_combine!(kind, x.dtype, kernel(layout));
    Chosen { kernel, scratch }
}

/// The same without scratch: for `x` that a thread goes through by itself.
pub(crate) fn compile_whole(kind: Reduction, axes: &[usize], x: &Spec) -> Kernel {
    let layout = Layout::new(&x.shape, axes).whole();
    with_combine!(kind, x.dtype, kernel(layout))
}

/// Room for the partial results of each part.
fn partial_bytes<C: Combine>(layout: &Layout) -> usize {
    if layout.parts == 1 {
        0
    } else {
        scratch_bytes::<C::Wide>(layout.groups * layout.width * layout.parts)
    }
}

fn kernel<C: Combine>(layout: Layout) -> Kernel {
    Box::new(move |args| {
        let x = args.input::<C::Elem>(0);
        let out = args.output::<C::Out>();
        let level = args.level();
        if x.is_empty() {
            out.fill(C::narrow(C::WIDE_NOTHING));
        } else if layout.parts > 1 {
            in_parts::<C>(args, &layout, x, out);
        } else if let Some(len) = layout.row_len() {
            let together = (TASK_ELEMENTS / len).max(1);
            args.pool().chunks(out, together, |_, i, piece| {
                rows::<C>(level, &x[i * together * len..][..piece.len() * len], len, piece);
            });
        } else if layout.width == 1 {
            let together = (TASK_ELEMENTS / (layout.runs * layout.rows)).max(1);
            args.pool().chunks(out, together, |_, i, piece| {
                for (j, out) in piece.iter_mut().enumerate() {
                    *out = C::narrow(one::<C>(level, &layout, x, i * together + j, 0));
                }
            });
        } else {
            let tiles = layout.width.div_ceil(STRIP_COLUMNS);
            let together = (TASK_ELEMENTS / (layout.runs * layout.rows * layout.width)).max(1);
            let out = SharedSlice::new(out);
            args.pool().ranges(layout.groups * tiles, together, |_, range| {
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

/// Each part of each group on its own, then their results in order.
fn in_parts<C: Combine>(args: &Args<'_>, layout: &Layout, x: &[C::Elem], out: &mut [C::Out]) {
    let results = layout.groups * layout.width;
    let partial = args.scratch::<C::Wide>(results * layout.parts);
    let tiles = layout.width.div_ceil(STRIP_COLUMNS);
    let shared = SharedSlice::new(&mut *partial);
    let level = args.level();
    args.pool().run(layout.groups * tiles * layout.parts, |_, task| {
        let (part, rest) = (task % layout.parts, task / layout.parts);
        let (group, first) = (rest / tiles, rest % tiles * STRIP_COLUMNS);
        let width = STRIP_COLUMNS.min(layout.width - first);
        let at = part * results + group * layout.width + first;
        // SAFETY: parts and tiles of results do not overlap.
        let out = unsafe { shared.range(at..at + width) };
        if layout.width == 1 {
            out[0] = one::<C>(level, layout, x, group, part);
        } else {
            tile::<C>(level, layout, x, (group, part), (first, width), |j, wide| {
                out[j] = wide
            });
        }
    });
    for (i, out) in out.iter_mut().enumerate() {
        let total = (0..layout.parts).fold(C::WIDE_NOTHING, |a, part| {
            C::merge(a, partial[part * results + i])
        });
        *out = C::narrow(total);
    }
}

/// A result whose elements lie in runs of neighbors.
fn one<C: Combine>(level: Level, layout: &Layout, x: &[C::Elem], group: usize, part: usize) -> C::Wide {
    let mut sum = Row::<C>::new();
    layout.stretches(layout.group_start(group), part, |start, count| {
        row::<C>(level, &x[start..start + count], &mut sum);
    });
    sum.total()
}

/// `width` neighboring results of a group, from column `first` on.
fn tile<C: Combine>(
    level: Level,
    layout: &Layout,
    x: &[C::Elem],
    (group, part): (usize, usize),
    (first, width): (usize, usize),
    mut store: impl FnMut(usize, C::Wide),
) {
    // Narrow rows are taken several at a time: they have no gaps, and long rows are faster.
    let together = if width == layout.width {
        (STRIP_COLUMNS / width).max(1)
    } else {
        1
    };
    let filled = width * together;
    let mut sums = Columns::<C>::new(filled);
    layout.stretches(layout.group_start(group), part, |start, count| {
        let x = &x[start + first..];
        let (whole, rest) = (count / together, count % together);
        let stride = layout.width * together;
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
            let together = (TASK_ELEMENTS / extent).max(1);
            args.pool().chunks(out, together, |_, i, piece| {
                let x = &x[i * together * extent..][..piece.len() * extent];
                row_positions::<T>(level, x, extent, piece);
            });
            return Ok(());
        }
        let tiles = inner.div_ceil(STRIP_COLUMNS);
        let outer = out.len() / inner;
        let together = (TASK_ELEMENTS / (extent * inner.min(STRIP_COLUMNS))).max(1);
        let out = SharedSlice::new(out);
        args.pool().ranges(outer * tiles, together, |_, range| {
            for task in range {
                let (outer, first) = (task / tiles, task % tiles * STRIP_COLUMNS);
                let width = STRIP_COLUMNS.min(inner - first);
                let at = outer * inner + first;
                // SAFETY: tiles of results do not overlap.
                let out = unsafe { out.range(at..at + width) };
                column_positions::<T>(level, &x[outer * extent * inner + first..], extent, inner, out);
            }
        });
        Ok(())
    })
}
