//! Sums of rows of similarities, and of products of two of them, over the tiles on and above the diagonal.

use super::geometry::{Geometry, Tile};
use super::rows::{Real, multiply, own_value, values_of_band};
use super::samples::Prepared;
use super::tile_pass::{Sums, TilePass, TileWork};
use crate::cpu::exec::Args;
use crate::cpu::level::Level;

fn tile_pass(g: &Geometry, pairs: usize) -> TilePass<'_> {
    TilePass {
        geometry: g,
        matrices: g.sets(),
        products: pairs,
        spare_rows: 0,
    }
}

/// Bytes of scratch that [`sums`] takes.
pub(super) fn scratch<T: Real>(g: &Geometry, pairs: usize, threads: usize, level: Level) -> usize {
    tile_pass(g, pairs).scratch::<T>(level, threads)
}

/// Sums the `wanted` sets, and products of pairs (a, b), a <= b, if `pairs` is their number.
pub(super) fn sums<'a, T: Real>(
    args: &Args<'a>,
    prepared: &Prepared<'_, T>,
    pairs: usize,
    wanted: impl Fn(usize) -> bool + Sync,
) -> Sums<'a> {
    let (g, level) = (prepared.geometry, args.level());
    let sums = tile_pass(g, pairs).run::<T>(args, |work| tile(level, prepared, &wanted, work));
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

/// The record of a tile; for a tile on the diagonal, of its upper triangle.
fn tile<T: Real>(
    level: Level,
    prepared: &Prepared<'_, T>,
    wanted: &dyn Fn(usize) -> bool,
    work: TileWork<'_, T>,
) {
    let TileWork {
        tile: Tile { rows, cols, extent },
        sums,
        products,
        tiles,
        work,
        ..
    } = work;
    let (side, sets) = (extent.side, prepared.geometry.sets());
    let of_set = |a: usize| a * side * side..(a + 1) * side * side;
    for a in (0..sets).filter(|&a| wanted(a)) {
        let both = (rows.clone(), cols.clone());
        prepared
            .set(a)
            .products(level, both, side, &mut tiles[of_set(a)], work);
    }
    for band in extent.bands() {
        for a in (0..sets).filter(|&a| wanted(a)) {
            let set = prepared.set(a);
            let norms = (&set.norms[rows.clone()], &set.norms[cols.start..]);
            let sums = sums[a * 2 * side..(a + 1) * 2 * side].split_at_mut(side);
            let tile = &mut tiles[of_set(a)];
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
        if !products.is_empty() {
            let all = (0..sets).flat_map(|a| (a..sets).map(move |b| (a, b)));
            for ((a, b), lanes) in all.zip(&mut *products) {
                let (a, b) = (&tiles[of_set(a)], &tiles[of_set(b)]);
                multiply(level, a, b, extent, band.clone(), lanes);
            }
        }
    }
}
