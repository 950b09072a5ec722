//! Determinants and their derivatives.

use crate::compose::Build;
use crate::dtype::DType;
use crate::elementwise::{BinaryOp, Formula, UnaryOp};
use crate::grad::partials;
use crate::graph::NodeId;
use crate::op::{Op, Spec};
use crate::shape::Shape;

/// Rows beyond which the coefficients of characteristic polynomials lose too many digits in float64.
const MAX_ROWS: usize = 12;

/// The block of `size` (rows, columns) that begins at `from` (row, column).
fn block(b: &mut Build<'_>, x: NodeId, from: (usize, usize), size: (usize, usize)) -> NodeId {
    let shape = b.shape(x);
    let rank = shape.rank();
    let mut start = vec![0; rank];
    (start[rank - 2], start[rank - 1]) = from;
    let count = shape.with(rank - 2, size.0).with(rank - 1, size.1);
    b.slice(x, &start, &vec![1; rank], count)
}

/// [`Op::Det`]: elimination with the largest pivot of each column.
pub(super) fn det(b: &mut Build<'_>, a: NodeId) -> NodeId {
    let Spec { shape, dtype } = b.spec(a);
    let rank = shape.rank();
    let (rows, n) = (rank - 2, shape[rank - 1]);
    let single = Spec::new(shape.with(rank - 2, 1).with(rank - 1, 1), dtype);
    let mut det = b.constant(1.0, &single);
    let mut rest = a;
    for size in (1..=n).rev() {
        let column = block(b, rest, (0, 0), (size, 1));
        let sizes = b.unary(UnaryOp::Abs, column);
        let at = b.add_op(Op::ArgMax { axis: rows }, &[sizes], None);
        let at = b.reshape(at, single.shape.clone());
        let row = shape.with(rank - 2, 1).with(rank - 1, size);
        let index = b.broadcast(at, row);
        let pivots = b.add_op(Op::Gather { axis: rows }, &[rest, index], None);
        let pivot = block(b, pivots, (0, 0), (1, 1));
        let zero = b.scalar_like(0.0, at);
        let stays = b.binary(BinaryOp::Equal, at, zero);
        let opposite = b.neg(pivot);
        let factor = b.select(stays, pivot, opposite);
        det = b.mul(det, factor);
        if size == 1 {
            break;
        }
        // The first row is exchanged with the pivot's row.
        let below = shape.with(rank - 2, size - 1).with(rank - 1, size);
        let first = block(b, rest, (0, 0), (1, size));
        let first = b.broadcast(first, below.clone());
        let others = block(b, rest, (1, 0), (size - 1, size));
        let position = b.add_op(
            Op::Iota { axis: rows },
            &[],
            Some(&Spec::new(below.clone(), DType::I32)),
        );
        let position = b.add_scalar(position, 1.0);
        let at = b.broadcast(at, below);
        let was_pivot = b.binary(BinaryOp::Equal, position, at);
        let others = b.select(was_pivot, first, others);
        // Where the pivot is 0, so is everything below it.
        let zero = b.scalar_like(0.0, pivot);
        let one = b.scalar_like(1.0, pivot);
        let is_zero = b.binary(BinaryOp::Equal, pivot, zero);
        let safe = b.select(is_zero, one, pivot);
        let left = block(b, others, (0, 0), (size - 1, 1));
        let right = block(b, others, (0, 1), (size - 1, size - 1));
        let square = b.shape(right);
        let safe = b.broadcast(safe, shape.with(rank - 2, size - 1).with(rank - 1, 1));
        let share = b.div(left, safe);
        let share = b.broadcast(share, square.clone());
        let pivots = block(b, pivots, (0, 1), (1, size - 1));
        let pivots = b.broadcast(pivots, square);
        let taken = b.mul(share, pivots);
        rest = b.sub(right, taken);
    }
    b.reshape(det, Shape::from(&shape.dims()[..rank - 2]))
}

/// The determinant without divisions, (.., n, n) -> (.., 1, 1), so that its derivatives of all orders are right for singular
/// matrices too: coefficients of the characteristic polynomials of leading principal submatrices (Berkowitz 1984).
fn det_without_division(b: &mut Build<'_>, a: NodeId) -> NodeId {
    let Spec { shape, dtype } = b.spec(a);
    let (rank, n) = (shape.rank(), shape[shape.rank() - 1]);
    let single = Spec::new(shape.with(rank - 2, 1).with(rank - 1, 1), dtype);
    let rows = rank - 2;
    // From the highest power on.
    let mut polynomial = b.constant(1.0, &single);
    for k in 0..n {
        // The first column of the Toeplitz matrix that maps the polynomial of the submatrix of k rows to that of k + 1 rows:
        // 1, -a, -r s, -r M s, -r M^2 s, ..
        let one = b.constant(1.0, &single);
        let corner = block(b, a, (k, k), (1, 1));
        let mut column = vec![one, b.neg(corner)];
        if k > 0 {
            let matrix = block(b, a, (0, 0), (k, k));
            let r = block(b, a, (k, 0), (1, k));
            let mut s = block(b, a, (0, k), (k, 1));
            for power in 0..k {
                let product = b.matmul(r, s, false, false);
                column.push(b.neg(product));
                if power + 1 < k {
                    s = b.matmul(matrix, s, false, false);
                }
            }
        }
        let column = b.concat(&column, rows);
        let columns: Vec<NodeId> = (0..=k)
            .map(|down| {
                let kept = block(b, column, (0, 0), (k + 2 - down, 1));
                let mut low = vec![0; rank];
                low[rows] = down;
                b.pad(kept, &low, &vec![0; rank])
            })
            .collect();
        let toeplitz = b.concat(&columns, rank - 1);
        polynomial = b.matmul(toeplitz, polynomial, false, false);
    }
    let last = block(b, polynomial, (n, 0), (1, 1));
    if n % 2 == 1 { b.neg(last) } else { last }
}

/// [`Op::Cofactors`] as derivatives of the determinant, in float64; `None` for more than [`MAX_ROWS`] rows.
pub(super) fn cofactors(b: &mut Build<'_>, operands: &[NodeId]) -> Option<NodeId> {
    let spec = b.spec(operands[0]);
    let rank = spec.shape.rank();
    if spec.shape[rank - 1] > MAX_ROWS {
        return None;
    }
    let a = b.cast(operands[0], DType::F64);
    let gradient = |b: &mut Build<'_>, y: NodeId, a: NodeId| {
        let one = b.scalar_like(1.0, y);
        let found = partials(b, y, one, &[a]).swap_remove(0);
        found.unwrap_or_else(|| b.scalar_like(0.0, a))
    };
    let y = det_without_division(b, a);
    let mut found = gradient(b, y, a);
    for &direction in &operands[1..] {
        let direction = b.cast(direction, DType::F64);
        let product = b.mul(found, direction);
        let y = b.sum_keep(product, &[rank - 2, rank - 1]);
        found = gradient(b, y, a);
    }
    Some(b.cast(found, spec.dtype))
}
