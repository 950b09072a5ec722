//! Questions to the tree, asked leaf by leaf, so that the nodes one asker has read are there for the next.

use super::blocks::{NOBODY, count_within, measures};
use super::list::Nearest;
use super::measure::{Measure, Real};
use super::tree::{Node, Tree};
use crate::cpu::level::versions;
use crate::cpu::pool::SharedSlice;

/// Nodes put aside on the way down: one a level, and a tree of 2^32 points has fewer levels.
const DEPTH: usize = 32;

/// The least measure from `point` to a place in the box. Rounding keeps order, so no point of the box is nearer.
#[inline(always)]
fn gap<T: Real, M: Measure>(point: &[T], (low, high): (&[T], &[T])) -> T {
    let mut far = T::ZERO;
    for ((&p, &low), &high) in point.iter().zip(low).zip(high) {
        let (below, above) = (low - p, p - high);
        let outside = if below > above { below } else { above };
        far = M::add(far, if outside > T::ZERO { outside } else { T::ZERO });
    }
    far
}

/// The least and the greatest measure from `point` to a place in the box.
#[inline(always)]
fn span<T: Real, M: Measure>(point: &[T], bounds: (&[T], &[T])) -> (T, T) {
    let mut reach = T::ZERO;
    for ((&p, &low), &high) in point.iter().zip(bounds.0).zip(bounds.1) {
        let (to_low, to_high) = ((p - low).abs(), (p - high).abs());
        reach = M::add(reach, if to_low > to_high { to_low } else { to_high });
    }
    (gap::<T, M>(point, bounds), reach)
}

/// Offers the points of a leaf to the list of `asker`.
#[inline(always)]
fn offer_leaf<T: Real, M: Measure>(
    tree: &Tree<'_, T>,
    leaf: usize,
    asker: u32,
    point: &[T],
    list: &mut Nearest<'_, T>,
) {
    let far = measures::<T, M>(point, tree.blocks.coordinates(leaf));
    let limit = list.limit();
    if !far.iter().fold(false, |any, &m| any | (m <= limit)) {
        return;
    }
    for (&m, &row) in far.iter().zip(tree.blocks.rows(leaf)) {
        if row != asker {
            list.offer(m, row);
        }
    }
}

/// Fills the list of the point in row `asker`, which lies in leaf `home`.
#[inline(always)]
fn nearest_of<T: Real, M: Measure>(
    tree: &Tree<'_, T>,
    home: usize,
    asker: u32,
    point: &[T],
    list: &mut Nearest<'_, T>,
) {
    offer_leaf::<T, M>(tree, home, asker, point, list);
    let mut aside = [(Node::NONE, T::ZERO); DEPTH];
    aside[0] = (tree.root(), T::ZERO);
    let mut waiting = 1;
    while waiting > 0 {
        waiting -= 1;
        let (mut node, mut near) = aside[waiting];
        while list.admits(near, tree.first[node.id]) {
            if node.blocks == 1 {
                if node.start != home {
                    offer_leaf::<T, M>(tree, node.start, asker, point, list);
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
#[inline(always)]
fn count_of<T: Real, M: Measure>(tree: &Tree<'_, T>, point: &[T], limit: T) -> u32 {
    let mut count = 0;
    let mut aside = [Node::NONE; DEPTH];
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
            count += count_within(
                &measures::<T, M>(point, tree.blocks.coordinates(node.start)),
                limit,
            );
        } else {
            let (left, right) = node.children();
            aside[waiting] = right;
            aside[waiting + 1] = left;
            waiting += 2;
        }
    }
    count
}

versions! {
    /// Writes the k nearest of the points of leaf `home` to their rows of `out` (n, k); `far` and `rows` (k) are for its
    /// own use. No other task may write these rows.
    pub(super) fn nearest[T: Real, M: Measure](
        tree: &Tree<'_, T>,
        x: &[T],
        home: usize,
        lists: (&mut [T], &mut [u32]),
        out: &SharedSlice<'_, i32>,
        measure: M,
    ) {
        let _ = measure;
        let (far, rows) = lists;
        let (d, k) = (tree.blocks.d, far.len());
        for &asker in tree.blocks.rows(home) {
            if asker == NOBODY {
                break;
            }
            let row = asker as usize;
            let mut list = Nearest::new(&mut *far, &mut *rows);
            nearest_of::<T, M>(tree, home, asker, &x[row * d..(row + 1) * d], &mut list);
            // SAFETY: a row is in one leaf, and a leaf is one task's.
            list.write(unsafe { out.range(row * k..(row + 1) * k) });
        }
    }
}

versions! {
    /// Writes, for the points of leaf `home`, the number of points within their `limits` (n) to `out` (n), themselves
    /// included. No other task may write these rows.
    pub(super) fn count[T: Real, M: Measure](
        tree: &Tree<'_, T>,
        x: &[T],
        home: usize,
        limits: &[T],
        out: &SharedSlice<'_, i32>,
        measure: M,
    ) {
        let _ = measure;
        let d = tree.blocks.d;
        for &asker in tree.blocks.rows(home) {
            if asker == NOBODY {
                break;
            }
            let row = asker as usize;
            let count = count_of::<T, M>(tree, &x[row * d..(row + 1) * d], limits[row]);
            // SAFETY: as for the nearest.
            let place = unsafe { out.range(row..row + 1) };
            place[0] = count as i32;
        }
    }
}
