//! Points in blocks of 32, coordinate by coordinate, so that one vector instruction handles many points.

use super::distance_key::DistanceKey;
use super::lanes::{PointLanes, Real};
use crate::cpu::element::Element;

/// Points of a block.
pub(super) const BLOCK_POINTS: usize = 32;
/// The row of a padding entry.
pub(super) const NO_POINT: u32 = u32::MAX;

/// Points in the order of `order`. Padding entries are at infinity.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'a, T> {
    /// Coordinates: (blocks, d, 32).
    pub coordinates: &'a [T],
    /// Row of each entry, a multiple of 32 entries.
    pub order: &'a [u32],
    /// Coordinates of a point.
    pub d: usize,
}

impl<'a, T: Real> Blocks<'a, T> {
    /// Lays out `x` (n, d) by `order`, whose length is the next multiple of 32, with [`NO_POINT`] after the last row.
    pub fn new(x: &[T], d: usize, order: &'a [u32], coordinates: &'a mut [T]) -> Blocks<'a, T> {
        for (rows, block) in order
            .chunks(BLOCK_POINTS)
            .zip(coordinates.chunks_mut(d * BLOCK_POINTS))
        {
            for (lane, &row) in rows.iter().enumerate() {
                for c in 0..d {
                    block[c * BLOCK_POINTS + lane] = if row == NO_POINT {
                        T::HIGHEST
                    } else {
                        x[row as usize * d + c]
                    };
                }
            }
        }
        Blocks {
            coordinates,
            order,
            d,
        }
    }

    pub fn count(&self) -> usize {
        self.order.len() / BLOCK_POINTS
    }

    #[inline(always)]
    pub fn coordinates(&self, block: usize) -> &'a [T] {
        &self.coordinates[block * self.d * BLOCK_POINTS..(block + 1) * self.d * BLOCK_POINTS]
    }

    #[inline(always)]
    pub fn rows(&self, block: usize) -> &'a [u32] {
        &self.order[block * BLOCK_POINTS..(block + 1) * BLOCK_POINTS]
    }
}

/// Points of a block that are handled together: two registers.
pub(super) const fn step<V: PointLanes>() -> usize {
    2 * V::N
}

/// Distance keys from `Q` points (d, Q) to [`step`] points of a block (d, 32), from point `lane` on.
///
/// # Safety
/// The processor must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn distance_keys<V: PointLanes, M: DistanceKey, const Q: usize>(
    points: &[V::Elem],
    block: &[V::Elem],
    lane: usize,
) -> [[V; 2]; Q] {
    let (points, _) = points.as_chunks::<Q>();
    assert!(block.len() >= points.len() * BLOCK_POINTS && lane + step::<V>() <= BLOCK_POINTS);
    // SAFETY: what is read lies in the block, as just checked; the rest as the caller promises.
    unsafe {
        let mut far = [[V::splat(V::Elem::ZERO); 2]; Q];
        #[expect(
            clippy::needless_range_loop,
            reason = "an iterator that is not inlined here would lack the instructions"
        )]
        for c in 0..points.len() {
            let at = block.as_ptr().add(c * BLOCK_POINTS + lane);
            let lanes = [V::load(at), V::load(at.add(V::N))];
            for q in 0..Q {
                let p = V::splat(points[c][q]);
                far[q][0] = M::add_lanes(far[q][0], p.difference(lanes[0]));
                far[q][1] = M::add_lanes(far[q][1], p.difference(lanes[1]));
            }
        }
        far
    }
}

/// A bit for each key that is at most `limit`.
///
/// # Safety
/// The processor must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn within<V: PointLanes>(keys: [V; 2], limit: V::Elem) -> u32 {
    // SAFETY: as the caller promises.
    unsafe {
        let limit = V::splat(limit);
        keys[0].within(limit) | keys[1].within(limit) << V::N
    }
}

/// The keys as an array.
///
/// # Safety
/// The processor must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn to_array<V: PointLanes>(keys: [V; 2]) -> [V::Elem; BLOCK_POINTS] {
    let mut line = [V::Elem::ZERO; BLOCK_POINTS];
    // SAFETY: a register has at most 16 elements; the rest as the caller promises.
    unsafe {
        keys[0].store(line.as_mut_ptr());
        keys[1].store(line.as_mut_ptr().add(V::N));
    }
    line
}
