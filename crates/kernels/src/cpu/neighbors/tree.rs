//! A k-d tree over blocks of 32 points: a node is split at the median of its widest coordinate, rounded to whole blocks.

use std::cmp::Ordering;
use std::sync::Mutex;

use super::blocks::{BLOCK_POINTS, Blocks};
use super::lanes::Real;
use crate::cpu::exec::scratch_bytes;
use crate::cpu::pool::Pool;

/// Subtrees of fewer points are built by one task.
const SERIAL_POINTS: usize = 2048;

/// The nodes in preorder. The root spans all blocks. A node of c > 1 blocks is followed by its left child, of the first
/// ceil(c / 2) blocks and 2 ceil(c / 2) - 1 nodes, then by its right child.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a, T> {
    /// The points, leaf by leaf.
    pub blocks: Blocks<'a, T>,
    /// Per node its bounding box: least and greatest of each coordinate, (nodes, 2, d).
    pub boxes: &'a [T],
    /// Per node its lowest row.
    pub first: &'a [u32],
    /// Number of points.
    pub n: usize,
}

/// A node and the blocks it spans.
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub id: usize,
    pub start: usize,
    pub blocks: usize,
}

impl Node {
    pub const NONE: Node = Node {
        id: 0,
        start: 0,
        blocks: 0,
    };

    #[inline(always)]
    pub fn children(self) -> (Node, Node) {
        let half = self.blocks.div_ceil(2);
        let left = Node {
            id: self.id + 1,
            start: self.start,
            blocks: half,
        };
        let right = Node {
            id: self.id + 2 * half,
            start: self.start + half,
            blocks: self.blocks - half,
        };
        (left, right)
    }
}

fn blocks_of(n: usize) -> usize {
    n.div_ceil(BLOCK_POINTS)
}

/// Nodes of a tree of `n` points.
pub(super) fn nodes(n: usize) -> usize {
    (2 * blocks_of(n)).saturating_sub(1)
}

/// Bytes of scratch for the boxes and first rows of a tree.
pub(super) fn scratch<T>(n: usize, d: usize) -> usize {
    scratch_bytes::<T>(nodes(n) * 2 * d) + scratch_bytes::<u32>(nodes(n))
}

impl<'a, T: Real> Tree<'a, T> {
    /// The tree over `x` (n, d) with at least one point. `order` holds the rows 0 to n - 1, padded to whole blocks; it becomes the
    /// order of the leaves.
    pub fn build(
        x: &[T],
        d: usize,
        order: &'a mut [u32],
        coordinates: &'a mut [T],
        boxes: &'a mut [T],
        first: &'a mut [u32],
        pool: &Pool,
    ) -> Tree<'a, T> {
        let n = x.len() / d;
        let mut tasks = Vec::new();
        let whole = Subtree {
            x,
            d,
            order: &mut order[..n],
            boxes,
            first,
        };
        whole.build(&mut tasks);
        pool.run(tasks.len(), |_, i| {
            if let Ok(mut task) = tasks[i].lock()
                && let Some(part) = task.take()
            {
                part.build_alone();
            }
        });
        Tree {
            blocks: Blocks::new(x, d, order, coordinates),
            boxes,
            first,
            n,
        }
    }

    pub fn root(&self) -> Node {
        Node {
            id: 0,
            start: 0,
            blocks: self.blocks.count(),
        }
    }

    /// Least and greatest coordinates of a node.
    #[inline(always)]
    pub fn bounds(&self, node: Node) -> (&'a [T], &'a [T]) {
        let d = self.blocks.d;
        self.boxes[node.id * 2 * d..(node.id + 1) * 2 * d].split_at(d)
    }

    /// Number of points of a node.
    #[inline(always)]
    pub fn size(&self, node: Node) -> usize {
        self.n.min((node.start + node.blocks) * BLOCK_POINTS) - node.start * BLOCK_POINTS
    }
}

/// A subtree to be built: its rows, boxes and first rows.
struct Subtree<'x, 'a, T> {
    x: &'x [T],
    d: usize,
    order: &'a mut [u32],
    boxes: &'a mut [T],
    first: &'a mut [u32],
}

impl<'x, 'a, T: Real> Subtree<'x, 'a, T> {
    /// Builds the top of the tree; subtrees of at most [`SERIAL_POINTS`] become `tasks`.
    fn build(self, tasks: &mut Vec<Mutex<Option<Subtree<'x, 'a, T>>>>) {
        if self.order.len() <= SERIAL_POINTS {
            tasks.push(Mutex::new(Some(self)));
        } else if let Some((left, right)) = self.split() {
            left.build(tasks);
            right.build(tasks);
        }
    }

    fn build_alone(self) {
        if let Some((left, right)) = self.split() {
            left.build_alone();
            right.build_alone();
        }
    }

    /// Writes the root of the subtree and returns its children, unless it is a leaf.
    fn split(self) -> Option<(Subtree<'x, 'a, T>, Subtree<'x, 'a, T>)> {
        let Subtree {
            x,
            d,
            order,
            boxes,
            first,
        } = self;
        let (bounds, boxes) = boxes.split_at_mut(2 * d);
        let (least_row, first) = first.split_first_mut()?;
        *least_row = order.iter().copied().min()?;
        let axis = enclose(x, d, order, bounds);
        let blocks = blocks_of(order.len());
        if blocks == 1 {
            return None;
        }
        let half = blocks.div_ceil(2);
        let value = |row: u32| x[row as usize * d + axis];
        order.select_nth_unstable_by(half * BLOCK_POINTS, |&a, &b| {
            let by_value = value(a).partial_cmp(&value(b)).unwrap_or(Ordering::Equal);
            by_value.then(a.cmp(&b))
        });
        let (order_left, order_right) = order.split_at_mut(half * BLOCK_POINTS);
        let (boxes_left, boxes_right) = boxes.split_at_mut((2 * half - 1) * 2 * d);
        let (first_left, first_right) = first.split_at_mut(2 * half - 1);
        let part = |order, boxes, first| Subtree {
            x,
            d,
            order,
            boxes,
            first,
        };
        Some((
            part(order_left, boxes_left, first_left),
            part(order_right, boxes_right, first_right),
        ))
    }
}

/// Writes the bounding box of the rows, and returns its widest axis.
fn enclose<T: Real>(x: &[T], d: usize, rows: &[u32], bounds: &mut [T]) -> usize {
    let (low, high) = bounds.split_at_mut(d);
    low.fill(T::HIGHEST);
    high.fill(T::LOWEST);
    for &row in rows {
        let point = &x[row as usize * d..(row as usize + 1) * d];
        for ((low, high), &v) in low.iter_mut().zip(&mut *high).zip(point) {
            *low = if v < *low { v } else { *low };
            *high = if v > *high { v } else { *high };
        }
    }
    let mut widest = 0;
    for c in 1..d {
        if high[c] - low[c] > high[widest] - low[widest] {
            widest = c;
        }
    }
    widest
}
