//! The part of [`Direct`](super::direct::Direct) for few rows of weights: registers of elements are read where they lie.

use super::lanes::{Job, wide};
use super::pieces::{Piece, Pieces};
use crate::cpu::element::Element;
use crate::cpu::gemm::Lanes;

/// Rows of weights, and pieces, of a tile of sums: 24 registers of the 32 that there are. With 16 there are 2 pieces.
const ROWS: usize = 6;
const PIECES: usize = 4;

/// `out = weights elements` for one image.
pub(super) struct Few<'a, T> {
    pub pieces: &'a Pieces,
    /// Places of the result.
    pub places: usize,
    pub planes: &'a [T],
    pub weights: &'a [T],
    pub out: &'a mut [T],
}

/// A tile of sums: some rows of weights and some pieces.
#[derive(Clone, Copy)]
struct Tile<T> {
    /// Terms of a sum: elements between rows of weights.
    depth: usize,
    weights: *const T,
    /// Where the elements of each term start, from those of the pieces on.
    offsets: *const usize,
    /// The result, and elements between its rows.
    out: *mut T,
    places: usize,
}

impl<T: Element> Job<T> for Few<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(self) {
        let pieces = self.pieces;
        let (depth, rows) = (pieces.offsets.len(), self.out.len() / self.places);
        assert!(V::N == pieces.lanes && rows * depth == self.weights.len());
        let heights = rows.div_ceil(ROWS);
        for group in pieces.all.chunks(if wide::<V>() { PIECES } else { PIECES / 2 }) {
            let mut starts = [self.planes.as_ptr(); PIECES];
            for (start, piece) in starts.iter_mut().zip(group) {
                *start = start.wrapping_add(piece.from);
            }
            for height in 0..heights {
                let (row, end) = (rows * height / heights, rows * (height + 1) / heights);
                let tile = Tile {
                    depth,
                    weights: self.weights[row * depth..].as_ptr(),
                    offsets: pieces.offsets.as_ptr(),
                    out: self.out[row * self.places..].as_mut_ptr(),
                    places: self.places,
                };
                // SAFETY: these rows of the weights exist, registers of elements lie within the planes, as `Pieces::write`
                // checked, and pieces within the result's rows.
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
    starts: [*const V::Elem; PIECES],
    group: &[Piece],
    rows: usize,
) {
    macro_rules! tiles {
        ($($r:literal)*) => {
            match (rows, group.len()) {
                $(
                    ($r, 1) => tile::<V, $r, 1>(job, starts, group),
                    ($r, 2) => tile::<V, $r, 2>(job, starts, group),
                    ($r, 3) if wide::<V>() => tile::<V, $r, 3>(job, starts, group),
                    ($r, 4) if wide::<V>() => tile::<V, $r, 4>(job, starts, group),
                )*
                _ => unreachable!("rows and pieces are divided into tiles"),
            }
        };
    }
    // SAFETY: as the caller promises.
    unsafe { tiles!(1 2 3 4 5 6) }
}

/// # Safety
/// The processor must have `V`'s instructions; `R` rows of weights must be readable for all terms, registers of elements
/// from the first `P` starts on at all offsets, and the first `P` pieces be writable in `R` rows of the result.
#[inline(always)]
unsafe fn tile<V: Lanes, const R: usize, const P: usize>(
    job: Tile<V::Elem>,
    starts: [*const V::Elem; PIECES],
    group: &[Piece],
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
        for (j, piece) in group.iter().enumerate().take(P) {
            for (i, line) in sums.iter().enumerate() {
                let to = job.out.add(i * job.places + piece.place);
                if piece.count == V::N {
                    line[j].store(to);
                } else {
                    line[j].store_some(to, V::first(piece.count));
                }
            }
        }
    }
}
