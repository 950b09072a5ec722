//! The pass over the tiles on and above the diagonal that adds up rows of similarities, and products of two of them.
//!
//! A tile leaves a record of its sums; records are added in the order of tiles, so that no result depends on the number
//! of threads.

use super::geometry::Geometry;
use super::rows::{Extent, LANES, Real, multiply, own_value, tile_of_values};
use super::samples::Prepared;
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::pool::SharedSlice;

/// Bytes of records that are kept before they are added up.
const RECORDS: usize = 16 << 20;

/// Sums over all pairs of samples, the pair of a sample with itself left out if hollow.
pub(super) struct Sums<'a> {
    /// Of each set's row: (sets, m).
    pub rows: &'a mut [f64],
    /// Of products of two sets, those above the diagonal by (a, b), a <= b; none if not asked for.
    pub products: &'a mut [f64],
}

/// Elements of a tile's record: row and column sums of each set, then lanes of each pair's products.
fn record(geometry: &Geometry, pairs: usize) -> usize {
    geometry.sets() * 2 * geometry.side + pairs * LANES
}

/// Tiles whose records are kept at a time.
fn batch(geometry: &Geometry, pairs: usize) -> usize {
    (RECORDS / (8 * record(geometry, pairs))).clamp(1, geometry.tiles().max(1))
}

/// Bytes of scratch that [`sums`] takes.
pub(super) fn scratch<T: Real>(
    geometry: &Geometry,
    pairs: usize,
    threads: usize,
    level: crate::cpu::Level,
) -> usize {
    let worker = geometry.sets() * geometry.side * geometry.side + geometry.work::<T>(level);
    scratch_bytes::<f64>(geometry.sets() * geometry.m)
        + scratch_bytes::<f64>(pairs)
        + scratch_bytes::<f64>(batch(geometry, pairs) * record(geometry, pairs))
        + scratch_bytes::<T>(worker * threads)
}

/// Adds up the sets that are `wanted`, and products of pairs if `pairs` is their number.
pub(super) fn sums<'a, T: Real>(
    args: &Args<'a>,
    prepared: &Prepared<'_, T>,
    pairs: usize,
    wanted: impl Fn(usize) -> bool + Sync,
) -> Sums<'a> {
    let (g, pool, level) = (prepared.geometry, args.pool(), args.level());
    let side = g.side;
    let rows = args.scratch::<f64>(g.sets() * g.m);
    let products = args.scratch::<f64>(pairs);
    rows.fill(0.0);
    products.fill(0.0);
    let (batch, len) = (batch(g, pairs), record(g, pairs));
    let records = args.scratch::<f64>(batch * len);
    let worker_len = g.sets() * side * side + g.work::<T>(level);
    let space = SharedSlice::new(args.scratch::<T>(worker_len * pool.threads()));
    for first in (0..g.tiles()).step_by(batch) {
        let last = g.tiles().min(first + batch);
        pool.chunks(&mut records[..(last - first) * len], len, |worker, i, record| {
            // SAFETY: a worker's own work space.
            let space = unsafe { space.range(worker * worker_len..(worker + 1) * worker_len) };
            tile(level, prepared, first + i, pairs, &wanted, record, space);
        });
        for (i, record) in records.chunks_exact(len).take(last - first).enumerate() {
            let (row, column) = g.place(first + i);
            for a in (0..g.sets()).filter(|&a| wanted(a)) {
                let sums = &record[a * 2 * side..(a + 1) * 2 * side];
                let all = &mut rows[a * g.m..(a + 1) * g.m];
                add(&sums[..side], &mut all[g.block(row)]);
                add(&sums[side..], &mut all[g.block(column)]);
            }
            let lanes = record[g.sets() * 2 * side..].chunks_exact(LANES);
            for (product, lanes) in products.iter_mut().zip(lanes) {
                *product += lanes.iter().sum::<f64>();
            }
        }
    }
    if !g.products.hollow {
        for a in (0..g.sets()).filter(|&a| wanted(a)) {
            let set = prepared.set(a);
            for (sum, &norm) in rows[a * g.m..].iter_mut().zip(set.norms) {
                *sum += own_value(set.similarity, set.factors, norm).to_f64();
            }
        }
    }
    Sums { rows, products }
}

fn add(from: &[f64], to: &mut [f64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

/// The record of tile `t`; of a tile on the diagonal, what lies above it.
fn tile<T: Real>(
    level: crate::cpu::Level,
    prepared: &Prepared<'_, T>,
    t: usize,
    pairs: usize,
    wanted: &dyn Fn(usize) -> bool,
    record: &mut [f64],
    space: &mut [T],
) {
    let g = prepared.geometry;
    let (side, sets) = (g.side, g.sets());
    let (row, column) = g.place(t);
    let (rows, cols) = (g.block(row), g.block(column));
    let (tiles, work) = space.split_at_mut(sets * side * side);
    record.fill(0.0);
    let (sums, lanes) = record.split_at_mut(sets * 2 * side);
    let lanes = lanes.as_chunks_mut::<LANES>().0;
    let extent = Extent {
        rows: rows.len(),
        cols: cols.len(),
        side,
        diagonal: row == column,
    };
    for a in (0..sets).filter(|&a| wanted(a)) {
        let (set, tile) = (
            prepared.set(a),
            &mut tiles[a * side * side..(a + 1) * side * side],
        );
        set.products(level, (rows.clone(), cols.clone()), side, tile, work);
        let norms = (&set.norms[rows.clone()], &set.norms[cols.start..]);
        let sums = sums[a * 2 * side..(a + 1) * 2 * side].split_at_mut(side);
        tile_of_values(level, set.similarity, set.factors, norms, extent, tile, sums);
    }
    if pairs > 0 {
        let tile = |a: usize| &tiles[a * side * side..(a + 1) * side * side];
        let all = (0..sets).flat_map(|a| (a..sets).map(move |b| (a, b)));
        for ((a, b), lanes) in all.zip(lanes) {
            multiply(level, tile(a), tile(b), extent, lanes);
        }
    }
}
