//! The gradient in the samples x of one set.
//!
//! A_ij = sum_b w_b K_b,ij - u_i - u_j: the centered matrices of all sets, weighted by the cotangent's factors w.
//! T_ij = A_ij k'_ij: A times the derivative of the set's similarity; T is symmetric.
//!
//! The gradient in x_i is sum_j T_ij x_j for similarities of inner products, sum_j T_ij (x_j - x_i) for similarities of
//! squared distances, sum_j T_ij sign(x_i - x_j) for the absolute similarity.
//!
//! A band of rows of tiles of T, on and above the diagonal, is computed at a time and multiplied on both sides ([`signs`]
//! for the absolute similarity), so memory does not grow with the square of the number of samples. A small T is stored
//! whole and multiplied once.

use hyperglow_core::op::Spec;
use hyperglow_core::similarity::{Products, Similarity};

use super::band::{Band, band_tiles};
use super::geometry::{Geometry, Purpose, Tile};
use super::rows::{Real, add_scaled, leave, own_value, scale_by, slopes, start_weights, tally, values};
use super::samples::{Prepared, prepare, prepared_bytes};
use super::signs::{self, add_signs};
use super::sums;
use crate::cpu::exec::{Args, Chosen, Env, scratch_bytes};
use crate::cpu::gemm::{
    LeftOperand, Matrix, OutBlock, Prefetch, Product, RightOperand, macro_kernel, work_len,
};
use crate::cpu::level::Level;
use crate::cpu::pool::{SharedSlice, WorkerSlices};
use crate::cpu::transpose::transpose;

/// Most elements of a T that is stored whole.
const WHOLE_ELEMENTS: usize = 1 << 22;

/// A task's columns are a multiple of it.
const PANEL_COLUMNS: usize = 64;

/// The product of the whole T with the samples, if T is stored whole.
fn whole<T>(g: &Geometry, of: usize, threads: usize) -> Option<Product> {
    let few_samples = g.m * g.m <= WHOLE_ELEMENTS && g.tiles() <= band_tiles::<T>(g);
    let by_product = !matches!(g.products.similarities[of], Similarity::Laplacian { .. });
    (few_samples && by_product).then(|| Product::new(1, (g.m, g.widths[of], g.m), false, false, threads))
}

/// Elements of a worker's work space: tiles of the other sets, two rows, and the work space of the matrix product or of `signs`.
fn worker_len<T: Real>(g: &Geometry, of: usize, level: Level) -> usize {
    let product = work_len::<T>(level, g.side, g.side, usize::MAX, false, true);
    let work = g.work::<T>(level).max(product.next_multiple_of(16));
    let tiles = g.sets() * g.side * g.side + 2 * g.side + work;
    match g.products.similarities[of] {
        Similarity::Laplacian { .. } => tiles.max(signs::work_len::<T>(g, level)),
        Similarity::Gaussian { .. }
        | Similarity::Linear
        | Similarity::Polynomial { .. }
        | Similarity::InverseMultiquadric
        | Similarity::Equal => tiles,
    }
}

/// Bytes of scratch of [`grad`]; `whole` is the product of the whole T, if there is one.
fn scratch<T: Real>(g: &Geometry, of: usize, whole: Option<&Product>, env: &Env) -> usize {
    let threads = env.pool.threads();
    prepared_bytes::<T>(g, env.level, threads)
        + sums::scratch::<T>(g, 0, threads, env.level)
        + scratch_bytes::<f64>(g.sets())
        + scratch_bytes::<T>(g.padded())
        + scratch_bytes::<T>(band_tiles::<T>(g) * g.side * g.side)
        + scratch_bytes::<f64>(band_tiles::<T>(g) * 2 * g.side)
        + scratch_bytes::<f64>(g.m)
        + scratch_bytes::<T>(worker_len::<T>(g, of, env.level) * threads)
        + whole.map_or(0, |product| {
            scratch_bytes::<T>(g.m * g.m) + product.scratch_bytes::<T>(env.level, threads)
        })
}

/// Arguments of a gradient besides the samples.
struct GradientTiles<'a, T> {
    prepared: &'a Prepared<'a, T>,
    /// The set.
    of: usize,
    /// The cotangent's factor of each set.
    weights: &'a [f64],
    /// u of the centering, by sample.
    shifts: &'a [T],
}

/// The kernel of [`Op::CenteredProductsGrad`](hyperglow_core::Op::CenteredProductsGrad).
pub(crate) fn grad<T: Real>(products: &Products, of: usize, inputs: &[&Spec], env: &Env) -> Chosen {
    let g = Geometry::new::<T>(products, inputs, env.level, Purpose::Gradient);
    let cotangent = inputs.len() - 1;
    let whole = whole::<T>(&g, of, env.pool.threads());
    // The term of a pair is the difference of its samples.
    let differs = matches!(
        g.products.similarities[of],
        Similarity::Gaussian { .. } | Similarity::InverseMultiquadric
    );
    Chosen {
        scratch: scratch::<T>(&g, of, whole.as_ref(), env),
        serial: false,
        kernel: Box::new(move |args| {
            let out = args.output::<T>();
            let sets = g.sets();
            let cotangent = args.input::<f64>(cotangent);
            let weights = args.scratch::<f64>(sets);
            for (b, weight) in weights.iter_mut().enumerate() {
                *weight = cotangent[of * sets + b] + cotangent[b * sets + of];
            }
            let weights = &*weights;
            let prepared = prepare::<T>(&g, args, |b| b == of || weights[b] != 0.0);
            let sums = sums::sums(args, &prepared, 0, |b| weights[b] != 0.0);
            let shifts = args.scratch::<T>(g.padded());
            shifts[g.m..].fill(T::ZERO);
            centering_shifts(&g, weights, sums.rows, &mut shifts[..g.m]);
            let gradient = GradientTiles {
                prepared: &prepared,
                of,
                weights,
                shifts,
            };
            gradient.write(args, whole.as_ref(), differs, out);
            Ok(())
        }),
    }
}

/// `u_i = sum_b w_b (alpha r_b,i - beta R_b / 2)`
fn centering_shifts<T: Real>(g: &Geometry, weights: &[f64], rows: &[f64], shifts: &mut [T]) {
    let (alpha, beta) = g.products.centering(g.m);
    let total = |b: usize| rows[b * g.m..(b + 1) * g.m].iter().sum::<f64>();
    let constant: f64 = (0..g.sets())
        .filter(|&b| weights[b] != 0.0)
        .map(|b| weights[b] * beta * 0.5 * total(b))
        .sum();
    for (i, shift) in shifts.iter_mut().enumerate() {
        let sum: f64 = weights
            .iter()
            .enumerate()
            .map(|(b, w)| w * alpha * rows[b * g.m + i])
            .sum();
        *shift = T::from_f64(sum - constant);
    }
}

impl<T: Real> GradientTiles<'_, T> {
    /// The gradient: T by bands of rows, times the samples; `whole` multiplies all of T at once. Where the term of a pair `differs` from
    /// sample to sample, each sample's own part is subtracted.
    fn write(&self, args: &Args<'_>, whole: Option<&Product>, differs: bool, out: &mut [T]) {
        let g = self.prepared.geometry;
        let tiles = args.scratch::<T>(band_tiles::<T>(g) * g.side * g.side);
        let records = args.scratch::<f64>(band_tiles::<T>(g) * 2 * g.side);
        let own_sums = args.scratch::<f64>(g.m);
        own_sums.fill(0.0);
        let worker_len = worker_len::<T>(g, self.of, args.level());
        let space = args.worker_scratch::<T>(worker_len);
        let mut first = 0;
        while first < g.blocks() {
            let mut end = first + 1;
            while end < g.blocks()
                && g.tile_at(end, g.blocks() - 1) < g.tile_at(first, first) + band_tiles::<T>(g)
            {
                end += 1;
            }
            let mut band = Band {
                first,
                end,
                tiles: &mut *tiles,
            };
            self.fill(args, &mut band, records, own_sums, &space);
            if let Some(product) = whole {
                let t = args.scratch::<T>(g.m * g.m);
                self.assemble(args, &band, t);
                if differs {
                    for (i, &sum) in own_sums.iter().enumerate() {
                        t[i * g.m + i] += T::from_f64(-sum);
                    }
                }
                product.run(args, t, self.prepared.set(self.of).x, out);
                return;
            }
            self.multiply_samples(args, &band, out, &space);
            first = end;
        }
        let set = self.prepared.set(self.of);
        if differs && set.d > 0 {
            let (own_sums, level) = (&*own_sums, args.level());
            args.pool().chunks(out, set.d * g.side, |_, block, out| {
                for (i, (out, x)) in (block * g.side..).zip(
                    out.chunks_exact_mut(set.d)
                        .zip(set.x[block * g.side * set.d..].chunks_exact(set.d)),
                ) {
                    add_scaled(level, T::from_f64(-own_sums[i]), x, out);
                }
            });
        }
    }

    fn active(&self, b: usize) -> bool {
        self.weights[b] != 0.0
    }

    /// Computes the tiles of a band, and the sums of their rows.
    fn fill(
        &self,
        args: &Args<'_>,
        band: &mut Band<'_, T>,
        records: &mut [f64],
        own_sums: &mut [f64],
        space: &WorkerSlices<'_, T>,
    ) {
        let (g, level) = (self.prepared.geometry, args.level());
        let start = g.tile_at(band.first, band.first);
        let count = g.tile_at(band.end - 1, g.blocks() - 1) + 1 - start;
        let (tile_len, record_len) = (g.side * g.side, 2 * g.side);
        let records_shared = SharedSlice::new(&mut *records);
        args.pool().chunks(
            &mut band.tiles[..count * tile_len],
            tile_len,
            |worker, i, tile| {
                // SAFETY: a worker's own work space.
                let space = unsafe { space.of(worker) };
                // SAFETY: a tile's own record.
                let record = unsafe { records_shared.range(i * record_len..(i + 1) * record_len) };
                self.tile(level, start + i, tile, record, space);
            },
        );
        for (i, record) in records.chunks_exact(record_len).take(count).enumerate() {
            let (row, column) = g.row_column(start + i);
            for (block, sums) in [(row, &record[..g.side]), (column, &record[g.side..])] {
                let all = &mut own_sums[g.block(block)];
                all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
            }
        }
    }

    /// Tile `t` of T, the whole tile also on the diagonal, and the sums of its rows and columns.
    fn tile(&self, level: Level, t: usize, tile: &mut [T], record: &mut [f64], space: &mut [T]) {
        let g = self.prepared.geometry;
        let side = g.side;
        let Tile { rows, cols, extent } = g.tile(t);
        let (others, space) = space.split_at_mut(g.sets() * side * side);
        let (own, space) = space.split_at_mut(side);
        let (weights, work) = space.split_at_mut(side);
        let set = self.prepared.set(self.of);
        let both = (rows.clone(), cols.clone());
        set.products(level, both.clone(), side, tile, work);
        for b in (0..g.sets()).filter(|&b| b != self.of && self.active(b)) {
            let other = &mut others[b * side * side..(b + 1) * side * side];
            self.prepared
                .set(b)
                .products(level, both.clone(), side, other, work);
        }
        let (row_sums, column_sums) = record.split_at_mut(side);
        column_sums.fill(0.0);
        for (i, row_sum) in row_sums.iter_mut().enumerate().take(rows.len()) {
            let whole = extent.whole(i);
            let (r, columns) = (rows.start + i, cols.start + whole.start..cols.start + whole.end);
            let line = i * side + whole.start..i * side + whole.end;
            let weights = &mut weights[..columns.len()];
            start_weights(level, self.shifts[r], &self.shifts[columns.clone()], weights);
            for b in (0..g.sets()).filter(|&b| self.active(b)) {
                let similar = self.prepared.set(b);
                let values_of = if b == self.of {
                    own[..columns.len()].copy_from_slice(&tile[line.clone()]);
                    &mut own[..columns.len()]
                } else {
                    &mut others[b * side * side..][line.clone()]
                };
                let norms = &similar.norms[columns.clone()];
                values(
                    level,
                    similar.similarity,
                    similar.factors,
                    similar.norms[r],
                    norms,
                    values_of,
                );
                add_scaled(level, T::from_f64(self.weights[b]), values_of, weights);
            }
            let tile = &mut tile[line];
            slopes(
                level,
                set.similarity,
                set.factors,
                set.norms[r],
                &set.norms[columns],
                tile,
            );
            scale_by(level, tile, weights);
            leave(&extent, i, tile);
            *row_sum = tally(level, tile, &mut column_sums[whole]);
        }
        if extent.diagonal {
            self.complete(tile, rows.start, rows.len());
        }
    }

    /// Sets the diagonal of a tile on the diagonal, and copies the upper triangle to the lower one.
    fn complete(&self, tile: &mut [T], start: usize, len: usize) {
        let side = self.prepared.geometry.side;
        for i in 0..len {
            for j in 0..i {
                tile[i * side + j] = tile[j * side + i];
            }
            tile[i * side + i] = self.diagonal(start + i);
        }
    }

    /// T_ii.
    fn diagonal(&self, i: usize) -> T {
        let g = self.prepared.geometry;
        let set = self.prepared.set(self.of);
        if g.products.hollow || !matches!(set.similarity, Similarity::Linear | Similarity::Polynomial { .. })
        {
            return T::ZERO;
        }
        let own = |b: usize| {
            let set = self.prepared.set(b);
            self.weights[b] * own_value(set.similarity, set.factors, set.norms[i]).to_f64()
        };
        let weight: f64 = (0..g.sets()).filter(|&b| self.active(b)).map(own).sum();
        let mut slope = [set.norms[i]];
        slopes(
            Level::PORTABLE,
            set.similarity,
            set.factors,
            set.norms[i],
            &[set.norms[i]],
            &mut slope,
        );
        T::from_f64((weight - 2.0 * self.shifts[i].to_f64()) * slope[0].to_f64())
    }

    /// Writes T (m, m) from a band of all its rows.
    fn assemble(&self, args: &Args<'_>, band: &Band<'_, T>, t: &mut [T]) {
        let (g, level) = (self.prepared.geometry, args.level());
        let side = g.side;
        args.pool().chunks(t, side * g.m, |_, row, lines| {
            for column in 0..g.blocks() {
                let (rows, cols) = (g.block(row), g.block(column));
                let to = &mut lines[cols.start..];
                if column < row {
                    let tile = &band.tiles[band.at(g, column, row)..];
                    transpose(level, tile, (1, side), (rows.len(), cols.len()), to, g.m);
                } else {
                    let tile = &band.tiles[band.at(g, row, column)..];
                    for (to, from) in to.chunks_mut(g.m).zip(tile.chunks(side)).take(rows.len()) {
                        to[..cols.len()].copy_from_slice(&from[..cols.len()]);
                    }
                }
            }
        });
    }

    /// Adds the band's terms of every sample's gradient to `out` (m, d).
    fn multiply_samples(
        &self,
        args: &Args<'_>,
        band: &Band<'_, T>,
        out: &mut [T],
        space: &WorkerSlices<'_, T>,
    ) {
        let (g, level, pool) = (self.prepared.geometry, args.level(), args.pool());
        let set = self.prepared.set(self.of);
        if set.d == 0 {
            return;
        }
        if matches!(set.similarity, Similarity::Laplacian { .. }) {
            add_signs(args, g, band, (set.x, set.d), out, space);
            return;
        }
        let blocks = g.blocks() - band.first;
        let parts = (2 * pool.threads())
            .div_ceil(blocks)
            .clamp(1, set.d.div_ceil(PANEL_COLUMNS));
        let width = set.d.div_ceil(parts).next_multiple_of(PANEL_COLUMNS);
        let parts = set.d.div_ceil(width);
        let out = SharedSlice::new(out);
        pool.run(blocks * parts, |worker, task| {
            let block = band.first + task / parts;
            let columns = task % parts * width..set.d.min((task % parts + 1) * width);
            // SAFETY: a worker's own work space.
            let work = unsafe { space.of(worker) };
            // SAFETY: within `out`; a task's own rows and columns.
            let start = unsafe { out.as_mut_ptr().add(g.block(block).start * set.d + columns.start) };
            let mut target = OutBlock {
                start,
                stride: set.d,
                add: band.first > 0,
                prefetch: Prefetch::NONE,
            };
            let above = (band.first..block.min(band.end)).map(|i| (i, band.at(g, i, block), true));
            let right = (block..if block < band.end { g.blocks() } else { block })
                .map(|j| (j, band.at(g, block, j), false));
            for (other, at, transposed) in above.chain(right) {
                let tile = Matrix {
                    data: &band.tiles[at..at + g.side * g.side],
                    row: g.side,
                    col: 1,
                };
                let left = if transposed {
                    LeftOperand::InPlace(tile.t())
                } else {
                    LeftOperand::Matrix(tile)
                };
                let x = RightOperand::Pack(&Matrix {
                    data: &set.x[g.block(other).start * set.d..],
                    row: set.d,
                    col: 1,
                });
                let (terms, rows) = (g.block(other).len(), 0..g.block(block).len());
                // SAFETY: only this task uses the target.
                unsafe { macro_kernel(level, terms, left, rows, &x, columns.clone(), target, work) };
                target.add = true;
            }
        });
    }
}
