//! A cluster that only copies a view of which another axis than the last lies side by side in memory: a
//! transposition. Done block by block, since element by element would use a cache line for each.
//!
//! A block is a cache line each way. Blocks are grouped to tiles that go along what is read for some lines, and while
//! one tile is turned, the lines of the next are fetched: the processor's own prefetchers follow neither the reads
//! nor the writes, which are far apart.

use hyperglow_core::plan::{Cluster, InstrKind, SlotId};

use crate::cpu::exec::{Env, Plain};
use crate::cpu::level::Level;
use crate::cpu::storage::RawBytes;
use crate::cpu::transpose::{Ahead, transpose_ahead};

use super::walk::{Axis, Reading, Walker};

/// Bytes of a cache line.
const LINE: usize = 64;
/// Lines that a tile reads of each column.
const LINES: usize = 4;
/// Bytes that a task moves.
const TASK: usize = 1 << 17;
/// Elements of a plane below which turning it in blocks gains nothing.
const SMALL: usize = 64;

/// A transposition: for every index of the outer axes, rows and columns exchanged.
pub(super) struct Turn {
    from: SlotId,
    to: SlotId,
    /// Bytes of what is moved as one: an element, or a short run of them.
    size: usize,
    /// The other axes: extent, distance in the source, distance in the result.
    outer: Vec<(usize, isize, usize)>,
    /// Extents: rows lie side by side in the source, columns in the result.
    rows: usize,
    cols: usize,
    /// Distance of columns in the source, and of rows in the result.
    col: usize,
    row: usize,
    offset: usize,
    /// Rows and columns of a tile.
    tile: (usize, usize),
}

/// Where a tile is: its first element in the source and in the result, its rows and columns.
#[derive(Clone, Copy)]
struct Tile {
    from: usize,
    to: usize,
    rows: usize,
    cols: usize,
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
        let from = cluster.loads[l].slot;
        let (axes, offset) = walker.parts();
        let size = instr.dtype.size();
        match run(walker, size) {
            Some(run) => {
                let axes: Vec<Axis> = axes[..axes.len() - 1]
                    .iter()
                    .map(|axis| Axis {
                        stride: axis.stride / run as isize,
                        ..*axis
                    })
                    .collect();
                Turn::new(&axes, offset / run, (from, *to), size * run)
            }
            None => Turn::new(axes, offset, (from, *to), size),
        }
    }

    fn new(axes: &[Axis], offset: usize, (from, to): (SlotId, SlotId), size: usize) -> Option<Turn> {
        let (inner, rest) = axes.split_last()?;
        let place = rest.iter().position(|axis| axis.stride == 1)?;
        let (rows, cols) = (rest[place].extent, inner.extent);
        if inner.stride <= 1 || rows * cols < SMALL {
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
        Some(Turn {
            from,
            to,
            size,
            outer: rest.iter().enumerate().filter_map(other).collect(),
            rows,
            cols,
            col: inner.stride as usize,
            row: distances[place],
            offset,
            tile: tile(rows, cols, LINE / size),
        })
    }

    /// # Safety
    /// The source slot must be readable, the other one writable and used by nobody else.
    pub unsafe fn run(&self, env: &Env, slots: &[RawBytes]) {
        // SAFETY: as the caller promises.
        unsafe {
            match self.size {
                1 => self.turn::<u8>(env, slots),
                4 => self.turn::<u32>(env, slots),
                8 => self.turn::<u64>(env, slots),
                _ => self.turn::<u128>(env, slots),
            }
        }
    }

    /// # Safety
    /// As for [`Turn::run`]; T has the size of what is moved.
    unsafe fn turn<T: Plain>(&self, env: &Env, slots: &[RawBytes]) {
        let places = Places {
            from: slots[self.from].start.as_ptr().cast::<T>(),
            to: slots[self.to].start.as_ptr().cast::<T>(),
        };
        let (down, along) = self.blocks();
        let planes: usize = self.outer.iter().map(|axis| axis.0).product();
        let together = TASK / (LINES * LINE * LINE / self.size);
        env.pool.ranges(planes * down * along, together, |_, range| {
            let mut tile = self.tile_at(range.start);
            for i in range.start + 1..=range.end {
                let next = (i < range.end).then(|| self.tile_at(i));
                // SAFETY: elements that the view reads, and places of the result that no other task has.
                unsafe { self.turn_tile(env.level, &places, tile, next) };
                tile = next.unwrap_or(tile);
            }
        });
    }

    /// Tiles down and along a plane.
    fn blocks(&self) -> (usize, usize) {
        (self.rows.div_ceil(self.tile.0), self.cols.div_ceil(self.tile.1))
    }

    fn tile_at(&self, number: usize) -> Tile {
        let (down, along) = self.blocks();
        let (mut plane, in_plane) = (number / (down * along), number % (down * along));
        let (row, col) = (in_plane / along * self.tile.0, in_plane % along * self.tile.1);
        let mut from = (self.offset + row + col * self.col) as isize;
        let mut to = row * self.row + col;
        for &(extent, stride, distance) in self.outer.iter().rev() {
            let index = plane % extent;
            plane /= extent;
            from += index as isize * stride;
            to += index * distance;
        }
        Tile {
            from: from as usize,
            to,
            rows: self.tile.0.min(self.rows - row),
            cols: self.tile.1.min(self.cols - col),
        }
    }

    /// Turns a tile and fetches the lines of the next one.
    ///
    /// # Safety
    /// The elements of the tile must be readable, its places writable and used by nobody else.
    unsafe fn turn_tile<T: Plain>(&self, level: Level, places: &Places<T>, tile: Tile, next: Option<Tile>) {
        let side = LINE / size_of::<T>();
        // Parts of lines are near already.
        let next = next.filter(|next| next.rows >= side && next.cols >= side);
        let ahead = Ahead {
            x: places.from.wrapping_add(next.map_or(0, |next| next.from)),
            out: places.to.wrapping_add(next.map_or(0, |next| next.to)),
            rows: next.map_or(0, |next| next.rows),
            cols: next.map_or(0, |next| next.cols),
        };
        let (from, to) = (
            places.from.wrapping_add(tile.from),
            places.to.wrapping_add(tile.to),
        );
        let (distances, extents) = ((1, self.col), (tile.rows, tile.cols));
        // SAFETY: as the caller promises.
        unsafe { transpose_ahead(level, from, distances, extents, to, self.row, &ahead) }
    }
}

/// The length of the innermost axis, if it lies side by side and its elements can be moved as one.
fn run(walker: &Walker, size: usize) -> Option<usize> {
    let (axes, offset) = walker.parts();
    let (inner, rest) = axes.split_last()?;
    let fits = |distance: isize| distance.unsigned_abs().is_multiple_of(inner.extent);
    let whole = matches!(inner.extent * size, 4 | 8 | 16) && inner.stride == 1;
    (whole && fits(offset as isize) && rest.iter().all(|axis| fits(axis.stride))).then_some(inner.extent)
}

/// Rows and columns of a tile where a line has `side` elements: some lines down, one along, and more the other way
/// where rows or columns are few.
fn tile(rows: usize, cols: usize, side: usize) -> (usize, usize) {
    let elements = LINES * side * side;
    let blocks = |few: usize| (elements / few).next_multiple_of(side);
    if cols <= 2 * side {
        (blocks(cols), 2 * side)
    } else if rows <= 2 * side {
        (2 * side, blocks(rows))
    } else {
        (LINES * side, side)
    }
}

/// The addresses of the source and the result, which tasks share.
struct Places<T> {
    from: *const T,
    to: *mut T,
}

// SAFETY: the source is only read, and tasks write to different places.
unsafe impl<T: Sync> Sync for Places<T> {}
