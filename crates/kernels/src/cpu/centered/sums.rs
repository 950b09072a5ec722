//! The pass over the tiles on and above the diagonal that adds up rows of similarities, and products of two of them.
//!
//! A tile leaves a record of its sums; records are added in the order of tiles, so that no result depends on the number
//! of threads.

use super::geometry::Geometry;
use super::rows::{Extent, LANES, Real, multiply, own_value, values_of_band};
use super::samples::Prepared;
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;

/// Bytes of records that are kept before they are added up.
const RECORDS: usize = 16 << 20;

/// What a pass adds up.
pub(super) struct Sums<'a> {
    /// Of each matrix' rows: (matrices, m).
    pub rows: &'a mut [f64],
    /// Of products of two sets, over what lies above the diagonal, by (a, b), a <= b; none if not asked for.
    pub products: &'a mut [f64],
}

/// A pass over the tiles, and what each leaves in its record.
pub(super) struct Pass<'g> {
    pub geometry: &'g Geometry,
    /// Matrices of which a record has the sums of the tile's rows, then those of its columns.
    pub matrices: usize,
    /// Sums behind them, in as many parts as there are [`LANES`].
    pub products: usize,
}

impl Pass<'_> {
    /// Elements of a tile's record.
    fn record(&self) -> usize {
        self.matrices * 2 * self.geometry.side + self.products * LANES
    }

    /// Tiles whose records are kept at a time.
    fn batch(&self) -> usize {
        (RECORDS / (8 * self.record())).clamp(1, self.geometry.tiles().max(1))
    }

    /// Bytes of scratch that [`Pass::run`] takes, with so many elements of work space for each thread.
    pub fn scratch<T: Real>(&self, space: usize, threads: usize) -> usize {
        scratch_bytes::<f64>(self.matrices * self.geometry.m)
            + scratch_bytes::<f64>(self.products)
            + scratch_bytes::<f64>(self.batch() * self.record())
            + scratch_bytes::<T>(space * threads)
    }

    /// Adds up the records that `tile` adds to, given the number of the tile, its record (0) and a work space.
    pub fn run<'a, T: Real>(
        &self,
        args: &Args<'a>,
        space_len: usize,
        tile: impl Fn(usize, &mut [f64], &mut [T]) + Sync,
    ) -> Sums<'a> {
        let (g, pool, side) = (self.geometry, args.pool(), self.geometry.side);
        let rows = args.scratch::<f64>(self.matrices * g.m);
        let products = args.scratch::<f64>(self.products);
        rows.fill(0.0);
        products.fill(0.0);
        let (batch, len) = (self.batch(), self.record());
        let records = args.scratch::<f64>(batch * len);
        let space = SharedSlice::new(args.scratch::<T>(space_len * pool.threads()));
        for first in (0..g.tiles()).step_by(batch) {
            let last = g.tiles().min(first + batch);
            pool.chunks(&mut records[..(last - first) * len], len, |worker, i, record| {
                // SAFETY: a worker's own work space.
                let space = unsafe { space.range(worker * space_len..(worker + 1) * space_len) };
                record.fill(0.0);
                tile(first + i, record, space);
            });
            for (i, record) in records.chunks_exact(len).take(last - first).enumerate() {
                let (row, column) = g.place(first + i);
                let (sums, lanes) = record.split_at(self.matrices * 2 * side);
                for (sums, all) in sums.chunks_exact(2 * side).zip(rows.chunks_exact_mut(g.m)) {
                    add(&sums[..side], &mut all[g.block(row)]);
                    add(&sums[side..], &mut all[g.block(column)]);
                }
                for (product, lanes) in products.iter_mut().zip(lanes.chunks_exact(LANES)) {
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

fn pass(g: &Geometry, pairs: usize) -> Pass<'_> {
    Pass {
        geometry: g,
        matrices: g.sets(),
        products: pairs,
    }
}

/// Elements of a worker's work space: a tile of each set, and work of inner products.
fn space<T: Real>(g: &Geometry, level: Level) -> usize {
    g.sets() * g.side * g.side + g.work::<T>(level)
}

/// Bytes of scratch that [`sums`] takes.
pub(super) fn scratch<T: Real>(g: &Geometry, pairs: usize, threads: usize, level: Level) -> usize {
    pass(g, pairs).scratch::<T>(space::<T>(g, level), threads)
}

/// Adds up the sets that are `wanted`, and products of pairs if `pairs` is their number.
pub(super) fn sums<'a, T: Real>(
    args: &Args<'a>,
    prepared: &Prepared<'_, T>,
    pairs: usize,
    wanted: impl Fn(usize) -> bool + Sync,
) -> Sums<'a> {
    let (g, level) = (prepared.geometry, args.level());
    let sums = pass(g, pairs).run::<T>(args, space::<T>(g, level), |t, record, space| {
        tile(level, prepared, t, &wanted, record, space);
    });
    if !g.products.hollow {
        for a in (0..g.sets()).filter(|&a| wanted(a)) {
            let set = prepared.set(a);
            for (sum, &norm) in sums.rows[a * g.m..].iter_mut().zip(set.norms) {
                *sum += own_value(set.similarity, set.factors, norm).to_f64();
            }
        }
    }
    sums
}

/// The record of tile `t`; of a tile on the diagonal, what lies above it.
fn tile<T: Real>(
    level: Level,
    prepared: &Prepared<'_, T>,
    t: usize,
    wanted: &dyn Fn(usize) -> bool,
    record: &mut [f64],
    space: &mut [T],
) {
    let g = prepared.geometry;
    let (side, sets) = (g.side, g.sets());
    let (row, column) = g.place(t);
    let (rows, cols) = (g.block(row), g.block(column));
    let (tiles, work) = space.split_at_mut(sets * side * side);
    let (sums, lanes) = record.split_at_mut(sets * 2 * side);
    let lanes = lanes.as_chunks_mut::<LANES>().0;
    let extent = Extent {
        rows: rows.len(),
        cols: cols.len(),
        side,
        diagonal: row == column,
    };
    let place = |a: usize| a * side * side..(a + 1) * side * side;
    for a in (0..sets).filter(|&a| wanted(a)) {
        let set = prepared.set(a);
        set.products(
            level,
            (rows.clone(), cols.clone()),
            side,
            &mut tiles[place(a)],
            work,
        );
    }
    for band in extent.bands() {
        for a in (0..sets).filter(|&a| wanted(a)) {
            let set = prepared.set(a);
            let norms = (&set.norms[rows.clone()], &set.norms[cols.start..]);
            let sums = sums[a * 2 * side..(a + 1) * 2 * side].split_at_mut(side);
            let tile = &mut tiles[place(a)];
            values_of_band(
                level,
                set.similarity,
                set.factors,
                norms,
                extent,
                band.clone(),
                tile,
                sums,
            );
        }
        if !lanes.is_empty() {
            let all = (0..sets).flat_map(|a| (a..sets).map(move |b| (a, b)));
            for ((a, b), lanes) in all.zip(&mut *lanes) {
                multiply(
                    level,
                    &tiles[place(a)],
                    &tiles[place(b)],
                    extent,
                    band.clone(),
                    lanes,
                );
            }
        }
    }
}
