//! Queries of the tree, leaf by leaf, so that consecutive queries read the same cached nodes.

use super::blocks::{BLOCK_POINTS, NO_POINT, distance_keys, step, to_array, within};
use super::distance_key::DistanceKey;
use super::lanes::{PointLanes, Real, by_level};
use super::list::Nearest;
use super::tree::{Node, Tree};
use crate::cpu::pool::SharedSlice;

/// Capacity of the stack of nodes: one per level, and a tree of 2^32 points has fewer levels.
const MAX_LEVELS: usize = 32;

/// A lower bound of the keys from `point` to the points of a box. Rounding is monotone, so no point of the box is nearer.
#[inline(always)]
fn min_key<T: Real, M: DistanceKey>(point: &[T], (low, high): (&[T], &[T])) -> T {
    let (low, high) = (&low[..point.len()], &high[..point.len()]);
    let mut far = T::ZERO;
    for c in 0..point.len() {
        let (below, above) = (low[c] - point[c], point[c] - high[c]);
        let outside = if below > above { below } else { above };
        far = M::add(far, if outside > T::ZERO { outside } else { T::ZERO });
    }
    far
}

/// A lower and an upper bound of the keys from `point` to the points of a box.
#[inline(always)]
fn key_range<T: Real, M: DistanceKey>(point: &[T], bounds: (&[T], &[T])) -> (T, T) {
    let (low, high) = (&bounds.0[..point.len()], &bounds.1[..point.len()]);
    let mut reach = T::ZERO;
    for c in 0..point.len() {
        let (to_low, to_high) = ((point[c] - low[c]).abs(), (point[c] - high[c]).abs());
        reach = M::add(reach, if to_low > to_high { to_low } else { to_high });
    }
    (min_key::<T, M>(point, bounds), reach)
}

/// Offers the points of a leaf to the list of `query`.
///
/// # Safety
/// The processor must have the instructions of `V`.
#[inline(always)]
unsafe fn offer_leaf<V: PointLanes, M: DistanceKey>(
    tree: &Tree<'_, V::Elem>,
    leaf: usize,
    query: u32,
    point: &[V::Elem],
    list: &mut Nearest<'_, V::Elem>,
) {
    let rows = tree.blocks.rows(leaf);
    for lane in (0..BLOCK_POINTS).step_by(step::<V>()) {
        // SAFETY: as the caller promises.
        let (far, mut mask) = unsafe {
            let [far] = distance_keys::<V, M, 1>(point, tree.blocks.coordinates(leaf), lane);
            (far, within(far, list.limit()))
        };
        if mask != 0 {
            // SAFETY: as the caller promises.
            let far = unsafe { to_array(far) };
            while mask != 0 {
                let i = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                if rows[lane + i] != query {
                    list.offer(far[i], rows[lane + i]);
                }
            }
        }
    }
}

/// Fills the list of the query point, which is in row `query` and leaf `leaf`.
///
/// # Safety
/// The processor must have the instructions of `V`.
#[inline(always)]
unsafe fn nearest_of<T: Real, V: PointLanes<Elem = T>, M: DistanceKey>(
    tree: &Tree<'_, T>,
    leaf: usize,
    query: u32,
    point: &[T],
    list: &mut Nearest<'_, T>,
) {
    // SAFETY: as the caller promises.
    unsafe { offer_leaf::<V, M>(tree, leaf, query, point, list) };
    let mut stack = [(Node::NONE, T::ZERO); MAX_LEVELS];
    stack[0] = (tree.root(), T::ZERO);
    let mut depth = 1;
    while depth > 0 {
        depth -= 1;
        let (mut node, mut near) = stack[depth];
        while list.admits(near, tree.first[node.id]) {
            if node.blocks == 1 {
                if node.start != leaf {
                    // SAFETY: as the caller promises.
                    unsafe { offer_leaf::<V, M>(tree, node.start, query, point, list) };
                }
                break;
            }
            let (left, right) = node.children();
            let a = (left, min_key::<T, M>(point, tree.bounds(left)));
            let b = (right, min_key::<T, M>(point, tree.bounds(right)));
            let left_first = a.1 < b.1 || (a.1 == b.1 && tree.first[left.id] < tree.first[right.id]);
            let (nearer, further) = if left_first { (a, b) } else { (b, a) };
            stack[depth] = further;
            depth += 1;
            (node, near) = nearer;
        }
    }
}

/// The number of points whose key from `point` is at most `limit`.
///
/// # Safety
/// The processor must have the instructions of `V`.
#[inline(always)]
unsafe fn count_of<T: Real, V: PointLanes<Elem = T>, M: DistanceKey>(
    tree: &Tree<'_, T>,
    point: &[T],
    limit: T,
) -> u32 {
    let mut count = 0;
    let mut stack = [Node::NONE; MAX_LEVELS];
    stack[0] = tree.root();
    let mut depth = 1;
    while depth > 0 {
        depth -= 1;
        let node = stack[depth];
        let (near, reach) = key_range::<T, M>(point, tree.bounds(node));
        if near > limit {
            continue;
        }
        if reach <= limit {
            count += tree.size(node) as u32;
        } else if node.blocks == 1 {
            for lane in (0..BLOCK_POINTS).step_by(step::<V>()) {
                // SAFETY: as the caller promises.
                unsafe {
                    let [far] = distance_keys::<V, M, 1>(point, tree.blocks.coordinates(node.start), lane);
                    count += within(far, limit).count_ones();
                }
            }
        } else {
            let (left, right) = node.children();
            stack[depth] = right;
            stack[depth + 1] = left;
            depth += 2;
        }
    }
    count
}

by_level! {
    /// Writes the k nearest neighbors of the points of `leaf` to their rows of `out` (n, k). Work space: `lists`, both (k). No
    /// other task may write these rows.
    pub(super) fn nearest(
        tree: &Tree<'_, T>,
        x: &[T],
        leaf: usize,
        lists: (&mut [T], &mut [u32]),
        out: &SharedSlice<'_, i32>,
    ) {
        let (far, rows) = lists;
        let (d, k) = (tree.blocks.d, far.len());
        for &query in tree.blocks.rows(leaf) {
            if query == NO_POINT {
                break;
            }
            let row = query as usize;
            let mut list = Nearest::new(&mut *far, &mut *rows);
            // SAFETY: as the caller promises.
            unsafe { nearest_of::<T, V, M>(tree, leaf, query, &x[row * d..(row + 1) * d], &mut list) };
            // SAFETY: a row is in one leaf, and a leaf is one task's.
            list.write(unsafe { out.range(row * k..(row + 1) * k) });
        }
    }
}

by_level! {
    /// Writes the number of points within the limits (n) of the points of `leaf` to their rows of `out` (n), themselves included.
    /// No other task may write these rows.
    pub(super) fn count(
        tree: &Tree<'_, T>,
        x: &[T],
        leaf: usize,
        limits: &[T],
        out: &SharedSlice<'_, i32>,
    ) {
        let d = tree.blocks.d;
        for &query in tree.blocks.rows(leaf) {
            if query == NO_POINT {
                break;
            }
            let row = query as usize;
            // SAFETY: as the caller promises.
            let count = unsafe { count_of::<T, V, M>(tree, &x[row * d..(row + 1) * d], limits[row]) };
            // SAFETY: as for the nearest.
            let out = unsafe { out.range(row..row + 1) };
            out[0] = count as i32;
        }
    }
}
