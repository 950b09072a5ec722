//! Questions to the tree, asked leaf by leaf, so that the nodes one asker has read are there for the next.

use super::blocks::{BLOCK_POINTS, NOBODY, measures, spread, step, within};
use super::lanes::{PointLanes, Real, by_level};
use super::list::Nearest;
use super::measure::Measure;
use super::tree::{Node, Tree};
use crate::cpu::pool::SharedSlice;

/// Nodes put aside on the way down: one a level, and a tree of 2^32 points has fewer levels.
const MAX_DEPTH: usize = 32;

/// The least measure from `point` to a place in the box. Rounding keeps order, so no point of the box is nearer.
#[inline(always)]
fn gap<T: Real, M: Measure>(point: &[T], (low, high): (&[T], &[T])) -> T {
    let (low, high) = (&low[..point.len()], &high[..point.len()]);
    let mut far = T::ZERO;
    for c in 0..point.len() {
        let (below, above) = (low[c] - point[c], point[c] - high[c]);
        let outside = if below > above { below } else { above };
        far = M::add(far, if outside > T::ZERO { outside } else { T::ZERO });
    }
    far
}

/// The least and the greatest measure from `point` to a place in the box.
#[inline(always)]
fn span<T: Real, M: Measure>(point: &[T], bounds: (&[T], &[T])) -> (T, T) {
    let (low, high) = (&bounds.0[..point.len()], &bounds.1[..point.len()]);
    let mut reach = T::ZERO;
    for c in 0..point.len() {
        let (to_low, to_high) = ((point[c] - low[c]).abs(), (point[c] - high[c]).abs());
        reach = M::add(reach, if to_low > to_high { to_low } else { to_high });
    }
    (gap::<T, M>(point, bounds), reach)
}

/// Offers the points of a leaf to the list of `asker`.
///
/// # Safety
/// The processor must have the instructions of `V`.
#[inline(always)]
unsafe fn offer_leaf<V: PointLanes, M: Measure>(
    tree: &Tree<'_, V::Elem>,
    leaf: usize,
    asker: u32,
    point: &[V::Elem],
    list: &mut Nearest<'_, V::Elem>,
) {
    let rows = tree.blocks.rows(leaf);
    for lane in (0..BLOCK_POINTS).step_by(step::<V>()) {
        // SAFETY: as the caller promises.
        let (far, mut mask) = unsafe {
            let [far] = measures::<V, M, 1>(point, tree.blocks.coordinates(leaf), lane);
            (far, within(far, list.limit()))
        };
        if mask != 0 {
            // SAFETY: as the caller promises.
            let far = unsafe { spread(far) };
            while mask != 0 {
                let i = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                if rows[lane + i] != asker {
                    list.offer(far[i], rows[lane + i]);
                }
            }
        }
    }
}

/// Fills the list of the point in row `asker`, which lies in leaf `home`.
///
/// # Safety
/// The processor must have the instructions of `V`.
#[inline(always)]
unsafe fn nearest_of<T: Real, V: PointLanes<Elem = T>, M: Measure>(
    tree: &Tree<'_, T>,
    home: usize,
    asker: u32,
    point: &[T],
    list: &mut Nearest<'_, T>,
) {
    // SAFETY: as the caller promises.
    unsafe { offer_leaf::<V, M>(tree, home, asker, point, list) };
    let mut aside = [(Node::NONE, T::ZERO); MAX_DEPTH];
    aside[0] = (tree.root(), T::ZERO);
    let mut waiting = 1;
    while waiting > 0 {
        waiting -= 1;
        let (mut node, mut near) = aside[waiting];
        while list.admits(near, tree.first[node.id]) {
            if node.blocks == 1 {
                if node.start != home {
                    // SAFETY: as the caller promises.
                    unsafe { offer_leaf::<V, M>(tree, node.start, asker, point, list) };
                }
                break;
            }
            let (left, right) = node.children();
            let a = (left, gap::<T, M>(point, tree.bounds(left)));
            let b = (right, gap::<T, M>(point, tree.bounds(right)));
            let left_first = a.1 < b.1 || (a.1 == b.1 && tree.first[left.id] < tree.first[right.id]);
            let (nearer, further) = if left_first { (a, b) } else { (b, a) };
            aside[waiting] = further;
            waiting += 1;
            (node, near) = nearer;
        }
    }
}

/// The number of points whose measure from `point` is at most `limit`.
///
/// # Safety
/// The processor must have the instructions of `V`.
#[inline(always)]
unsafe fn count_of<T: Real, V: PointLanes<Elem = T>, M: Measure>(
    tree: &Tree<'_, T>,
    point: &[T],
    limit: T,
) -> u32 {
    let mut count = 0;
    let mut aside = [Node::NONE; MAX_DEPTH];
    aside[0] = tree.root();
    let mut waiting = 1;
    while waiting > 0 {
        waiting -= 1;
        let node = aside[waiting];
        let (near, reach) = span::<T, M>(point, tree.bounds(node));
        if near > limit {
            continue;
        }
        if reach <= limit {
            count += tree.size(node) as u32;
        } else if node.blocks == 1 {
            for lane in (0..BLOCK_POINTS).step_by(step::<V>()) {
                // SAFETY: as the caller promises.
                unsafe {
                    let [far] = measures::<V, M, 1>(point, tree.blocks.coordinates(node.start), lane);
                    count += within(far, limit).count_ones();
                }
            }
        } else {
            let (left, right) = node.children();
            aside[waiting] = right;
            aside[waiting + 1] = left;
            waiting += 2;
        }
    }
    count
}

by_level! {
    /// Writes the k nearest of the points of leaf `home` to their rows of `out` (n, k); `far` and `rows` (k) are for
    /// its own use. No other task may write these rows.
    pub(super) fn nearest(
        tree: &Tree<'_, T>,
        x: &[T],
        home: usize,
        lists: (&mut [T], &mut [u32]),
        out: &SharedSlice<'_, i32>,
    ) {
        let (far, rows) = lists;
        let (d, k) = (tree.blocks.d, far.len());
        for &asker in tree.blocks.rows(home) {
            if asker == NOBODY {
                break;
            }
            let row = asker as usize;
            let mut list = Nearest::new(&mut *far, &mut *rows);
            // SAFETY: as the caller promises.
            unsafe { nearest_of::<T, V, M>(tree, home, asker, &x[row * d..(row + 1) * d], &mut list) };
            // SAFETY: a row is in one leaf, and a leaf is one task's.
            list.write(unsafe { out.range(row * k..(row + 1) * k) });
        }
    }
}

by_level! {
    /// Writes, for the points of leaf `home`, the number of points within their `limits` (n) to `out` (n), themselves
    /// included. No other task may write these rows.
    pub(super) fn count(
        tree: &Tree<'_, T>,
        x: &[T],
        home: usize,
        limits: &[T],
        out: &SharedSlice<'_, i32>,
    ) {
        let d = tree.blocks.d;
        for &asker in tree.blocks.rows(home) {
            if asker == NOBODY {
                break;
            }
            let row = asker as usize;
            // SAFETY: as the caller promises.
            let count = unsafe { count_of::<T, V, M>(tree, &x[row * d..(row + 1) * d], limits[row]) };
            // SAFETY: as for the nearest.
            let place = unsafe { out.range(row..row + 1) };
            place[0] = count as i32;
        }
    }
}
