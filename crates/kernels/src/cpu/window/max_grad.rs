//! The way back through maxima over windows: each window's number to where its maximum was.

use super::Windows;
use crate::cpu::element::Element;
#[cfg(target_arch = "x86_64")]
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::Kernel;

/// Some planes, for windows that share no element.
fn scatter_disjoint<T: Element>(windows: &Windows, index: &[i32], dy: &[T], out: &mut [T]) {
    windows.each_line(index, dy, out, |of_line, out| {
        for (i, out) in out.iter_mut().enumerate() {
            *out = windows.place(&of_line, i);
        }
    });
}

/// Some planes, for any windows.
fn scatter_added<T: Element>(windows: &Windows, index: &[i32], dy: &[T], out: &mut [T]) {
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
                && super::x86_grad::scatter_disjoint(level, &windows, index, dy, piece)
            {
                return;
            }
            if disjoint {
                scatter_disjoint(&windows, index, dy, piece);
            } else {
                scatter_added(&windows, index, dy, piece);
            }
        });
        Ok(())
    })
}
