//! A cluster that only copies a view whose contiguous axis is not the last: a transposition, computed in blocks, because a loop over
//! elements would touch a cache line for each element.
//!
//! A block is a cache line by a cache line. A tile is some blocks along the contiguous axis of the source. While a tile is
//! transposed, the lines of the next tile are prefetched: hardware prefetchers follow neither its reads nor its writes.

use hyperglow_core::plan::{Cluster, InstrKind, SlotId};

use crate::cpu::exec::{Env, Plain};
use crate::cpu::level::Level;
use crate::cpu::storage::RawBytes;
use crate::cpu::transpose::{Prefetch, transpose_prefetching};

use crate::steps::walk::{Axis, Reading, Walker};

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;
/// Cache lines that a tile reads of each column.
const TILE_LINES: usize = 4;
/// Bytes of a task.
const TASK_BYTES: usize = 1 << 17;
/// Minimal number of elements of a plane that is transposed in blocks.
const MIN_PLANE_ELEMENTS: usize = 64;

/// A transposition (outer.., columns, rows) -> (outer.., rows, columns).
pub(super) struct Transposition {
    from: SlotId,
    to: SlotId,
    /// Bytes that are moved as one: an element, or a short run of elements.
    size: usize,
    /// The other axes: extent, stride in the source, stride in the result.
    outer: Vec<(usize, isize, usize)>,
    /// Extents: rows are contiguous in the source, columns in the result.
    rows: usize,
    cols: usize,
    /// Stride of columns in the source, and of rows in the result.
    col: usize,
    row: usize,
    offset: usize,
    /// Rows and columns of a tile.
    tile: (usize, usize),
}

/// A tile: first element in the source and in the result, number of rows and columns.
#[derive(Clone, Copy)]
struct Tile {
    from: usize,
    to: usize,
    rows: usize,
    cols: usize,
}

impl Transposition {
    /// The transposition that a cluster is, if it is one and large enough.
    pub fn of(cluster: &Cluster, readings: &[Reading]) -> Option<Transposition> {
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
                Transposition::new(&axes, offset / run, (from, *to), size * run)
            }
            None => Transposition::new(axes, offset, (from, *to), size),
        }
    }

    fn new(axes: &[Axis], offset: usize, (from, to): (SlotId, SlotId), size: usize) -> Option<Transposition> {
        let (inner, rest) = axes.split_last()?;
        let contiguous = rest.iter().position(|axis| axis.stride == 1)?;
        let (rows, cols) = (rest[contiguous].extent, inner.extent);
        if inner.stride <= 1 || rows * cols < MIN_PLANE_ELEMENTS {
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
            |(i, axis): (usize, &Axis)| (i != contiguous).then(|| (axis.extent, axis.stride, distances[i]));
        Some(Transposition {
            from,
            to,
            size,
            outer: rest.iter().enumerate().filter_map(other).collect(),
            rows,
            cols,
            col: inner.stride as usize,
            row: distances[contiguous],
            offset,
            tile: tile(rows, cols, LINE_BYTES / size),
        })
    }

    /// # Safety
    /// The source slot must be readable, the result writable and not aliased.
    pub unsafe fn run(&self, env: &Env, slots: &[RawBytes]) {
        // SAFETY: as the caller promises.
        unsafe {
            match self.size {
                1 => self.transpose::<u8>(env, slots),
                4 => self.transpose::<u32>(env, slots),
                8 => self.transpose::<u64>(env, slots),
                _ => self.transpose::<u128>(env, slots),
            }
        }
    }

    /// # Safety
    /// As for [`Transposition::run`]; T has `size` bytes.
    unsafe fn transpose<T: Plain>(&self, env: &Env, slots: &[RawBytes]) {
        let addresses = TileAddresses {
            from: slots[self.from].start.as_ptr().cast::<T>(),
            to: slots[self.to].start.as_ptr().cast::<T>(),
        };
        let (down, along) = self.blocks();
        let planes: usize = self.outer.iter().map(|axis| axis.0).product();
        let tiles_per_task = TASK_BYTES / (TILE_LINES * LINE_BYTES * LINE_BYTES / self.size);
        env.pool
            .ranges(planes * down * along, tiles_per_task, |_, range| {
                let mut tile = self.tile_at(range.start);
                for i in range.start + 1..=range.end {
                    let next = (i < range.end).then(|| self.tile_at(i));
                    // SAFETY: the view reads the elements, and tiles of different tasks are disjoint.
                    unsafe { self.transpose_tile(env.level, &addresses, tile, next) };
                    tile = next.unwrap_or(tile);
                }
            });
    }

    /// Tiles along the rows and along the columns of a plane.
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

    /// Transposes a tile and prefetches the next.
    ///
    /// # Safety
    /// The elements of the tile must be readable in the source, and writable and not aliased in the result.
    unsafe fn transpose_tile<T: Plain>(
        &self,
        level: Level,
        addresses: &TileAddresses<T>,
        tile: Tile,
        next: Option<Tile>,
    ) {
        let side = LINE_BYTES / size_of::<T>();
        // Partial lines are cached already.
        let next = next.filter(|next| next.rows >= side && next.cols >= side);
        let prefetch = Prefetch {
            x: addresses.from.wrapping_add(next.map_or(0, |next| next.from)),
            out: addresses.to.wrapping_add(next.map_or(0, |next| next.to)),
            rows: next.map_or(0, |next| next.rows),
            cols: next.map_or(0, |next| next.cols),
        };
        let (from, to) = (
            addresses.from.wrapping_add(tile.from),
            addresses.to.wrapping_add(tile.to),
        );
        let (distances, extents) = ((1, self.col), (tile.rows, tile.cols));
        // SAFETY: as the caller promises.
        unsafe { transpose_prefetching(level, from, distances, extents, to, self.row, &prefetch) }
    }
}

/// The extent of the innermost axis, if it is contiguous and its elements can be moved as one.
fn run(walker: &Walker, size: usize) -> Option<usize> {
    let (axes, offset) = walker.parts();
    let (inner, rest) = axes.split_last()?;
    let fits = |distance: isize| distance.unsigned_abs().is_multiple_of(inner.extent);
    let whole = matches!(inner.extent * size, 4 | 8 | 16) && inner.stride == 1;
    (whole && fits(offset as isize) && rest.iter().all(|axis| fits(axis.stride))).then_some(inner.extent)
}

/// Rows and columns of a tile, for `side` elements per cache line: [`TILE_LINES`] lines of rows by one line of columns, and longer in
/// one direction if the other is short.
fn tile(rows: usize, cols: usize, side: usize) -> (usize, usize) {
    let elements = TILE_LINES * side * side;
    let blocks = |few: usize| (elements / few).next_multiple_of(side);
    if cols <= 2 * side {
        (blocks(cols), 2 * side)
    } else if rows <= 2 * side {
        (2 * side, blocks(rows))
    } else {
        (TILE_LINES * side, side)
    }
}

/// The addresses of the source and the result, which tasks share.
struct TileAddresses<T> {
    from: *const T,
    to: *mut T,
}

// SAFETY: the source is only read, and tasks write disjoint elements.
unsafe impl<T: Sync> Sync for TileAddresses<T> {}
