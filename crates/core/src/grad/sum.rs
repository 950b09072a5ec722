//! Sums of cotangents.

use crate::compose::Build;
use crate::elementwise::Formula;
use crate::graph::NodeId;
use crate::op::Op;

/// A cotangent that is zero outside of a range of one axis: the adjoint of a slice.
struct PaddedSlice {
    /// `part` padded with zeros.
    padded: NodeId,
    part: NodeId,
    axis: usize,
    start: usize,
    end: usize,
}

/// The sum of the cotangents of a node, with less work than adding where possible.
///
/// Cotangents of neighboring slices are concatenated instead of padded and added, so that all steps of a sequence, or all gates
/// of a cell, cost one copy. Cotangents that are products, as those of a weight that is shared by recurrent steps, become one
/// product.
pub(super) fn sum(b: &mut Build<'_>, cotangents: &[NodeId]) -> NodeId {
    if let [only] = cotangents {
        return *only;
    }
    let mut terms = Vec::new();
    let mut slices = Vec::new();
    for &id in cotangents {
        match padded_slice(b, id) {
            Some(p) => slices.push(p),
            None => terms.push(id),
        }
    }
    slices.sort_by_key(|p| (p.axis, p.start));
    let follows = |p: &PaddedSlice, next: &PaddedSlice| p.axis == next.axis && p.end == next.start;
    terms.extend(slices.chunk_by(follows).map(|run| concatenated(b, run)));
    let terms = with_products_concatenated(b, terms);
    let first = terms[0];
    terms[1..].iter().fold(first, |sum, &term| b.add(sum, term))
}

/// A product of two matrices and the extents of its result.
struct Product {
    operands: [NodeId; 2],
    flags: (bool, bool),
    extents: [usize; 2],
    /// The contracted extent.
    inner: usize,
}

fn product(b: &mut Build<'_>, id: NodeId) -> Option<Product> {
    let node = b.graph().node(id).expect("cotangents live");
    let Op::MatMul { ta, tb } = node.op else {
        return None;
    };
    let operands = [node.inputs[0], node.inputs[1]];
    let (result, first) = (b.shape(id), b.shape(operands[0]));
    (result.rank() == 2).then(|| Product {
        operands,
        flags: (ta, tb),
        extents: [result[0], result[1]],
        inner: first[if ta { 0 } else { 1 }],
    })
}

/// The terms with `A B + C D` replaced by `[A C] [B; D]`, where copying the operands costs less than adding the products.
fn with_products_concatenated(b: &mut Build<'_>, terms: Vec<NodeId>) -> Vec<NodeId> {
    let mut groups: Vec<(Vec<NodeId>, Vec<Product>)> = Vec::new();
    let mut others = Vec::new();
    for id in terms {
        let Some(p) = product(b, id) else {
            others.push(id);
            continue;
        };
        match groups.iter_mut().find(|(_, found)| found[0].flags == p.flags) {
            Some((ids, found)) => {
                ids.push(id);
                found.push(p);
            }
            None => groups.push((vec![id], vec![p])),
        }
    }
    for (ids, products) in groups {
        let [rows, columns] = products[0].extents;
        let copied = products.iter().map(|p| p.inner).sum::<usize>() * (rows + columns);
        let saved = 2 * (products.len() - 1) * rows * columns;
        if copied >= saved {
            others.extend(ids);
            continue;
        }
        let (ta, tb) = products[0].flags;
        // Cotangents come from the last consumer first. In the order of the consumers the operands are the slices of a sequence,
        // so that one copy of the sequence serves both.
        let side = |b: &mut Build<'_>, i: usize, axis: usize| {
            let operands: Vec<NodeId> = products.iter().rev().map(|p| p.operands[i]).collect();
            b.add_op(Op::Concat { axis }, &operands, None)
        };
        let left = side(b, 0, usize::from(!ta));
        let right = side(b, 1, usize::from(tb));
        others.push(b.matmul(left, right, ta, tb));
    }
    others
}

fn padded_slice(b: &mut Build<'_>, padded: NodeId) -> Option<PaddedSlice> {
    let node = b.graph().node(padded).expect("cotangents live");
    let Op::Pad { low, high, interior } = &node.op else {
        return None;
    };
    let mut padded_axes = (0..low.len()).filter(|&i| low[i] + high[i] + interior[i] > 0);
    let axis = padded_axes.next()?;
    if padded_axes.next().is_some() || interior[axis] > 0 {
        return None;
    }
    let (part, start) = (node.inputs[0], low[axis]);
    let end = start + b.shape(part)[axis];
    Some(PaddedSlice {
        padded,
        part,
        axis,
        start,
        end,
    })
}

/// Adjacent slices, as one cotangent.
fn concatenated(b: &mut Build<'_>, run: &[PaddedSlice]) -> NodeId {
    let [first, .., last] = run else {
        return run[0].padded;
    };
    let axis = first.axis;
    let whole = b.shape(first.padded);
    let parts: Vec<NodeId> = run.iter().map(|p| p.part).collect();
    let side_by_side = b.add_op(Op::Concat { axis }, &parts, None);
    if first.start == 0 && last.end == whole[axis] {
        return side_by_side;
    }
    let around = |width: usize| {
        let mut widths = vec![0; whole.rank()].into_boxed_slice();
        widths[axis] = width;
        widths
    };
    let pad = Op::Pad {
        low: around(first.start),
        high: around(whole[axis] - last.end),
        interior: around(0),
    };
    b.add_op(pad, &[side_by_side], None)
}
