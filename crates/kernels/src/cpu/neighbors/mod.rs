//! Nearest neighbors, and neighbors within a radius. Three algorithms with identical results: brute force ([`brute`]), a k-d tree
//! ([`tree`], [`search`]), and sorting for one coordinate ([`line`]). Points with a NaN or infinite difference, and lists too long
//! to keep sorted, go pair by pair ([`plain`]).

mod blocks;
mod brute;
mod distance_key;
mod lanes;
mod line;
mod list;
mod plain;
mod search;
mod tree;

use hyperglow_core::Shape;
use hyperglow_core::op::Metric;

use self::blocks::{BLOCK_POINTS, Blocks, NO_POINT};
use self::brute::BLOCK_QUERIES;
use self::distance_key::{DistanceKey, Euclidean, Maximum};
use self::lanes::Real;
use self::tree::Tree;
use super::exec::{Args, Chosen, Kernel, scratch_bytes};
use super::pool::SharedSlice;

/// Maximal number of neighbors that are kept in a sorted list.
const MAX_LIST_POINTS: usize = 256;

/// Points for each dimension from which on a tree is faster than brute force.
const TREE_POINTS_PER_DIMENSION: usize = 250;
/// Dimensions from which on boxes of a tree hardly exclude a point.
const MAX_TREE_DIMENSIONS: usize = 9;

/// Whether a k-d tree is faster than brute force: see benches/kernels. With 2,000 normal points and two threads the nearest three took
/// 2.3 ms by brute force and 0.8 by a tree in 2 dimensions, 2.6 and 1.6 in 4, 3.4 and 2.4 in 6, 3.5 and 3.7 in 8.
fn uses_tree(n: usize, d: usize) -> bool {
    d <= MAX_TREE_DIMENSIONS && n > TREE_POINTS_PER_DIMENSION * d
}

/// x (n, d) -> (n, k): the nearest other rows.
pub(crate) fn nearest<T: Real>(shape: &Shape, k: usize, metric: Metric, threads: usize) -> Chosen {
    let (n, d) = (shape[0], shape[1]);
    let lists =
        scratch_bytes::<T>(BLOCK_QUERIES * k * threads) + scratch_bytes::<u32>(BLOCK_QUERIES * k * threads);
    Chosen {
        scratch: points_scratch::<T>(n, d, threads).max(plain::scratch::<T>(n, threads)) + lists,
        serial: false,
        kernel: match metric {
            Metric::Maximum => nearest_by::<T, Maximum>(shape, k),
            Metric::Euclidean => nearest_by::<T, Euclidean>(shape, k),
        },
    }
}

/// `(x (n, d), radius (n))` -> (n): how many other rows are within the radius.
pub(crate) fn count_within<T: Real>(shape: &Shape, metric: Metric, closed: bool, threads: usize) -> Chosen {
    let (n, d) = (shape[0], shape[1]);
    let scratch = if d == 1 {
        line::scratch::<T>(n)
    } else {
        points_scratch::<T>(n, d, threads)
    };
    Chosen {
        scratch: scratch + scratch_bytes::<T>(n),
        serial: false,
        kernel: match metric {
            Metric::Maximum => count_by::<T, Maximum>(shape, closed),
            Metric::Euclidean => count_by::<T, Euclidean>(shape, closed),
        },
    }
}

fn points_scratch<T>(n: usize, d: usize, threads: usize) -> usize {
    let places = n.next_multiple_of(BLOCK_POINTS);
    scratch_bytes::<u32>(places)
        + scratch_bytes::<T>(places * d)
        + scratch_bytes::<T>(BLOCK_QUERIES * d * threads).max(tree::scratch::<T>(n, d))
}

fn nearest_by<T: Real, M: DistanceKey>(shape: &Shape, k: usize) -> Kernel {
    let (n, d) = (shape[0], shape[1]);
    Box::new(move |args| {
        let x = args.input::<T>(0);
        let out = SharedSlice::new(args.output::<i32>());
        if d == 0 || k > MAX_LIST_POINTS || !distance_key::is_finite_everywhere::<T, M>(x, d) {
            plain::nearest::<T, M>(args, x, (n, d, k), &out);
            return Ok(());
        }
        let (level, pool) = (args.level(), args.pool());
        let far = args.worker_scratch::<T>(BLOCK_QUERIES * k);
        let rows = args.worker_scratch::<u32>(BLOCK_QUERIES * k);
        let lists = |worker: usize, count: usize| {
            // SAFETY: a worker's own work space, for one task at a time.
            unsafe {
                (
                    &mut far.of(worker)[..count * k],
                    &mut rows.of(worker)[..count * k],
                )
            }
        };
        if uses_tree(n, d) {
            let tree = build_tree(args, x, d);
            pool.ranges(tree.blocks.count(), 4, |worker, leaves| {
                for leaf in leaves {
                    search::nearest::<T, M>(level, &tree, x, leaf, lists(worker, 1), &out);
                }
            });
        } else {
            let blocks = build_blocks(args, x, n, d);
            let queries = args.worker_scratch::<T>(BLOCK_QUERIES * d);
            pool.ranges(n, BLOCK_QUERIES, |worker, range| {
                // SAFETY: a worker's own piece of the scratch, for one task at a time.
                let queries = unsafe { queries.of(worker) };
                // SAFETY: these rows are this task's.
                let out = unsafe { out.range(range.start * k..range.end * k) };
                brute::nearest::<T, M>(
                    level,
                    blocks,
                    x,
                    range.start,
                    queries,
                    lists(worker, BLOCK_QUERIES),
                    out,
                );
            });
        }
        Ok(())
    })
}

fn count_by<T: Real, M: DistanceKey>(shape: &Shape, closed: bool) -> Kernel {
    let (n, d) = (shape[0], shape[1]);
    Box::new(move |args| {
        let (x, radius) = (args.input::<T>(0), args.input::<T>(1));
        let counts = args.output::<i32>();
        if n == 0 {
            return Ok(());
        }
        if d == 0 || !distance_key::is_finite_everywhere::<T, M>(x, d) {
            plain::count::<T, M>(args, x, (n, d), radius, closed, counts);
            return Ok(());
        }
        let limits = args.scratch::<T>(n);
        for (limit, &radius) in limits.iter_mut().zip(radius) {
            *limit = distance_key::limit::<T, M>(radius, closed).unwrap_or(T::LOWEST);
        }
        let limits = &*limits;
        let out = SharedSlice::new(counts);
        let (level, pool) = (args.level(), args.pool());
        if d == 1 {
            line::count::<T, M>(args, x, limits, &out);
        } else if uses_tree(n, d) {
            let tree = build_tree(args, x, d);
            pool.ranges(tree.blocks.count(), 4, |_, leaves| {
                for leaf in leaves {
                    search::count::<T, M>(level, &tree, x, leaf, limits, &out);
                }
            });
        } else {
            let blocks = build_blocks(args, x, n, d);
            let queries = args.worker_scratch::<T>(BLOCK_QUERIES * d);
            pool.ranges(n, BLOCK_QUERIES, |worker, range| {
                // SAFETY: a worker's own piece of the scratch, for one task at a time.
                let queries = unsafe { queries.of(worker) };
                let mut wanted = [T::LOWEST; BLOCK_QUERIES];
                wanted[..range.len()].copy_from_slice(&limits[range.clone()]);
                // SAFETY: these rows are this task's.
                let out = unsafe { out.range(range.clone()) };
                brute::count::<T, M>(level, blocks, x, range.start, queries, &wanted, out);
            });
        }
        // A point is within its own radius, unless the radius holds no point.
        for (i, &limit) in limits.iter().enumerate() {
            // SAFETY: the tasks are done.
            let count = unsafe { out.range(i..i + 1) };
            count[0] -= i32::from(limit >= T::ZERO);
        }
        Ok(())
    })
}

/// The rows 0 to n - 1, padded to whole blocks with [`NO_POINT`].
fn rows<'a>(args: &Args<'a>, n: usize) -> &'a mut [u32] {
    let order = args.scratch::<u32>(n.next_multiple_of(BLOCK_POINTS));
    for (row, place) in order.iter_mut().enumerate() {
        *place = if row < n { row as u32 } else { NO_POINT };
    }
    order
}

fn build_blocks<'a, T: Real>(args: &Args<'a>, x: &[T], n: usize, d: usize) -> Blocks<'a, T> {
    let order = rows(args, n);
    let coordinates = args.scratch::<T>(order.len() * d);
    Blocks::new(x, d, order, coordinates)
}

fn build_tree<'a, T: Real>(args: &Args<'a>, x: &[T], d: usize) -> Tree<'a, T> {
    let n = x.len() / d;
    let order = rows(args, n);
    let coordinates = args.scratch::<T>(order.len() * d);
    let boxes = args.scratch::<T>(tree::nodes(n) * 2 * d);
    let first = args.scratch::<u32>(tree::nodes(n));
    Tree::build(x, d, order, coordinates, boxes, first, args.pool())
}
