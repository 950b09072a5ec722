//! A task of a packed product: one block of the result, by the macro-kernel.

use std::ops::Range;

use super::macro_kernel::{LeftOperand, OutBlock, Prefetch, RightOperand, macro_kernel};
use super::micro_kernel::GemmElement;
use super::pack::Matrix;
use crate::cpu::level::Level;

/// A block of the result, and its operands.
pub(super) struct PackedTask<'a, T> {
    pub worker: usize,
    pub batch: usize,
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    pub left: LeftOperand<'a, T>,
    pub right: Matrix<'a, T>,
    pub packed_right: Option<(&'a [T], usize)>,
    pub work: &'a mut [T],
}

impl<T: GemmElement> PackedTask<'_, T> {
    /// Writes the task's block of the result to `start`, with `stride` elements between rows.
    ///
    /// # Safety
    /// `start` must have room for the block, which must not be aliased.
    pub unsafe fn compute(
        self,
        level: Level,
        k: usize,
        start: *mut T,
        stride: usize,
        prefetch: Prefetch<'_>,
    ) {
        let target = OutBlock {
            start,
            stride,
            add: false,
            prefetch,
        };
        let right = match self.packed_right {
            Some((all, cols)) => RightOperand::Packed(all, cols),
            None => RightOperand::Pack(&self.right),
        };
        // SAFETY: as the caller promises; tasks start at whole tiles.
        unsafe {
            macro_kernel(
                level, k, self.left, self.rows, &right, self.cols, target, self.work,
            )
        };
    }
}
