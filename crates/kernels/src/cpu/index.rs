//! Indexing: take and gather, and their adjoints index-add and scatter-add. Indices are checked before anything is
//! written. Additions to one position are made in the order of the indices.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use hyperglow_core::reference::refusal::index_out_of_range;
use hyperglow_core::{DType, Result, Shape};

use super::element::{Element, for_dtype};
use super::exec::{Args, Chosen, Kernel, Word, for_word};
use super::pool::{Pool, SharedSlice};

/// Elements of one task.
const TASK_ELEMENTS: usize = 1 << 14;
/// Indices that are tested together: consecutive indices, as of windows, select contiguous elements.
const RUN_INDICES: usize = 16;

/// Indices of type int32 or int64.
#[derive(Clone, Copy)]
enum Indices<'a> {
    Narrow(&'a [i32]),
    Wide(&'a [i64]),
}

impl Indices<'_> {
    #[inline(always)]
    fn at(&self, i: usize) -> usize {
        match self {
            Indices::Narrow(x) => x[i] as usize,
            Indices::Wide(x) => x[i] as usize,
        }
    }

    /// The number of indices from `i` on in one run, at least 1, and whether the indices of the run are consecutive.
    #[inline(always)]
    fn run(&self, i: usize) -> (usize, bool) {
        match self {
            Indices::Narrow(x) => run_of(&x[i..], |first, k| first.wrapping_add(k as i32)),
            Indices::Wide(x) => run_of(&x[i..], |first, k| first.wrapping_add(k as i64)),
        }
    }

    /// The first index outside `0..extent`, and its position.
    fn outside(&self, pool: &Pool, extent: usize) -> Option<(usize, i64)> {
        match self {
            Indices::Narrow(x) => {
                let at = first_outside(pool, x, |&i| i as u32 as usize >= extent)?;
                Some((at, i64::from(x[at])))
            }
            Indices::Wide(x) => {
                let at = first_outside(pool, x, |&i| i as u64 >= extent as u64)?;
                Some((at, x[at]))
            }
        }
    }
}

/// See [`Indices::run`].
#[inline(always)]
fn run_of<T: Copy + PartialEq>(x: &[T], after: impl Fn(T, usize) -> T) -> (usize, bool) {
    let Some(run) = x.first_chunk::<RUN_INDICES>() else {
        return (x.len(), false);
    };
    // Without a branch for each index.
    let neighbors = (0..RUN_INDICES).fold(true, |all, k| all & (run[k] == after(run[0], k)));
    (RUN_INDICES, neighbors)
}

/// The position of the first index that is `outside`.
fn first_outside<T: Sync>(pool: &Pool, x: &[T], outside: impl Fn(&T) -> bool + Sync) -> Option<usize> {
    let found = AtomicBool::new(false);
    pool.run(x.len().div_ceil(TASK_ELEMENTS), |_, i| {
        let piece = &x[i * TASK_ELEMENTS..x.len().min((i + 1) * TASK_ELEMENTS)];
        // Whether there is one, without a branch for each index.
        if piece.iter().fold(false, |any, i| any | outside(i)) {
            found.store(true, Relaxed);
        }
    });
    found.into_inner().then(|| x.iter().position(outside))?
}

/// Input `i`, whose shape is `dims`, as indices into `axis` of `extent` elements.
fn indices<'a>(
    args: &Args<'a>,
    i: usize,
    dtype: DType,
    op: &str,
    dims: &[usize],
    (axis, extent): (usize, usize),
) -> Result<Indices<'a>> {
    let all = match dtype {
        DType::I64 => Indices::Wide(args.input(i)),
        _ => Indices::Narrow(args.input(i)),
    };
    let Some((mut at, index)) = all.outside(args.pool(), extent) else {
        return Ok(all);
    };
    let mut position = vec![0; dims.len()];
    for (position, &extent) in position.iter_mut().zip(dims).rev() {
        *position = at % extent;
        at /= extent;
    }
    Err(index_out_of_range(op, index, &position, axis, extent))
}

/// (elements before, extent, elements after) of an axis.
fn around(shape: &Shape, axis: usize) -> (usize, usize, usize) {
    let dims = shape.dims();
    (
        dims[..axis].iter().product(),
        dims[axis],
        dims[axis + 1..].iter().product(),
    )
}

/// `out[.., i, ..] = x[.., index[i], ..]`.
pub(crate) fn take(x: &Shape, axis: usize, dtype: DType, index: DType) -> Kernel {
    for_word!(dtype, T => take_words::<T>(x, axis, index))
}

fn take_words<T: Word>(x: &Shape, axis: usize, index: DType) -> Kernel {
    let (_, extent, inner) = around(x, axis);
    Box::new(move |args| {
        let x = args.input_words::<T>(0);
        let count = args.input_len(1);
        let index = indices(args, 1, index, "take", &[count], (axis, extent))?;
        let out = args.output_words::<T>();
        if out.is_empty() {
            return Ok(());
        }
        // Whole slices: the last task may have fewer.
        let together = (TASK_ELEMENTS / inner).max(1);
        args.pool().chunks(out, together * inner, |_, i, mut piece| {
            let (mut outer, mut j) = (i * together / count, i * together % count);
            while !piece.is_empty() {
                let (found, neighbors) = index.run(j);
                let slices = found.min(piece.len() / inner);
                let (to, rest) = piece.split_at_mut(slices * inner);
                let from = |j: usize| (outer * extent + index.at(j)) * inner;
                if neighbors {
                    to.copy_from_slice(&x[from(j)..][..to.len()]);
                } else {
                    for (to, j) in to.chunks_exact_mut(inner).zip(j..) {
                        to.copy_from_slice(&x[from(j)..][..inner]);
                    }
                }
                (piece, j) = (rest, j + slices);
                if j == count {
                    (outer, j) = (outer + 1, 0);
                }
            }
        });
        Ok(())
    })
}

/// Zeros, with `src[.., i, ..]` added at `index[i]`, of `count` indices.
pub(crate) fn index_add(to: &Shape, count: usize, axis: usize, dtype: DType, index: DType) -> Chosen {
    for_dtype!(dtype, T => index_add_of::<T>(to, count, axis, index))
}

fn index_add_of<T: Element>(to: &Shape, count: usize, axis: usize, index: DType) -> Chosen {
    let (outer, extent, inner) = around(to, axis);
    // A task owns some columns of one outer index, and adds in the order of the indices.
    let width = if outer * count * inner < TASK_ELEMENTS {
        inner.max(1)
    } else {
        inner.clamp(1, 256)
    };
    let columns = inner.div_ceil(width);
    let kernel: Kernel = Box::new(move |args| {
        let index = indices(args, 0, index, "indexAdd", &[count], (axis, extent))?;
        let src = args.input::<T>(1);
        let out = args.output::<T>();
        out.fill(T::ZERO);
        let out = SharedSlice::new(out);
        args.pool().run(outer * columns, |_, task| {
            if inner == 1 {
                // SAFETY: the elements of this outer index are one task's.
                let to = unsafe { out.range(task * extent..(task + 1) * extent) };
                let from = &src[task * count..][..count];
                return match index {
                    Indices::Narrow(index) => add_elements(index, from, to),
                    Indices::Wide(index) => add_elements(index, from, to),
                };
            }
            let (o, first) = (task / columns, task % columns * width);
            let len = width.min(inner - first);
            let add = |i: usize, len: usize| {
                let at = (o * extent + index.at(i)) * inner + first;
                // SAFETY: these columns of this outer index are one task's.
                let to = unsafe { out.range(at..at + len) };
                let from = &src[(o * count + i) * inner + first..][..len];
                to.iter_mut().zip(from).for_each(|(to, &x)| *to = to.plus(x));
            };
            let mut i = 0;
            while i < count {
                let (found, neighbors) = index.run(i);
                if neighbors && columns == 1 {
                    add(i, found * inner);
                } else {
                    (i..i + found).for_each(|i| add(i, len));
                }
                i += found;
            }
        });
        Ok(())
    });
    Chosen {
        kernel,
        scratch: 0,
        serial: outer * columns == 1,
    }
}

/// Adds every element at its index.
fn add_elements<T: Element, I: Index>(index: &[I], from: &[T], to: &mut [T]) {
    for (i, &x) in index.iter().zip(from) {
        let to = &mut to[i.position()];
        *to = to.plus(x);
    }
}

/// The axes of a tensor of indices into another tensor: per axis the index's extent and the other's stride (0 on the
/// indexed axis).
struct Along {
    axes: Box<[(usize, usize)]>,
    dims: Box<[usize]>,
    axis: usize,
    extent: usize,
    /// The other's stride on the indexed axis.
    stride: usize,
}

impl Along {
    fn new(index: &Shape, other: &Shape, axis: usize) -> Along {
        let strides = other.strides();
        let stride = |i: usize| if i == axis { 0 } else { strides[i] };
        Along {
            axes: (0..index.rank()).map(|i| (index[i], stride(i))).collect(),
            dims: index.dims().into(),
            axis,
            extent: other[axis],
            stride: strides[axis],
        }
    }

    /// Calls `visit(range, position, step)` for runs of a line of the index: element i of the run `range` belongs to the
    /// other tensor's element `position + i * step`, for index 0.
    fn lines(&self, range: Range<usize>, mut visit: impl FnMut(Range<usize>, usize, usize)) {
        let Some((&(width, step), outer)) = self.axes.split_last() else {
            return;
        };
        let mut i = range.start;
        while i < range.end {
            let (mut at, mut rest) = (0, i / width);
            for &(extent, stride) in outer.iter().rev() {
                at += rest % extent * stride;
                rest /= extent;
            }
            let end = range.end.min(i - i % width + width);
            visit(i..end, at + i % width * step, step);
            i = end;
        }
    }
}

/// An index, checked to be at least 0.
trait Index: Copy + Sync {
    fn position(self) -> usize;
}
impl Index for i32 {
    #[inline(always)]
    fn position(self) -> usize {
        self as usize
    }
}
impl Index for i64 {
    #[inline(always)]
    fn position(self) -> usize {
        self as usize
    }
}

/// `out[i] = x[i with index[i] on the axis]`.
pub(crate) fn gather(x: &Shape, index: &Shape, axis: usize, dtype: DType, index_dtype: DType) -> Kernel {
    for_word!(dtype, T => gather_words::<T>(Along::new(index, x, axis), index_dtype))
}

fn gather_words<T: Word>(along: Along, dtype: DType) -> Kernel {
    Box::new(move |args| {
        let x = args.input_words::<T>(0);
        let index = indices(
            args,
            1,
            dtype,
            "takeAlong",
            &along.dims,
            (along.axis, along.extent),
        )?;
        args.pool().chunks(
            args.output_words::<T>(),
            TASK_ELEMENTS,
            |_, piece_number, piece| {
                let first = piece_number * TASK_ELEMENTS;
                match index {
                    Indices::Narrow(index) => gather_piece(&along, x, index, first, piece),
                    Indices::Wide(index) => gather_piece(&along, x, index, first, piece),
                }
            },
        );
        Ok(())
    })
}

/// The elements from `first` on.
fn gather_piece<T: Word, I: Index>(along: &Along, x: &[T], index: &[I], first: usize, out: &mut [T]) {
    along.lines(first..first + out.len(), |range, position, step| {
        let (index, out) = (
            &index[range.clone()],
            &mut out[range.start - first..range.end - first],
        );
        if along.stride == 1 {
            let x = &x[position..position + along.extent];
            out.iter_mut()
                .zip(index)
                .for_each(|(out, i)| *out = x[i.position()]);
            return;
        }
        for (j, (out, i)) in out.iter_mut().zip(index).enumerate() {
            *out = x[position + j * step + i.position() * along.stride];
        }
    });
}

/// Zeros, with `src[i]` added at `i with index[i] on the axis`.
pub(crate) fn scatter_add(
    to: &Shape,
    index: &Shape,
    axis: usize,
    dtype: DType,
    index_dtype: DType,
) -> Chosen {
    for_dtype!(dtype, T => scatter_add_of::<T>(to, index, axis, index_dtype))
}

fn scatter_add_of<T: Element>(to: &Shape, index: &Shape, axis: usize, dtype: DType) -> Chosen {
    let along = Along::new(index, to, axis);
    // Slices of the first axis have different positions unless the first axis is indexed.
    let slices = if axis == 0 { 1 } else { index[0] };
    let slices_of_room = if axis == 0 { 1 } else { to[0] };
    let (size, room) = (index.size(), to.size());
    let kernel: Kernel = Box::new(move |args| {
        let index = indices(
            args,
            0,
            dtype,
            "scatterAdd",
            &along.dims,
            (along.axis, along.extent),
        )?;
        let src = args.input::<T>(1);
        let out = args.output::<T>();
        if size == 0 {
            out.fill(T::ZERO);
            return Ok(());
        }
        let (per_slice, room_per_slice) = (size / slices, room / slices_of_room);
        let together = (TASK_ELEMENTS / per_slice).max(1);
        if slices < slices_of_room {
            out[slices * room_per_slice..].fill(T::ZERO);
        }
        let out = SharedSlice::new(out);
        args.pool().ranges(slices, together, |_, range| {
            let elements = range.start * per_slice..range.end * per_slice;
            // SAFETY: slices of the first axis are one task's.
            unsafe { out.range(range.start * room_per_slice..range.end * room_per_slice) }.fill(T::ZERO);
            match index {
                Indices::Narrow(index) => scatter_piece(&along, src, index, elements, &out),
                Indices::Wide(index) => scatter_piece(&along, src, index, elements, &out),
            }
        });
        Ok(())
    });
    Chosen {
        kernel,
        scratch: 0,
        serial: slices == 1,
    }
}

/// Adds the elements `range`, of slices that are one task's.
fn scatter_piece<T: Element, I: Index>(
    along: &Along,
    src: &[T],
    index: &[I],
    range: Range<usize>,
    out: &SharedSlice<'_, T>,
) {
    along.lines(range, |range, position, step| {
        let (src, index) = (&src[range.clone()], &index[range]);
        if along.stride == 1 {
            // SAFETY: a line of a slice that is one task's.
            let out = unsafe { out.range(position..position + along.extent) };
            add_elements(index, src, out);
            return;
        }
        for (j, (x, i)) in src.iter().zip(index).enumerate() {
            let at = position + j * step + i.position() * along.stride;
            // SAFETY: positions of different slices differ, and one task adds to one position after the other.
            let to = unsafe { out.range(at..at + 1) };
            to[0] = to[0].plus(*x);
        }
    });
}
