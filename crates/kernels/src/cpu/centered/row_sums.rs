//! Sums of the rows of products of similarity matrices that are never stored: kernel densities at the samples.

use hyperglow_core::op::Spec;
use hyperglow_core::similarity::{Products, Similarity};

use super::geometry::{Geometry, Purpose, Tile};
use super::rows::{BAND_ROWS, Real, leave, scale_by, tally_band};
use super::samples::{Prepared, prepare, prepared_bytes};
use super::tile_pass::{TilePass, TileWork};
use crate::cpu::exec::{Chosen, Env};
use crate::cpu::level::{Level, versions};

/// The sets of each group.
type Groups = [Box<[usize]>];

fn tile_pass<'g>(g: &'g Geometry, groups: &Groups) -> TilePass<'g> {
    TilePass {
        geometry: g,
        matrices: groups.len(),
        products: 0,
        spare_rows: BAND_ROWS,
    }
}

/// The kernel of [`Op::SimilaritySums`](hyperglow_core::Op::SimilaritySums).
pub(crate) fn row_sums<T: Real>(products: &Products, groups: &Groups, inputs: &[&Spec], env: &Env) -> Chosen {
    let g = Geometry::new::<T>(products, inputs, env.level, Purpose::Densities);
    let groups: Box<Groups> = groups.into();
    let threads = env.pool.threads();
    let scratch =
        prepared_bytes::<T>(&g, env.level, threads) + tile_pass(&g, &groups).scratch::<T>(env.level, threads);
    Chosen {
        scratch,
        serial: false,
        kernel: Box::new(move |args| {
            let (out, level) = (args.output::<f64>(), args.level());
            let prepared = prepare::<T>(&g, args, |_| true);
            let sums = tile_pass(&g, &groups).run::<T>(args, |work| tile(level, &prepared, &groups, work));
            let own = |a: usize| {
                let set = prepared.set(a);
                let mut own = [T::ZERO];
                similar(
                    Level::PORTABLE,
                    set.similarity,
                    set.factors,
                    T::ZERO,
                    &[T::ZERO],
                    &mut own,
                );
                own[0].to_f64()
            };
            for ((group, out), sums) in groups
                .iter()
                .zip(out.chunks_exact_mut(g.m))
                .zip(sums.rows.chunks_exact(g.m))
            {
                let own: f64 = if g.products.hollow {
                    0.0
                } else {
                    group.iter().map(|&a| own(a)).product()
                };
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum + own);
            }
            Ok(())
        }),
    }
}

/// The record of a tile: sums of rows and of columns of each group; for a tile on the diagonal, of its upper triangle.
fn tile<T: Real>(level: Level, prepared: &Prepared<'_, T>, groups: &Groups, work: TileWork<'_, T>) {
    let TileWork {
        tile: Tile { rows, cols, extent },
        sums,
        tiles,
        spare: product,
        work,
        ..
    } = work;
    let side = extent.side;
    for (a, tile) in tiles.chunks_exact_mut(side * side).enumerate() {
        let both = (rows.clone(), cols.clone());
        prepared.set(a).distances(level, both, side, tile, work);
    }
    for band in extent.bands() {
        let whole = extent.whole(band.start);
        for (a, tile) in tiles.chunks_exact_mut(side * side).enumerate() {
            let set = prepared.set(a);
            let norms = &set.norms[cols.start + whole.start..cols.start + whole.end];
            for i in band.clone() {
                let values = &mut tile[i * side..][whole.clone()];
                similar(
                    level,
                    set.similarity,
                    set.factors,
                    set.norms[rows.start + i],
                    norms,
                    values,
                );
                leave(&extent, i, values);
            }
        }
        let values = |a: usize| &tiles[a * side * side + band.start * side..];
        for (group, sums) in groups.iter().zip(sums.chunks_exact_mut(2 * side)) {
            let mut all = values(group[0]);
            if group.len() > 1 {
                let product = &mut product[..band.len() * side];
                product.copy_from_slice(&all[..product.len()]);
                for &a in &group[1..] {
                    scale_by(level, product, values(a));
                }
                all = product;
            }
            let (row_sums, column_sums) = sums.split_at_mut(side);
            tally_band(level, extent, band.clone(), all, row_sums, column_sums);
        }
    }
}

versions! {
    /// Replaces the distances of a sample from others (for equality: the others' numbers, as norms) by similarities.
    fn similar[T: Real](similarity: Similarity, factors: &[T], norm: T, norms: &[T], row: &mut [T]) {
        match similarity {
            Similarity::Gaussian { .. } | Similarity::Laplacian { .. } => {
                if let &[factor] = factors {
                    row.iter_mut().for_each(|x| *x = (factor * *x).exp::<FMA>());
                    return;
                }
                let share = T::from_f64(1.0 / factors.len() as f64);
                for x in row {
                    let mut sum = T::ZERO;
                    factors.iter().for_each(|&factor| sum += (factor * *x).exp::<FMA>());
                    *x = share * sum;
                }
            }
            Similarity::InverseMultiquadric => {
                let (one, square) = (T::from_f64(1.0), factors[0] * factors[0]);
                row.iter_mut().for_each(|x| *x = one / (square + *x).sqrt());
            }
            Similarity::Equal => {
                let one = T::from_f64(1.0);
                for (x, &other) in row.iter_mut().zip(norms) {
                    *x = if norm == other { one } else { T::ZERO };
                }
            }
            Similarity::Linear | Similarity::Polynomial { .. } => unreachable!("inference refuses them"),
        }
    }
}
