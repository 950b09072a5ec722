//! Convolutions. A shared kernel takes the samples as more images, shared images take them as more channels, and kernels of their own
//! are groups.

use super::Batcher;
use super::fold::{fold, fold_in_groups, unfold, unfold_in_groups};
use crate::graph::NodeId;
use crate::op::{Op, Spec};

/// The axes of an operand or result that the batch may become a part of.
#[derive(Clone, Copy)]
enum Axis {
    /// The only axis of its kind.
    Whole(usize),
    /// Channels of all groups.
    Grouped(usize),
}
use Axis::{Grouped, Whole};

/// Where the batch goes if an operand alone depends on the samples: in the operand, and in the result.
type Alone = [Axis; 2];

/// Of the first and the second operand alone; and of both and the result if both depend on the samples, as groups.
struct Places {
    first: Alone,
    second: Alone,
    both: [usize; 3],
}

impl Batcher<'_, '_> {
    pub(super) fn convolution(&mut self, op: &Op, inputs: &[NodeId], spec: &Spec) -> NodeId {
        let places = match op {
            Op::Conv { .. } | Op::LocalConv { .. } => Places {
                first: [Whole(0), Whole(0)],
                second: [Grouped(0), Grouped(1)],
                both: [1, 0, 1],
            },
            Op::ConvInputGrad { .. } | Op::LocalConvInputGrad { .. } => Places {
                first: [Whole(0), Whole(0)],
                second: [Whole(1), Grouped(1)],
                both: [1, 0, 1],
            },
            _ => Places {
                first: [Grouped(1), Whole(1)],
                second: [Grouped(1), Grouped(0)],
                both: [1, 1, 0],
            },
        };
        let groups = groups_of(op);
        match [self.batched(inputs[0]), self.batched(inputs[1])] {
            [Some(x), None] => {
                let x = self.folded(x, places.first[0], groups);
                self.unfolded(op.clone(), &[x, inputs[1]], places.first[1], groups)
            }
            [None, Some(x)] => {
                let x = self.folded(x, places.second[0], groups);
                self.unfolded(op.clone(), &[inputs[0], x], places.second[1], groups)
            }
            _ => match in_groups(op, groups.map(|groups| groups * self.count)) {
                Some(grouped) => {
                    let [first, second, result] = places.both;
                    let (x, y) = (self.each(inputs[0]), self.each(inputs[1]));
                    let (x, y) = (fold(self.build, x, first), fold(self.build, y, second));
                    self.unfolded(grouped, &[x, y], Whole(result), groups)
                }
                None => self.by_formula(op, inputs, spec),
            },
        }
    }

    fn folded(&mut self, x: NodeId, place: Axis, groups: Option<usize>) -> NodeId {
        match place {
            Whole(axis) => fold(self.build, x, axis),
            Grouped(axis) => fold_in_groups(self.build, x, axis, groups.unwrap_or(1)),
        }
    }

    fn unfolded(&mut self, op: Op, inputs: &[NodeId], place: Axis, groups: Option<usize>) -> NodeId {
        let y = self.build.add_op(op, inputs, None);
        match place {
            Whole(axis) => unfold(self.build, y, axis, self.count),
            Grouped(axis) => unfold_in_groups(self.build, y, axis, groups.unwrap_or(1), self.count),
        }
    }
}

/// The number of channel groups; `None` for local convolutions, which have no groups.
fn groups_of(op: &Op) -> Option<usize> {
    match op {
        Op::Conv { groups, .. } | Op::ConvInputGrad { groups, .. } | Op::ConvWeightGrad { groups, .. } => {
            Some(*groups)
        }
        _ => None,
    }
}

/// The operation with another number of groups.
fn in_groups(op: &Op, groups: Option<usize>) -> Option<Op> {
    let groups = groups?;
    Some(match op.clone() {
        Op::Conv { window, .. } => Op::Conv { window, groups },
        Op::ConvInputGrad { window, input, .. } => Op::ConvInputGrad {
            window,
            groups,
            input,
        },
        Op::ConvWeightGrad { window, kernel, .. } => Op::ConvWeightGrad {
            window,
            groups,
            kernel,
        },
        _ => return None,
    })
}
