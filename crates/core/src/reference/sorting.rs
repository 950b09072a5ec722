//! Order and equality of elements. NaN is larger than every number and equal to itself; -0 equals 0.

use std::cmp::Ordering;

use ndarray::ArrayD;

use super::value::{Element, from_fn, indices, with};
use crate::shape::Shape;

/// The first positions of the stable order along `axis`: all of them for `argSort`, k for `topK`. Equal
/// elements stay in their order when descending, too.
pub(super) fn order<T: Element>(x: &ArrayD<T>, axis: usize, descending: bool, to: &Shape) -> ArrayD<i64> {
    let mut out = from_fn(to, |_| 0);
    if to.size() == 0 {
        return out;
    }
    for lane in indices(to.with(axis, 1).dims()) {
        let at = |position: usize| x[&with(&lane, axis, position)[..]];
        let mut positions: Vec<usize> = (0..x.shape()[axis]).collect();
        positions.sort_by(|&a, &b| {
            if descending {
                at(b).compare(at(a))
            } else {
                at(a).compare(at(b))
            }
        });
        for (rank, &position) in positions.iter().take(to[axis]).enumerate() {
            out[&with(&lane, axis, rank)[..]] = position as i64;
        }
    }
    out
}

/// For each row of (n, d) the number of its first equal row among the distinct ones.
pub(super) fn unique_rows<T: Element>(x: &ArrayD<T>, to: &Shape) -> ArrayD<i64> {
    let mut distinct: Vec<Vec<T>> = Vec::new();
    let mut groups = from_fn(to, |_| 0);
    for r in 0..x.shape()[0] {
        let row: Vec<T> = (0..x.shape()[1]).map(|c| x[[r, c]]).collect();
        let same = |other: &Vec<T>| {
            row.iter()
                .zip(other)
                .all(|(a, b)| a.compare(*b) == Ordering::Equal)
        };
        let group = distinct.iter().position(same).unwrap_or(distinct.len());
        if group == distinct.len() {
            distinct.push(row);
        }
        groups[[r]] = group as i64;
    }
    groups
}
