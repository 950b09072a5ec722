//! A cluster that only copies a view of which another axis than the last lies side by side in memory: a
//! transposition. Done block by block, since element by element would use a cache line for each.

use hyperglow_core::plan::{Cluster, InstrKind, SlotId};

use crate::cpu::exec::{Env, Word, for_word};
use crate::cpu::pool::SharedSlice;
use crate::cpu::storage::RawBytes;
use crate::cpu::transpose::transpose_raw;

use super::blocks::ElementSize;
use super::walk::{Axis, Reading, Walker};

/// Elements that a task moves.
const PIECE: usize = 1 << 15;
/// Rows of a block: some cache lines of the source.
const ROWS: usize = 64;

/// A transposition: for every index of the outer axes, rows and columns exchanged.
pub(super) struct Turn {
    from: SlotId,
    to: SlotId,
    size: ElementSize,
    /// The other axes: extent, distance in the source, distance in the result.
    outer: Vec<(usize, isize, usize)>,
    /// Extents: rows lie side by side in the source, columns in the result.
    rows: usize,
    cols: usize,
    /// Distance of columns in the source, and of rows in the result.
    col: usize,
    row: usize,
    offset: usize,
}

impl Turn {
    /// The transposition that a cluster is, if it is one worth while.
    pub fn of(cluster: &Cluster, readings: &[Reading]) -> Option<Turn> {
        let ([instr], [(0, to)]) = (&*cluster.code, &*cluster.stores) else {
            return None;
        };
        let InstrKind::Load(l) = instr.kind else {
            return None;
        };
        let Reading::Strided(walker) = &readings[l] else {
            return None;
        };
        Turn::new(
            walker,
            cluster.loads[l].slot,
            *to,
            ElementSize(instr.dtype.size()),
        )
    }

    fn new(walker: &Walker, from: SlotId, to: SlotId, size: ElementSize) -> Option<Turn> {
        let (axes, offset) = walker.parts();
        let (inner, rest) = axes.split_last()?;
        let place = rest.iter().position(|axis| axis.stride == 1)?;
        let (rows, cols) = (rest[place].extent, inner.extent);
        if inner.stride <= 1 || rows < 8 || cols < 8 {
            return None;
        }
        // Distances in the result, which is contiguous.
        let mut distance = 1;
        let mut distances = vec![0; axes.len()];
        for (axis, to) in axes.iter().zip(&mut distances).rev() {
            *to = distance;
            distance *= axis.extent;
        }
        let other =
            |(i, axis): (usize, &Axis)| (i != place).then(|| (axis.extent, axis.stride, distances[i]));
        let outer = rest.iter().enumerate().filter_map(other).collect();
        Some(Turn {
            from,
            to,
            size,
            outer,
            rows,
            cols,
            col: inner.stride as usize,
            row: distances[place],
            offset,
        })
    }

    /// # Safety
    /// The source slot must be readable, the other one hold `elements` elements, be writable and used by nobody else.
    pub unsafe fn run(&self, env: &Env, slots: &[RawBytes], elements: usize) {
        let (from, to) = (slots[self.from].start.as_ptr(), slots[self.to].start.as_ptr());
        for_word!(self.size, T => {
            // SAFETY: as the caller promises.
            let out = unsafe { std::slice::from_raw_parts_mut(to.cast::<T>(), elements) };
            // SAFETY: as the caller promises.
            unsafe { self.turn::<T>(env, from.cast_const().cast(), out) }
        });
    }

    /// # Safety
    /// `source` must be readable for all that the walker reads; `out` is the whole result.
    unsafe fn turn<T: Word>(&self, env: &Env, source: *const T, out: &mut [T]) {
        let source = Source(source);
        let out = SharedSlice::new(out);
        let blocks = self.rows.div_ceil(ROWS);
        let planes: usize = self.outer.iter().map(|axis| axis.0).product();
        let together = (PIECE / (ROWS.min(self.rows) * self.cols)).max(1);
        env.pool.ranges(planes * blocks, together, |_, range| {
            for task in range {
                let (mut plane, first) = (task / blocks, task % blocks * ROWS);
                let (mut from, mut to) = (self.offset as isize, first * self.row);
                for &(extent, stride, distance) in self.outer.iter().rev() {
                    let index = plane % extent;
                    plane /= extent;
                    from += index as isize * stride;
                    to += index * distance;
                }
                let rows = ROWS.min(self.rows - first);
                // SAFETY: elements that the walker reads, and places of the result that no other task has.
                unsafe {
                    let x = source.at(from + first as isize);
                    let out = out.as_mut_ptr().add(to);
                    transpose_raw(env.level, x, (1, self.col), (rows, self.cols), out, self.row);
                }
            }
        });
    }
}

/// The address of what is read, which tasks share.
struct Source<T>(*const T);

// SAFETY: it is only read.
unsafe impl<T: Sync> Sync for Source<T> {}

impl<T> Source<T> {
    /// # Safety
    /// The element must belong to the source.
    unsafe fn at(&self, place: isize) -> *const T {
        // SAFETY: as the caller promises.
        unsafe { self.0.offset(place) }
    }
}
