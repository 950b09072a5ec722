//! A convolution, or its adjoint in x, as a matrix product with an im2col matrix. The im2col matrix has a row for each
//! channel and tap, and a column for each position of the result.

use std::sync::OnceLock;

use super::shape::{ConvShape, TapMap};
use crate::cpu::exec::{Args, Plain};

/// `out (rows, positions) = weights (rows, depth) im2col (depth, positions)`, for every sample and group.
pub(super) struct ConvGemm {
    pub batch: usize,
    pub groups: usize,
    /// Rows of the weights of a group.
    pub rows: usize,
    /// Columns of the weights of a group: channels and taps.
    pub depth: usize,
    /// Elements of a sample's group in the tensor that the im2col matrix is made of.
    pub plane: usize,
    /// Positions of the result.
    pub positions: usize,
    pub tap_map: TapMap,
    /// Whether the weights come with the two kinds of channels exchanged.
    pub transposed_weights: bool,
    /// Whether the terms of a sum may be combined in another way than one by one.
    pub may_reassociate: bool,
}

impl ConvGemm {
    pub fn forward<T>(shape: &ConvShape) -> ConvGemm {
        ConvGemm {
            transposed_weights: false,
            may_reassociate: may_reassociate::<T>(),
            batch: shape.batch,
            groups: shape.groups,
            rows: shape.outputs,
            depth: shape.channels * shape.taps(),
            plane: shape.channels * shape.input_size(),
            positions: shape.output_size(),
            tap_map: shape.forward(),
        }
    }

    pub fn backward<T>(shape: &ConvShape) -> ConvGemm {
        ConvGemm {
            transposed_weights: true,
            may_reassociate: may_reassociate::<T>(),
            batch: shape.batch,
            groups: shape.groups,
            rows: shape.channels,
            depth: shape.outputs * shape.taps(),
            plane: shape.outputs * shape.output_size(),
            positions: shape.input_size(),
            tap_map: shape.backward(),
        }
    }

    /// Elements of the weights, if their channels have to be exchanged.
    pub fn transposed_weights_len(&self) -> usize {
        if self.transposed_weights {
            self.groups * self.rows * self.depth
        } else {
            0
        }
    }

    /// The weights (groups, rows, columns).
    pub fn weights<'a, T: Plain>(&self, args: &Args<'a>, w: &'a [T]) -> &'a [T] {
        if !self.transposed_weights {
            return w;
        }
        let weights = args.scratch::<T>(self.transposed_weights_len());
        let taps: usize = self.tap_map.kernel.iter().product();
        let (rows, channels) = (self.rows, self.depth / taps.max(1));
        for (i, to) in weights.chunks_exact_mut(taps.max(1)).enumerate() {
            let (group, row, channel) = (i / (rows * channels), i / channels % rows, i % channels);
            to.copy_from_slice(&w[((group * channels + channel) * rows + row) * taps..][..taps]);
        }
        weights
    }
}

/// Whether the terms of float32 sums may be combined in another way than one by one, as Winograd's filtering and bf16x3
/// do.
pub(super) fn may_reassociate<T>() -> bool {
    size_of::<T>() == size_of::<f32>() && !wants_direct()
}

/// Whether the environment variable `HYPERGLOW_CONV` is `direct`: convolutions are summed term by term.
fn wants_direct() -> bool {
    static WANTED: OnceLock<bool> = OnceLock::new();
    *WANTED.get_or_init(|| std::env::var("HYPERGLOW_CONV").is_ok_and(|wanted| wanted == "direct"))
}
