//! Samples made ready for tiles: copied, moved to their mean where only differences count, with their norms, and packed
//! as the right operand of inner products.

use std::ops::Range;

use hyperglow_core::op::Spec;
use hyperglow_core::similarity::{Products, Similarity};

use super::rows::{LANES, Real, factors};
use crate::cpu::element::Float;
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::gemm::{DEPTH, Left, Matrix, Right, Source, Target, Tiled, Warm, region_of, work_len};
use crate::cpu::level::{Level, versions};
use crate::cpu::pool::{Pool, SharedSlice};

/// Elements of samples up to which they are packed once for all tiles.
const SHARED: usize = 1 << 23;
/// Columns of samples that a task moves to their mean.
const COLUMNS: usize = 64;
/// Elements of samples that are worth a second thread.
const FEW: usize = 1 << 12;
/// Rows of the parts of a tile on the diagonal: a multiple of the columns of every tile of the matrix product.
const PART: usize = 64;

/// Everything about an operation that its shapes decide.
pub(super) struct Geometry {
    pub products: Products,
    /// Samples.
    pub m: usize,
    /// Rows and columns of a tile.
    pub side: usize,
    /// Numbers per sample, of each set.
    pub widths: Box<[usize]>,
    /// Where in scratch the samples, the packed ones and the factors of each set begin, and where the last end.
    x: Box<[usize]>,
    packed: Box<[usize]>,
    factors: Box<[usize]>,
}

/// Running totals: of none, of the first, ...
fn running(counts: impl Iterator<Item = usize>) -> Box<[usize]> {
    let mut total = 0;
    let ends = counts.map(|count| {
        total += count;
        total
    });
    std::iter::once(0).chain(ends).collect()
}

fn end(offsets: &[usize]) -> usize {
    *offsets.last().expect("one more than sets")
}

impl Geometry {
    pub fn new<T: Tiled>(products: &Products, inputs: &[&Spec], level: Level) -> Geometry {
        let samples = &inputs[..products.sets()];
        let m = samples[0].shape[0];
        let side = match m {
            0..=128 => 32,
            129..=512 => 64,
            _ => 192,
        };
        let widths: Box<[usize]> = samples.iter().map(|x| x.shape[1]).collect();
        let packed = |(&s, &d): (&Similarity, &usize)| {
            let shared = s != Similarity::Equal && m * d <= SHARED;
            if shared { T::tiles(level).padded(m) * d } else { 0 }
        };
        Geometry {
            m,
            side,
            x: running(widths.iter().map(|d| m * d)),
            packed: running(products.similarities.iter().zip(&widths).map(packed)),
            factors: running(products.similarities.iter().map(|s| s.parameters())),
            widths,
            products: products.clone(),
        }
    }

    pub fn sets(&self) -> usize {
        self.products.sets()
    }

    /// Tiles along a side of the matrices.
    pub fn blocks(&self) -> usize {
        self.m.div_ceil(self.side)
    }

    /// The samples of a block.
    pub fn block(&self, i: usize) -> Range<usize> {
        i * self.side..self.m.min((i + 1) * self.side)
    }

    /// Tiles on and above the diagonal.
    pub fn tiles(&self) -> usize {
        self.blocks() * (self.blocks() + 1) / 2
    }

    /// The number of the tile at (row, column), on or above the diagonal: row by row.
    pub fn tile_at(&self, row: usize, column: usize) -> usize {
        row * self.blocks() + column - row * (row + 1) / 2
    }

    /// (row, column) of tile `t`.
    pub fn place(&self, t: usize) -> (usize, usize) {
        let mut row = 0;
        while row + 1 < self.blocks() && self.tile_at(row + 1, row + 1) <= t {
            row += 1;
        }
        (row, t + row * (row + 1) / 2 - row * self.blocks())
    }

    /// Bytes that [`prepare`] takes.
    pub fn scratch<T: Tiled>(&self) -> usize {
        let lens = [
            end(&self.x),
            end(&self.packed),
            end(&self.factors),
            self.m * self.sets(),
        ];
        lens.into_iter().map(scratch_bytes::<T>).sum()
    }

    /// Elements of a worker's work space for [`Samples::products`].
    pub fn work<T: Tiled>(&self, level: Level) -> usize {
        let d = self.widths.iter().copied().max().unwrap_or(0);
        work_len::<T>(level, d, self.side, self.side, false, true).next_multiple_of(16)
    }
}

/// All sets that are ready.
pub(super) struct Prepared<'a, T> {
    pub geometry: &'a Geometry,
    x: &'a [T],
    packed: &'a [T],
    factors: &'a [T],
    norms: &'a [T],
}

/// A set of samples that is ready.
#[derive(Clone, Copy)]
pub(super) struct Samples<'a, T> {
    pub similarity: Similarity,
    pub factors: &'a [T],
    /// (m, d)
    pub x: &'a [T],
    pub d: usize,
    /// Of each sample: the square of its length; laplacian: the sum of its entries; equality: the number itself.
    pub norms: &'a [T],
    /// Packed block by block, if at all.
    packed: &'a [T],
}

/// Makes those sets ready that are `wanted`.
pub(super) fn prepare<'a, T: Real>(
    geometry: &'a Geometry,
    args: &'a Args<'a>,
    wanted: impl Fn(usize) -> bool,
) -> Prepared<'a, T> {
    let (m, sets) = (geometry.m, geometry.sets());
    let x = args.scratch::<T>(end(&geometry.x));
    let packed = args.scratch::<T>(end(&geometry.packed));
    let factors = args.scratch::<T>(end(&geometry.factors));
    let norms = args.scratch::<T>(m * sets);
    for a in (0..sets).filter(|&a| wanted(a)) {
        let similarity = geometry.products.similarities[a];
        let parameters = geometry.products.parameters(a).map(|p| args.input::<T>(p)[0]);
        let place = geometry.factors[a]..geometry.factors[a + 1];
        self::factors(similarity, parameters, &mut factors[place]);
        let x = &mut x[geometry.x[a]..geometry.x[a + 1]];
        let packed = &mut packed[geometry.packed[a]..geometry.packed[a + 1]];
        let norms = &mut norms[a * m..(a + 1) * m];
        copy(args, similarity, args.input::<T>(a), geometry.widths[a], x);
        finish(args, geometry, a, x, packed, norms);
    }
    Prepared {
        geometry,
        x,
        packed,
        factors,
        norms,
    }
}

/// Calls `task` for every number below `tasks`, on one thread if there are few `elements`.
fn spread(pool: &Pool, elements: usize, tasks: usize, task: impl Fn(usize) + Sync) {
    if elements <= FEW {
        (0..tasks).for_each(task);
    } else {
        pool.run(tasks, |_, i| task(i));
    }
}

/// Copies samples (m, d), moved to their mean where the centred matrix does not depend on where they are. Equal rows
/// become exactly 0.
fn copy<T: Real>(args: &Args<'_>, similarity: Similarity, from: &[T], d: usize, to: &mut [T]) {
    let level = args.level();
    let move_to_mean = !matches!(similarity, Similarity::Polynomial { .. } | Similarity::Equal);
    let to = SharedSlice::new(to);
    spread(args.pool(), from.len(), d.div_ceil(COLUMNS), |strip| {
        let columns = strip * COLUMNS..d.min((strip + 1) * COLUMNS);
        let (mut first, mut mean) = ([0.0; COLUMNS], [0.0; COLUMNS]);
        if move_to_mean {
            for (first, x) in first.iter_mut().zip(&from[columns.clone()]) {
                *first = x.to_f64();
            }
            for row in from.chunks_exact(d) {
                add_differences(level, &row[columns.clone()], &first, &mut mean);
            }
        }
        let rows = from.len() / d;
        mean.iter_mut().for_each(|sum| *sum /= rows as f64);
        for (r, row) in from.chunks_exact(d).enumerate() {
            // SAFETY: these columns are this task's.
            let to = unsafe { to.range(r * d + columns.start..r * d + columns.end) };
            subtract(level, &row[columns.clone()], &first, &mean, to);
        }
    });
}

/// Computes the norms of set `a` and packs it.
fn finish<T: Real>(
    args: &Args<'_>,
    geometry: &Geometry,
    a: usize,
    x: &[T],
    packed: &mut [T],
    norms: &mut [T],
) {
    let (level, tiles, d) = (args.level(), T::tiles(args.level()), geometry.widths[a]);
    let similarity = geometry.products.similarities[a];
    let has_panels = !packed.is_empty();
    let (packed, norms) = (SharedSlice::new(packed), SharedSlice::new(norms));
    spread(args.pool(), x.len(), geometry.blocks(), |block| {
        let rows = geometry.block(block);
        // SAFETY: a block's own norms.
        for (norm, r) in unsafe { norms.range(rows.clone()) }.iter_mut().zip(rows.clone()) {
            *norm = self::norm(level, similarity, &x[r * d..(r + 1) * d]);
        }
        if has_panels {
            let columns = Matrix {
                data: &x[rows.start * d..],
                row: 1,
                col: d,
            };
            let padded = tiles.padded(rows.len());
            // SAFETY: a block's own panels.
            let panels = unsafe { packed.range(rows.start * d..rows.start * d + padded * d) };
            for k0 in (0..d).step_by(DEPTH) {
                let ks = k0..d.min(k0 + DEPTH);
                let out = &mut panels[k0 * padded..ks.end * padded];
                columns.pack(level, ks, 0..rows.len(), tiles.widths(), out);
            }
        }
    });
}

versions! {
    /// `sums[i] += row[i] - first[i]`
    fn add_differences[T: Real](row: &[T], first: &[f64; COLUMNS], sums: &mut [f64; COLUMNS]) {
        for ((sum, x), first) in sums.iter_mut().zip(row).zip(first) {
            *sum += x.to_f64() - first;
        }
    }
}

versions! {
    /// `out[i] = row[i] - first[i] - mean[i]`
    fn subtract[T: Real](row: &[T], first: &[f64; COLUMNS], mean: &[f64; COLUMNS], out: &mut [T]) {
        for (((out, x), first), mean) in out.iter_mut().zip(row).zip(first).zip(mean) {
            *out = T::from_f64(x.to_f64() - first - mean);
        }
    }
}

versions! {
    /// See [`Samples::norms`].
    fn norm[T: Real](similarity: Similarity, row: &[T]) -> T {
        let (whole, rest) = row.as_chunks::<LANES>();
        let mut lanes = [0.0; LANES];
        match similarity {
            Similarity::Laplacian { .. } | Similarity::Equal => {
                for row in whole {
                    for i in 0..LANES {
                        lanes[i] += row[i].to_f64();
                    }
                }
                rest.iter().zip(&mut lanes).for_each(|(x, lane)| *lane += x.to_f64());
            }
            _ => {
                for row in whole {
                    for i in 0..LANES {
                        lanes[i] = row[i].to_f64().fma::<FMA>(row[i].to_f64(), lanes[i]);
                    }
                }
                rest.iter().zip(&mut lanes).for_each(|(x, lane)| *lane += x.to_f64() * x.to_f64());
            }
        }
        T::from_f64(lanes.iter().sum())
    }
}

impl<'a, T: Real> Prepared<'a, T> {
    /// Set `a`, which must be ready.
    pub fn set(&self, a: usize) -> Samples<'a, T> {
        let g = self.geometry;
        Samples {
            similarity: g.products.similarities[a],
            factors: &self.factors[g.factors[a]..g.factors[a + 1]],
            x: &self.x[g.x[a]..g.x[a + 1]],
            d: g.widths[a],
            norms: &self.norms[a * g.m..(a + 1) * g.m],
            packed: &self.packed[g.packed[a]..g.packed[a + 1]],
        }
    }
}

impl<T: Real> Samples<'_, T> {
    /// Inner products (laplacian: sums of the smaller entries) of samples `rows` with samples `cols`, row by row with
    /// `stride` between rows. Where both are the same, what lies below the diagonal may be missing.
    pub fn products(
        &self,
        level: Level,
        rows: Range<usize>,
        cols: Range<usize>,
        (out, stride): (&mut [T], usize),
        work: &mut [T],
    ) {
        if self.similarity == Similarity::Equal {
            return;
        }
        assert!(cols.len() <= stride && rows.len() * stride <= out.len());
        let tiles = T::tiles_of(level, matches!(self.similarity, Similarity::Laplacian { .. }));
        let part = if rows == cols { PART } else { rows.len() };
        let left = Matrix {
            data: self.x,
            row: self.d,
            col: 1,
        };
        let right = Matrix {
            data: &self.x[cols.start * self.d..],
            row: 1,
            col: self.d,
        };
        let right = if self.packed.is_empty() {
            Source::Pack(&right)
        } else {
            Source::Packed(&self.packed[cols.start * self.d..], cols.len())
        };
        for start in (0..rows.len()).step_by(part) {
            let from = if rows == cols { start } else { 0 };
            let target = Target {
                start: out[start * stride + from..].as_mut_ptr(),
                stride,
                add: false,
                warm: Warm::NOTHING,
            };
            let part = rows.start + start..rows.end.min(rows.start + start + part);
            // SAFETY: the extents were checked; parts start at whole tiles.
            unsafe {
                region_of(
                    tiles,
                    level,
                    self.d,
                    Left::Matrix(left),
                    part,
                    &right,
                    from..cols.len(),
                    target,
                    work,
                )
            };
        }
    }
}
