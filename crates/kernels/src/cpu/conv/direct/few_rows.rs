//! The part of [`Direct`](super::Direct) for few rows of weights: registers of elements are read where they lie.

use crate::cpu::conv::lanes::{LaneKernel, has_32_registers};
use crate::cpu::conv::planes::{Run, Runs};
use crate::cpu::element::Element;
use crate::cpu::gemm::Lanes;

/// Rows of weights of a tile of sums.
const TILE_ROWS: usize = 6;
/// Runs of a tile of sums: 24 registers of the 32 that there are. With 16 registers a tile has 2 runs.
const TILE_RUNS: usize = 4;

/// `out = weights elements` for one image.
pub(super) struct FewRows<'a, T> {
    pub runs: &'a Runs,
    /// Positions of the result.
    pub positions: usize,
    pub planes: &'a [T],
    pub weights: &'a [T],
    pub out: &'a mut [T],
}

/// A tile of sums: some rows of weights and some runs.
#[derive(Clone, Copy)]
struct Tile<T> {
    /// Terms of a sum: elements between rows of weights.
    depth: usize,
    weights: *const T,
    /// Where the elements of each term start, from those of the runs on.
    offsets: *const usize,
    /// The result, and elements between its rows.
    out: *mut T,
    positions: usize,
}

impl<T: Element> LaneKernel<T> for FewRows<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(self) {
        let runs = self.runs;
        let (depth, rows) = (runs.offsets.len(), self.out.len() / self.positions);
        assert!(V::N == runs.lanes && rows * depth == self.weights.len());
        let heights = rows.div_ceil(TILE_ROWS);
        for group in runs.all.chunks(if has_32_registers::<V>() {
            TILE_RUNS
        } else {
            TILE_RUNS / 2
        }) {
            let mut starts = [self.planes.as_ptr(); TILE_RUNS];
            for (start, run) in starts.iter_mut().zip(group) {
                *start = start.wrapping_add(run.from);
            }
            for height in 0..heights {
                let (row, end) = (rows * height / heights, rows * (height + 1) / heights);
                let tile = Tile {
                    depth,
                    weights: self.weights[row * depth..].as_ptr(),
                    offsets: runs.offsets.as_ptr(),
                    out: self.out[row * self.positions..].as_mut_ptr(),
                    positions: self.positions,
                };
                // SAFETY: these rows of the weights exist, registers of elements lie within the planes, as
                // `Runs::write` checked, and runs within the result's rows.
                unsafe { tile_of::<V>(tile, starts, group, end - row) };
            }
        }
    }
}

/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn tile_of<V: Lanes>(
    job: Tile<V::Elem>,
    starts: [*const V::Elem; TILE_RUNS],
    group: &[Run],
    rows: usize,
) {
    macro_rules! tiles {
        ($($r:literal)*) => {
            match (rows, group.len()) {
                $(
                    ($r, 1) => tile::<V, $r, 1>(job, starts, group),
                    ($r, 2) => tile::<V, $r, 2>(job, starts, group),
                    ($r, 3) if has_32_registers::<V>() => tile::<V, $r, 3>(job, starts, group),
                    ($r, 4) if has_32_registers::<V>() => tile::<V, $r, 4>(job, starts, group),
                )*
                _ => unreachable!("rows and pieces are divided into tiles"),
            }
        };
    }
    // SAFETY: as the caller promises.
    unsafe { tiles!(1 2 3 4 5 6) }
}

/// # Safety
/// The processor must have `V`'s instructions; `R` rows of weights must be readable for all terms, registers of
/// elements from the first `P` starts on at all offsets, and the first `P` runs be writable in `R` rows of the result.
#[inline(always)]
unsafe fn tile<V: Lanes, const R: usize, const P: usize>(
    job: Tile<V::Elem>,
    starts: [*const V::Elem; TILE_RUNS],
    group: &[Run],
) {
    // SAFETY: as the caller promises.
    unsafe {
        // A pointer to every third row: the others are reached by the distance in an address.
        let rows: [*const V::Elem; 2] = std::array::from_fn(|i| job.weights.wrapping_add(3 * i * job.depth));
        let mut sums = [[V::splat(V::Elem::ZERO); P]; R];
        for term in 0..job.depth {
            let offset = *job.offsets.add(term);
            let elements: [V; P] = std::array::from_fn(|j| V::load(starts[j].add(offset)));
            for (i, line) in sums.iter_mut().enumerate() {
                let weight = V::splat(*rows[i / 3].add(i % 3 * job.depth + term));
                for (sum, &x) in line.iter_mut().zip(&elements) {
                    *sum = sum.fma(weight, x);
                }
            }
        }
        for (j, run) in group.iter().enumerate().take(P) {
            for (i, line) in sums.iter().enumerate() {
                let to = job.out.add(i * job.positions + run.position);
                if run.count == V::N {
                    line[j].store(to);
                } else {
                    line[j].store_some(to, V::first(run.count));
                }
            }
        }
    }
}
