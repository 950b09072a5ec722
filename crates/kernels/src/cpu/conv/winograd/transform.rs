//! The transforms of F(2 x 2, 3 x 3), several channels at a time (Lavin and Gray 2016, arXiv 1509.09308, eq. 8):
//! of a tile of 4 x 4 elements, of a filter of 3 x 3 taps, and of 4 x 4 products back to 2 x 2 results; and their
//! transposes, which the adjoint in w is made of.

use crate::cpu::conv::lanes::{LaneKernel, minus, times};
use crate::cpu::element::Element;
use crate::cpu::gemm::Lanes;

/// Elements of a transformed tile.
pub(super) const COORDINATES: usize = 16;

/// `B' d` along one axis: 4 elements to 4.
///
/// # Safety
/// The processor must have `V`'s instructions; so for every function here.
#[inline(always)]
unsafe fn element<V: Lanes>([a, b, c, d]: [V; 4]) -> [V; 4] {
    // SAFETY: as the caller promises, here and below.
    unsafe { [minus(a, c), b.add(c), minus(c, b), minus(b, d)] }
}

/// `G g` along one axis: 3 taps to 4.
///
/// # Safety
/// See [`element`].
#[inline(always)]
unsafe fn tap<V: Lanes>([a, b, c]: [V; 3]) -> [V; 4] {
    // SAFETY: as the caller promises.
    unsafe {
        let half = V::splat(V::Elem::from_f64(0.5));
        let ends = a.add(c);
        [a, times(ends.add(b), half), times(minus(ends, b), half), c]
    }
}

/// `A' m` along one axis: 4 products to 2 results.
///
/// # Safety
/// See [`element`].
#[inline(always)]
unsafe fn result<V: Lanes>([a, b, c, d]: [V; 4]) -> [V; 2] {
    // SAFETY: as the caller promises.
    unsafe { [a.add(b).add(c), minus(minus(b, c), d)] }
}

/// `A y` along one axis: 2 results to 4.
///
/// # Safety
/// See [`element`].
#[inline(always)]
unsafe fn result_back<V: Lanes>([a, b]: [V; 2]) -> [V; 4] {
    // SAFETY: as the caller promises.
    unsafe { [a, a.add(b), minus(a, b), minus(V::splat(V::Elem::ZERO), b)] }
}

/// `G' u` along one axis: 4 to 3 taps.
///
/// # Safety
/// See [`element`].
#[inline(always)]
unsafe fn tap_back<V: Lanes>([a, b, c, d]: [V; 4]) -> [V; 3] {
    // SAFETY: as the caller promises.
    unsafe {
        let half = V::splat(V::Elem::from_f64(0.5));
        let (sum, difference) = (times(b.add(c), half), times(minus(b, c), half));
        [a.add(sum), difference, sum.add(d)]
    }
}

/// A transform of both axes of a square: `along` each column, then each row.
macro_rules! both {
    ($name:ident, $along:ident, $from:literal, $to:literal) => {
        /// # Safety
        /// See [`element`].
        #[inline(always)]
        unsafe fn $name<V: Lanes>(x: [[V; $from]; $from]) -> [[V; $to]; $to] {
            // SAFETY: as the caller promises.
            unsafe {
                let columns: [[V; $to]; $from] =
                    std::array::from_fn(|j| $along(std::array::from_fn(|i| x[i][j])));
                std::array::from_fn(|i| $along(std::array::from_fn(|j| columns[j][i])))
            }
        }
    };
}
both!(elements, element, 4, 4);
both!(taps, tap, 3, 4);
both!(results, result, 4, 2);
both!(results_back, result_back, 2, 4);
both!(taps_back, tap_back, 4, 3);

/// Squares of a plane with channels innermost, at every second line and column, and where their transforms go: those
/// of a tile to 16 coordinates `apart`, tile by tile in the order of the plane.
pub(super) struct TileGrid<'a, T> {
    /// (line, column, channel).
    pub plane: &'a mut [T],
    /// Elements between lines and between columns.
    pub strides: (usize, usize),
    /// Rows and columns of tiles.
    pub tiles: (usize, usize),
    /// Channels: whole registers.
    pub channels: usize,
    /// (coordinate, tile, channel).
    pub transformed: &'a mut [T],
    /// Elements between coordinates and between tiles.
    pub apart: (usize, usize),
}

/// What is done with [`TileGrid`].
#[derive(Clone, Copy, PartialEq)]
pub(super) enum TransformKind {
    /// From overlapping squares of 4 x 4 elements.
    Elements,
    /// From squares of 2 x 2 elements of a gradient.
    Gradient,
    /// To squares of 2 x 2 results.
    Results,
}

impl<T> TileGrid<'_, T> {
    /// Does it for all tiles.
    #[inline(always)]
    fn each(self, kind: TransformKind, mut one: impl FnMut(*mut T, *mut T)) {
        let (rows, columns) = self.tiles;
        if rows * columns * self.channels == 0 {
            return;
        }
        let side = if kind == TransformKind::Elements { 4 } else { 2 };
        let (line, column) = self.strides;
        let last = (2 * (rows - 1) + side - 1) * line + (2 * (columns - 1) + side - 1) * column;
        assert!(last + self.channels <= self.plane.len());
        let last = (COORDINATES - 1) * self.apart.0 + (rows * columns - 1) * self.apart.1;
        assert!(last + self.channels <= self.transformed.len());
        let (plane, transformed) = (self.plane.as_mut_ptr(), self.transformed.as_mut_ptr());
        for row in 0..rows {
            for tile in 0..columns {
                let at = 2 * row * line + 2 * tile * column;
                one(
                    plane.wrapping_add(at),
                    transformed.wrapping_add((row * columns + tile) * self.apart.1),
                );
            }
        }
    }
}

/// [`TileGrid`] to be transformed in a [`TransformKind`].
pub(super) struct Transform<'a, T>(pub TileGrid<'a, T>, pub TransformKind);

impl<T: Element> LaneKernel<T> for Transform<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(self) {
        let Transform(grid, kind) = self;
        let ((line, column), apart, channels) = (grid.strides, grid.apart.0, grid.channels);
        assert!(channels.is_multiple_of(V::N));
        grid.each(kind, |square, transformed| {
            for c in (0..channels).step_by(V::N) {
                // SAFETY: the tiles and coordinates lie within their slices, as `each` checked; the instructions are
                // there, as the caller promises.
                unsafe {
                    let read = |i: usize, j: usize| V::load(square.add(i * line + j * column + c));
                    let coordinate = |i: usize, j: usize| transformed.add((i * 4 + j) * apart + c);
                    let store = |all: [[V; 4]; 4]| {
                        for (i, row) in all.into_iter().enumerate() {
                            for (j, x) in row.into_iter().enumerate() {
                                x.store(coordinate(i, j));
                            }
                        }
                    };
                    match kind {
                        TransformKind::Elements => store(elements(square_of(read))),
                        TransformKind::Gradient => store(results_back(square_of(read))),
                        TransformKind::Results => {
                            let products = square_of(|i, j| V::load(coordinate(i, j)));
                            for (i, row) in results::<V>(products).into_iter().enumerate() {
                                for (j, x) in row.into_iter().enumerate() {
                                    x.store(square.add(i * line + j * column + c));
                                }
                            }
                        }
                    }
                }
            }
        });
    }
}

#[inline(always)]
fn square_of<V, const N: usize>(at: impl Fn(usize, usize) -> V) -> [[V; N]; N] {
    std::array::from_fn(|i| std::array::from_fn(|j| at(i, j)))
}

/// Filters side by side: tap t of `count` filters is at `t * apart.0` of `taps`, coordinate p of them at `p * apart.1`
/// of `transformed`.
pub(super) struct Filters<'a, T> {
    pub taps: &'a mut [T],
    pub transformed: &'a mut [T],
    pub apart: (usize, usize),
    /// Whole registers.
    pub count: usize,
    /// Whether the taps are to be taken in reverse.
    pub reversed: bool,
    /// From `transformed` to `taps`, with the transposed transform.
    pub back: bool,
}

impl<T: Element> LaneKernel<T> for Filters<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(self) {
        let (tap_apart, apart) = self.apart;
        assert!(self.count.is_multiple_of(V::N));
        assert!(8 * tap_apart + self.count <= self.taps.len());
        assert!((COORDINATES - 1) * apart + self.count <= self.transformed.len());
        let (from, to) = (self.taps.as_mut_ptr(), self.transformed.as_mut_ptr());
        let position = |i: usize, j: usize| if self.reversed { 8 - (i * 3 + j) } else { i * 3 + j };
        for at in (0..self.count).step_by(V::N) {
            // SAFETY: 9 taps and 16 coordinates of this register of filters, as checked.
            unsafe {
                let tap = |i: usize, j: usize| from.add(position(i, j) * tap_apart + at);
                let coordinate = |i: usize, j: usize| to.add((i * 4 + j) * apart + at);
                if self.back {
                    let found = taps_back::<V>(square_of(|i, j| V::load(coordinate(i, j))));
                    for (i, row) in found.into_iter().enumerate() {
                        for (j, x) in row.into_iter().enumerate() {
                            x.store(tap(i, j));
                        }
                    }
                } else {
                    let found = taps::<V>(square_of(|i, j| V::load(tap(i, j))));
                    for (i, row) in found.into_iter().enumerate() {
                        for (j, x) in row.into_iter().enumerate() {
                            x.store(coordinate(i, j));
                        }
                    }
                }
            }
        }
    }
}
