//! Derivatives of convolutions. A convolution and its two adjoints are the three partial derivatives of one trilinear form
//! `<dy, conv(x, w)>`, so the derivatives of each are the other two.

use crate::compose::Build;
use crate::graph::NodeId;
use crate::op::{Op, Window};

/// The trilinear form, with weights shared by all positions or local to each position.
enum Form {
    Shared { window: Window, groups: usize },
    Local { window: Window },
}

impl Form {
    /// Its derivative in dy: `(x, w)`.
    fn in_y(&self) -> Op {
        match self {
            Form::Shared { window, groups } => Op::Conv {
                window: window.clone(),
                groups: *groups,
            },
            Form::Local { window } => Op::LocalConv {
                window: window.clone(),
            },
        }
    }

    /// Its derivative in a tensor like `x`: `(dy, w)`.
    fn in_x(&self, b: &Build<'_>, x: NodeId) -> Op {
        let input = b.spec(x).shape.dims()[2..].into();
        match self {
            Form::Shared { window, groups } => Op::ConvInputGrad {
                window: window.clone(),
                groups: *groups,
                input,
            },
            Form::Local { window } => Op::LocalConvInputGrad {
                window: window.clone(),
                input,
            },
        }
    }

    /// Its derivative in a tensor like `w`: `(x, dy)`.
    fn in_w(&self, b: &Build<'_>, w: NodeId) -> Op {
        let shape = b.spec(w).shape;
        match self {
            Form::Shared { window, groups } => Op::ConvWeightGrad {
                window: window.clone(),
                groups: *groups,
                kernel: shape.dims()[2..].into(),
            },
            Form::Local { window } => Op::LocalConvWeightGrad {
                window: window.clone(),
                kernel: shape.dims()[2..2 + window.rank()].into(),
            },
        }
    }
}

/// The cotangents of the two inputs of a convolution or one of its adjoints, if that of its result is `seed`.
pub(super) fn cotangents(b: &mut Build<'_>, op: &Op, inputs: &[NodeId], seed: NodeId) -> Vec<Option<NodeId>> {
    let form = match op {
        Op::Conv { window, groups }
        | Op::ConvInputGrad { window, groups, .. }
        | Op::ConvWeightGrad { window, groups, .. } => Form::Shared {
            window: window.clone(),
            groups: *groups,
        },
        Op::LocalConv { window }
        | Op::LocalConvInputGrad { window, .. }
        | Op::LocalConvWeightGrad { window, .. } => Form::Local {
            window: window.clone(),
        },
        other => unreachable!("{} is no convolution", other.name()),
    };
    let [p, q] = [inputs[0], inputs[1]];
    let [in_p, in_q] = match op {
        // (x, w) -> y
        Op::Conv { .. } | Op::LocalConv { .. } => {
            [(form.in_x(b, p), [seed, q]), (form.in_w(b, q), [p, seed])]
        }
        // (dy, w) -> dx
        Op::ConvInputGrad { .. } | Op::LocalConvInputGrad { .. } => {
            [(form.in_y(), [seed, q]), (form.in_w(b, q), [seed, p])]
        }
        // (x, dy) -> dw
        _ => [(form.in_x(b, p), [q, seed]), (form.in_y(), [p, seed])],
    };
    [in_p, in_q]
        .into_iter()
        .map(|(op, operands)| Some(b.add_op(op, &operands, None)))
        .collect()
}
