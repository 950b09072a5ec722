//! Products and solvers of matrices.

use super::Batcher;
use super::fold::{fold, unfold};
use crate::graph::NodeId;
use crate::op::{Op, Spec};

impl Batcher<'_, '_> {
    /// With a shared factor, the samples are more rows (or columns) of the other factor: one product.
    pub(super) fn matmul(&mut self, inputs: &[NodeId], ta: bool, tb: bool, spec: &Spec) -> NodeId {
        let (count, rank) = (self.count, spec.shape.rank());
        let (rows, columns) = (rank - 2, rank - 1);
        match [self.batched(inputs[0]), self.batched(inputs[1])] {
            [Some(a), None] => {
                let a = fold(self.build, a, if ta { columns } else { rows });
                let y = self.build.matmul(a, inputs[1], ta, tb);
                unfold(self.build, y, rows, count)
            }
            [None, Some(b)] => {
                let b = fold(self.build, b, if tb { rows } else { columns });
                let y = self.build.matmul(inputs[0], b, ta, tb);
                unfold(self.build, y, columns, count)
            }
            _ => self.apply(Op::MatMul { ta, tb }, inputs, spec),
        }
    }

    /// With a shared matrix, which is then decomposed once, the samples are more right-hand sides.
    pub(super) fn solve(&mut self, op: &Op, inputs: &[NodeId], spec: &Spec) -> NodeId {
        let columns = spec.shape.rank() - 1;
        match [self.batched(inputs[0]), self.batched(inputs[1])] {
            [None, Some(b)] => {
                let b = fold(self.build, b, columns);
                let x = self.build.add_op(op.clone(), &[inputs[0], b], None);
                unfold(self.build, x, columns, self.count)
            }
            _ => self.apply(op.clone(), inputs, spec),
        }
    }
}
