//! A pass over the tiles on and above the diagonal. Each tile writes a record of its sums; records are added in the order
//! of tiles, so no result depends on the number of threads.

use super::geometry::{Geometry, Tile};
use super::rows::{Real, SUM_LANES};
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::gemm::GemmElement;
use crate::cpu::level::Level;

/// Most bytes of records before they are added.
const RECORDS_BYTES: usize = 16 << 20;

/// The sums of a pass.
pub(super) struct Sums<'a> {
    /// Row sums of each matrix: (matrices, m).
    pub rows: &'a mut [f64],
    /// Sums of products over the upper triangle.
    pub products: &'a mut [f64],
}

/// A pass over the tiles: the layout of records and of the work space.
pub(super) struct TilePass<'g> {
    pub geometry: &'g Geometry,
    /// Number of matrices in a record, each with the sums of the tile's rows, then of its columns.
    pub matrices: usize,
    /// Number of products' sums after them, with [`SUM_LANES`] partial sums each.
    pub products: usize,
    /// Rows of a worker's work space besides a tile of each set.
    pub spare_rows: usize,
}

/// A tile's record, initially 0, and a worker's work space.
pub(super) struct TileWork<'a, T> {
    pub tile: Tile,
    /// For each matrix the sums of the tile's rows, then of its columns, `side` each.
    pub sums: &'a mut [f64],
    /// The partial sums of each product.
    pub products: &'a mut [[f64; SUM_LANES]],
    /// A tile of each set, one after the other.
    pub tiles: &'a mut [T],
    pub spare: &'a mut [T],
    /// Work of inner products.
    pub work: &'a mut [T],
}

impl TilePass<'_> {
    /// Elements of a tile's record.
    fn record_len(&self) -> usize {
        self.matrices * 2 * self.geometry.side + self.products * SUM_LANES
    }

    /// Number of records that are kept at a time.
    fn batch(&self) -> usize {
        (RECORDS_BYTES / (8 * self.record_len())).clamp(1, self.geometry.tiles().max(1))
    }

    /// Elements of a worker's work space: a tile of each set, and the spare rows.
    fn space_lens(&self) -> (usize, usize) {
        let side = self.geometry.side;
        (self.geometry.sets() * side * side, self.spare_rows * side)
    }

    /// Elements of a worker's work space.
    fn space_len<T: GemmElement>(&self, level: Level) -> usize {
        let (tiles, spare) = self.space_lens();
        tiles + spare + self.geometry.work::<T>(level)
    }

    /// Bytes of scratch that [`TilePass::run`] takes.
    pub fn scratch<T: Real>(&self, level: Level, threads: usize) -> usize {
        scratch_bytes::<f64>(self.matrices * self.geometry.m)
            + scratch_bytes::<f64>(self.products)
            + scratch_bytes::<f64>(self.batch() * self.record_len())
            + scratch_bytes::<T>(self.space_len::<T>(level) * threads)
    }

    /// Adds the records of all tiles, which `tile` computes.
    pub fn run<'a, T: Real>(&self, args: &Args<'a>, tile: impl Fn(TileWork<'_, T>) + Sync) -> Sums<'a> {
        let (g, pool, side) = (self.geometry, args.pool(), self.geometry.side);
        let rows = args.scratch::<f64>(self.matrices * g.m);
        let products = args.scratch::<f64>(self.products);
        rows.fill(0.0);
        products.fill(0.0);
        let (batch, record_len) = (self.batch(), self.record_len());
        let records = args.scratch::<f64>(batch * record_len);
        let space_len = self.space_len::<T>(args.level());
        let (tiles_len, spare_len) = self.space_lens();
        let space = args.worker_scratch::<T>(space_len);
        for first in (0..g.tiles()).step_by(batch) {
            let last = g.tiles().min(first + batch);
            let some = &mut records[..(last - first) * record_len];
            pool.chunks(some, record_len, |worker, i, record| {
                // SAFETY: a worker's own work space.
                let space = unsafe { space.of(worker) };
                record.fill(0.0);
                let (sums, lanes) = record.split_at_mut(self.matrices * 2 * side);
                let (tiles, space) = space.split_at_mut(tiles_len);
                let (spare, work) = space.split_at_mut(spare_len);
                tile(TileWork {
                    tile: g.tile(first + i),
                    sums,
                    products: lanes.as_chunks_mut::<SUM_LANES>().0,
                    tiles,
                    spare,
                    work,
                });
            });
            for (i, record) in records.chunks_exact(record_len).take(last - first).enumerate() {
                let Tile {
                    rows: above, cols, ..
                } = g.tile(first + i);
                let (sums, lanes) = record.split_at(self.matrices * 2 * side);
                for (sums, all) in sums.chunks_exact(2 * side).zip(rows.chunks_exact_mut(g.m)) {
                    add(&sums[..side], &mut all[above.clone()]);
                    add(&sums[side..], &mut all[cols.clone()]);
                }
                for (product, lanes) in products.iter_mut().zip(lanes.chunks_exact(SUM_LANES)) {
                    *product += lanes.iter().sum::<f64>();
                }
            }
        }
        Sums { rows, products }
    }
}

fn add(from: &[f64], to: &mut [f64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}
