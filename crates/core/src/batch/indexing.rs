//! Elements by one-dimensional indices.

use super::Batcher;
use super::fold::{unfold, with_batch};
use crate::graph::NodeId;
use crate::op::{Op, Spec};
use crate::shape::Shape;

impl Batcher<'_, '_> {
    /// With indices of their own, samples take from a shared tensor by one list of indices, and from tensors of their own element by
    /// element: a list of indices into all samples would hide an index out of range.
    pub(super) fn take(&mut self, x: NodeId, index: NodeId, axis: usize, spec: &Spec) -> NodeId {
        match [self.batched(x), self.batched(index)] {
            [Some(x), None] => self.build.add_op(Op::Take { axis: axis + 1 }, &[x, index], None),
            [None, Some(indices)] => {
                let length = self.build.shape(indices).size();
                let list = self.build.reshape(indices, [length].into());
                let found = self.build.add_op(Op::Take { axis }, &[x, list], None);
                unfold(self.build, found, axis, self.count)
            }
            _ => {
                let index = self.along(index, axis, &spec.shape);
                let x = self.each(x);
                self.build
                    .add_op(Op::Gather { axis: axis + 1 }, &[x, index], None)
            }
        }
    }

    /// The adjoint of `take`.
    pub(super) fn index_add(&mut self, index: NodeId, source: NodeId, axis: usize, spec: &Spec) -> NodeId {
        let whole = Spec::new(with_batch(self.count, &spec.shape), spec.dtype);
        let shape = self.build.shape(source);
        if self.batched(index).is_none() {
            let source = self.each(source);
            return self
                .build
                .add_op(Op::IndexAdd { axis: axis + 1 }, &[index, source], Some(&whole));
        }
        let index = self.along(index, axis, &shape);
        let source = self.each(source);
        self.build
            .add_op(Op::ScatterAdd { axis: axis + 1 }, &[index, source], Some(&whole))
    }

    /// Indices (batch, k) along axis `axis` of a sample, for each element of `shape`.
    fn along(&mut self, index: NodeId, axis: usize, shape: &Shape) -> NodeId {
        let indices = self.each(index);
        let ones: Shape = std::iter::repeat_n(1, shape.rank()).collect();
        let lifted = with_batch(self.count, &ones.with(axis, shape[axis]));
        let lifted = self.build.reshape(indices, lifted);
        self.build.broadcast(lifted, with_batch(self.count, shape))
    }
}
