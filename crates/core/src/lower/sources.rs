//! Random numbers of several keys.

use crate::compose::Build;
use crate::graph::NodeId;
use crate::op::{Op, Spec};
use crate::shape::Shape;

/// [`Op::Random`] with several keys: the numbers of each key, one after the other. `None` for one key.
pub(super) fn random(b: &mut Build<'_>, op: &Op, keys: NodeId, output: &Spec) -> Option<NodeId> {
    let leading = b.shape(keys).rank() - 1;
    if leading == 0 {
        return None;
    }
    let count = output.shape.dims()[..leading].iter().product();
    if count == 0 {
        return Some(b.constant(0.0, output));
    }
    let keys = b.reshape(keys, [count, 2].into());
    let part: Shape = output.shape.dims()[leading..].into();
    let one = Spec::new(part.clone(), output.dtype);
    let lifted: Shape = [1].into_iter().chain(part.dims().iter().copied()).collect();
    let parts: Vec<NodeId> = (0..count)
        .map(|row| {
            let key = b.slice(keys, &[row, 0], &[1, 1], [1, 2].into());
            let key = b.reshape(key, [2].into());
            let numbers = b.add_op(op.clone(), &[key], Some(&one));
            b.reshape(numbers, lifted.clone())
        })
        .collect();
    let all = b.concat(&parts, 0);
    Some(b.reshape(all, output.shape.clone()))
}
