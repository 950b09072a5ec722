//! The way back through maxima over windows: each window's number to where its maximum was.

use super::Windows;
use crate::cpu::element::Element;
#[cfg(target_arch = "x86_64")]
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::Kernel;

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
    fn are_disjoint(&self) -> bool {
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

/// Some planes, for windows that share no element.
fn placed<T: Element>(windows: &Windows, index: &[i32], dy: &[T], out: &mut [T]) {
    windows.each_line(index, dy, out, |of_line, out| {
        for (i, out) in out.iter_mut().enumerate() {
            *out = windows.place(&of_line, i);
        }
    });
}

/// Some planes, for any windows.
fn added<T: Element>(windows: &Windows, index: &[i32], dy: &[T], out: &mut [T]) {
    let size = windows.output_size();
    let planes = index.chunks_exact(size).zip(dy.chunks_exact(size));
    for ((index, dy), out) in planes.zip(out.chunks_exact_mut(windows.input_size())) {
        out.fill(T::ZERO);
        for (&place, &dy) in index.iter().zip(dy) {
            let to = &mut out[place as usize];
            *to = to.plus(dy);
        }
    }
}

/// Each window's number to the place of its maximum: `(index, dy)`.
pub(crate) fn max_grad<T: Element>(windows: Windows) -> Kernel {
    let (from, to) = (windows.output_size(), windows.input_size());
    let disjoint = windows.are_disjoint();
    Box::new(move |args| {
        let (index, dy) = (args.input::<i32>(0), args.input::<T>(1));
        let out = args.output::<T>();
        if dy.is_empty() {
            out.fill(T::ZERO);
            return Ok(());
        }
        let together = windows.planes_together();
        #[cfg(target_arch = "x86_64")]
        let level = args.level();
        args.pool().chunks(out, together * to, |_, i, piece| {
            let windows_of_piece = i * together * from..(i * together + piece.len() / to) * from;
            let (index, dy) = (&index[windows_of_piece.clone()], &dy[windows_of_piece]);
            #[cfg(target_arch = "x86_64")]
            if disjoint
                && let (Some(dy), Some(piece)) = (same(dy), same_mut(piece))
                && super::x86_grad::placed(level, &windows, index, dy, piece)
            {
                return;
            }
            if disjoint {
                placed(&windows, index, dy, piece);
            } else {
                added(&windows, index, dy, piece);
            }
        });
        Ok(())
    })
}
