//! The windows that cover a line of a plane, for the adjoint of disjoint maxima.

use super::Windows;
use crate::cpu::element::Element;

/// The windows that cover a line.
pub(super) struct CoveringWindows<'a, T> {
    /// Positions of their maxima, and their cotangents.
    pub index: &'a [i32],
    pub dy: &'a [T],
    /// The position of the line's first element.
    pub line: usize,
}

impl Windows {
    /// Whether no two windows overlap.
    pub(super) fn are_disjoint(&self) -> bool {
        self.covering.iter().flatten().all(|windows| windows.len() <= 1)
    }

    /// Calls `line(windows, elements)` for every covered line of some planes; uncovered lines become 0.
    #[inline(always)]
    pub(super) fn each_line<T: Element>(
        &self,
        index: &[i32],
        dy: &[T],
        out: &mut [T],
        mut line: impl FnMut(CoveringWindows<'_, T>, &mut [T]),
    ) {
        let [_, height, width] = self.input;
        let size = self.output_size();
        for (plane, out) in out.chunks_exact_mut(self.input_size()).enumerate() {
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                let (z, y) = (&self.covering[0][row / height], &self.covering[1][row % height]);
                let (Some(z), Some(y)) = (z.first(), y.first()) else {
                    out.fill(T::ZERO);
                    continue;
                };
                let from = plane * size + (z * self.output[1] + y) * self.output[2];
                let windows = CoveringWindows {
                    index: &index[from..],
                    dy: &dy[from..],
                    line: row * width,
                };
                line(windows, out);
            }
        }
    }

    /// The cotangent of element `i` of a line: that of the window that covers it, if the element is the window's maximum; else 0.
    #[inline(always)]
    pub(super) fn gradient_at<T: Element>(
        &self,
        CoveringWindows { index, dy, line }: &CoveringWindows<'_, T>,
        i: usize,
    ) -> T {
        match self.covering[2][i].first() {
            Some(&window) if index[window] == (line + i) as i32 => dy[window],
            _ => T::ZERO,
        }
    }
}
