//! The median distance of all pairs of samples. Where there are few pairs, their distances are kept and one is selected; else
//! distances are made again in each pass over the tiles that counts them ([`ranks`](super::ranks)), so that memory does not grow with their number.

use std::sync::atomic::{AtomicU64, Ordering};

use hyperglow_core::op::Spec;
use hyperglow_core::similarity::{Products, Similarity};

use super::geometry::{Geometry, GramAlgorithm, Purpose, Tile};
use super::ranks::{DIGIT_VALUES, Pass, Ranked, of_rank};
use super::rows::{Real, SUM_LANES, total};
use super::samples::{Samples, prepare, prepared_bytes};
use crate::cpu::element::Float;
use crate::cpu::exec::{Args, Chosen, Env, Kernel, scratch_bytes};
use crate::cpu::level::{Level, versions};
use crate::cpu::pool::{Pool, SharedSlice};

/// Pairs whose distances are kept.
const KEPT_PAIRS: usize = 1 << 18;
/// A squared distance below this part of both norms is taken from differences: inner products lose too many of its digits.
const NEAR_RATIO: f64 = 1.0 / 256.0;

/// The kernel of [`Op::MedianDistance`](hyperglow_core::Op::MedianDistance).
pub(crate) fn median_distance<T: Real + Ranked>(x: &Spec, env: &Env) -> Chosen {
    if x.shape[1] == 0 {
        let kernel: Kernel = Box::new(|args| {
            args.output::<T>()[0] = T::from_f64(1.0);
            Ok(())
        });
        return kernel.into();
    }
    let products = Products {
        similarities: [Similarity::Linear].into(),
        hollow: true,
    };
    let g = Geometry::new::<T>(&products, &[x], env.level, Purpose::Densities);
    let (level, threads) = (env.level, env.pool.threads());
    let pairs = g.m * (g.m - 1) / 2;
    let of_selection = if pairs <= KEPT_PAIRS {
        scratch_bytes::<T>(pairs)
    } else {
        scratch_bytes::<u64>((threads + 1) * DIGIT_VALUES)
    };
    Chosen {
        scratch: prepared_bytes::<T>(&g, level, threads)
            + scratch_bytes::<T>(space_len::<T>(&g, level) * threads)
            + scratch_bytes::<[f64; 2]>(g.tiles())
            + of_selection,
        serial: false,
        kernel: Box::new(move |args| {
            let out = args.output::<T>();
            if args.input::<T>(0).iter().any(|x| !x.to_f64().is_finite()) {
                out[0] = T::from_f64(f64::NAN);
                return Ok(());
            }
            let prepared = prepare::<T>(&g, args, |_| true);
            let pass = TilesOfDistances::new(&g, args, prepared.set(0));
            let middle = if pairs <= KEPT_PAIRS {
                let kept = args.scratch::<T>(pairs);
                pass.keep(kept);
                selected(kept)
            } else {
                pass.counted(args.scratch((threads + 1) * DIGIT_VALUES), pairs)
            };
            let upper = middle[usize::from(pairs.is_multiple_of(2))];
            let [low, high] = [middle[0], upper].map(|square| square.sqrt().to_f64());
            out[0] = T::from_f64(if high > 0.0 {
                low / 2.0 + high / 2.0
            } else {
                pass.mean_of_apart(args.scratch(g.tiles()))
            });
            Ok(())
        }),
    }
}

/// Elements of a worker's work space: a tile, and work of inner products.
fn space_len<T: Real>(g: &Geometry, level: Level) -> usize {
    g.side * g.side + g.work::<T>(level)
}

/// The middle of some numbers, and the next.
fn selected<T: Ranked>(numbers: &mut [T]) -> [T; 2] {
    let rank = (numbers.len() - 1) / 2;
    let (_, &mut middle, above) = numbers.select_nth_unstable_by_key(rank, |number| number.to_bits());
    let next = above.iter().copied().min_by_key(|number| number.to_bits());
    [middle, next.unwrap_or(middle)]
}

/// Squared distances of samples, tile by tile.
struct TilesOfDistances<'a, T> {
    g: &'a Geometry,
    pool: &'a Pool,
    level: Level,
    samples: Samples<'a, T>,
    /// The samples as they were given.
    given: &'a [T],
    spaces: SharedSlice<'a, T>,
}

impl<'a, T: Real + Ranked> TilesOfDistances<'a, T> {
    fn new(g: &'a Geometry, args: &'a Args<'a>, samples: Samples<'a, T>) -> Self {
        let len = space_len::<T>(g, args.level()) * args.pool().threads();
        let spaces = SharedSlice::new(args.scratch::<T>(len));
        TilesOfDistances {
            g,
            pool: args.pool(),
            level: args.level(),
            samples,
            given: args.input(0),
            spaces,
        }
    }

    /// Calls `each` with the worker, the tile's number, and the squared distances of sample i from those from j on, of each pair once.
    fn run(&self, each: impl Fn(usize, usize, (usize, usize), &[T]) + Sync) {
        let (g, level, side) = (self.g, self.level, self.g.side);
        let len = space_len::<T>(g, level);
        self.pool.run(g.tiles(), |worker, number| {
            // SAFETY: a worker's own work space.
            let space = unsafe { self.spaces.range(worker * len..(worker + 1) * len) };
            let (distances, work) = space.split_at_mut(side * side);
            let Tile { rows, cols, .. } = g.tile(number);
            let both = (rows.clone(), cols.clone());
            self.samples.distances(level, both, side, distances, work);
            for (i, row) in rows.zip(distances.chunks_exact_mut(side)) {
                let first = cols.start.max(i + 1);
                let row = &mut row[first - cols.start..cols.len()];
                self.repair(i, first, row);
                each(worker, number, (i, first), row);
            }
        });
    }

    /// Recomputes two kinds of distances from differences, because inner products do not give them: distances that are small beside the
    /// norms (equal samples then have distance 0), and distances of samples whose norms overflow.
    fn repair(&self, i: usize, first: usize, row: &mut [T]) {
        if self.g.algorithms[0] == GramAlgorithm::Differences {
            return;
        }
        let (d, norms) = (self.samples.d, self.samples.norms);
        let sample = |i: usize| &self.given[i * d..(i + 1) * d];
        for (j, square) in (first..).zip(row) {
            // Norms that overflow are not below infinity.
            let is_exact = *square > T::from_f64(NEAR_RATIO) * (norms[i] + norms[j]);
            if !is_exact {
                *square = squared_difference(self.level, sample(i), sample(j));
            }
        }
    }

    /// Writes the squared distances of all pairs.
    fn keep(&self, kept: &mut [T]) {
        let m = self.g.m;
        let kept = SharedSlice::new(kept);
        self.run(|_, _, (i, first), row| {
            // The pairs of sample i follow the pairs of the samples before it.
            let start = i * (2 * m - i - 1) / 2 + first - (i + 1);
            // SAFETY: a pair is of one tile.
            unsafe { kept.range(start..start + row.len()) }.copy_from_slice(row);
        });
    }

    /// The middle one of all squared distances and the next one, by counting: `counts` has room for the sum and for each worker.
    fn counted(&self, counts: &mut [u64], pairs: usize) -> [T; 2] {
        let (all, of_workers) = counts
            .as_chunks_mut()
            .0
            .split_first_mut()
            .expect("more than workers");
        of_rank((pairs as u64 - 1) / 2, all, |pass, all| {
            let beyond = self.count(pass, of_workers);
            for counts in of_workers.iter() {
                all.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
            beyond
        })
    }

    /// A pass over all squared distances.
    fn count(&self, pass: Pass, counts: &mut [[u64; DIGIT_VALUES]]) -> u64 {
        counts.iter_mut().for_each(|counts| counts.fill(0));
        let counts = SharedSlice::new(counts);
        let beyond = AtomicU64::new(u64::MAX);
        self.run(|worker, _, _, row| {
            // SAFETY: a worker's own counts.
            let counts = unsafe { counts.range(worker..worker + 1) };
            beyond.fetch_min(pass.count(row, &mut counts[0]), Ordering::Relaxed);
        });
        beyond.into_inner()
    }

    /// The mean distance of the pairs that are apart, 1 if there are none.
    fn mean_of_apart(&self, records: &mut [[f64; 2]]) -> f64 {
        records.fill([0.0; 2]);
        let shared = SharedSlice::new(records);
        self.run(|_, number, _, row| {
            // SAFETY: a tile's own record.
            let record = &mut unsafe { shared.range(number..number + 1) }[0];
            for square in row {
                let distance = square.sqrt().to_f64();
                record[0] += distance;
                record[1] += f64::from(u8::from(distance > 0.0));
            }
        });
        let [sum, count] = records.iter().fold([0.0; 2], |[sum, count], record| {
            [sum + record[0], count + record[1]]
        });
        if count > 0.0 { sum / count } else { 1.0 }
    }
}

versions! {
    /// The square of the distance of two samples.
    fn squared_difference[T: Real](a: &[T], b: &[T]) -> T {
        let n = a.len();
        let b = &b[..n];
        let mut lanes = [0.0; SUM_LANES];
        let mut add = |lane: usize, difference: f64| {
            lanes[lane] = difference.fma::<FMA>(difference, lanes[lane]);
        };
        let whole = n / SUM_LANES * SUM_LANES;
        for start in (0..whole).step_by(SUM_LANES) {
            for lane in 0..SUM_LANES {
                add(lane, (a[start + lane] - b[start + lane]).to_f64());
            }
        }
        for i in whole..n {
            add(i - whole, (a[i] - b[i]).to_f64());
        }
        T::from_f64(total(&lanes))
    }
}
