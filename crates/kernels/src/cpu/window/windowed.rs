//! The windows that cover a line of a plane, for the way back through maxima.

use super::Windows;
use crate::cpu::element::Element;

/// The windows that cover a line.
pub(super) struct Windowed<'a, T> {
    /// The places of their maxima, and their numbers.
    pub index: &'a [i32],
    pub dy: &'a [T],
    /// The place of the line's first element.
    pub line: usize,
}

impl Windows {
    /// Whether no element lies in two windows.
    pub(super) fn are_disjoint(&self) -> bool {
        self.covers.iter().flatten().all(|windows| windows.len() <= 1)
    }

    /// Calls `line(windows, elements)` for every line of some planes that windows cover; the others become 0.
    #[inline(always)]
    pub(super) fn each_line<T: Element>(
        &self,
        index: &[i32],
        dy: &[T],
        out: &mut [T],
        mut line: impl FnMut(Windowed<'_, T>, &mut [T]),
    ) {
        let [_, height, width] = self.input;
        let size = self.output_size();
        for (plane, out) in out.chunks_exact_mut(self.input_size()).enumerate() {
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                let (z, y) = (&self.covers[0][row / height], &self.covers[1][row % height]);
                let (Some(z), Some(y)) = (z.first(), y.first()) else {
                    out.fill(T::ZERO);
                    continue;
                };
                let from = plane * size + (z * self.output[1] + y) * self.output[2];
                let windows = Windowed {
                    index: &index[from..],
                    dy: &dy[from..],
                    line: row * width,
                };
                line(windows, out);
            }
        }
    }

    /// An element of a line: the number of the window that it lies in, if it is that window's maximum.
    #[inline(always)]
    pub(super) fn place<T: Element>(&self, Windowed { index, dy, line }: &Windowed<'_, T>, i: usize) -> T {
        match self.covers[2][i].first() {
            Some(&window) if index[window] == (line + i) as i32 => dy[window],
            _ => T::ZERO,
        }
    }
}
