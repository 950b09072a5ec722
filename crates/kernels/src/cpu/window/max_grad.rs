//! The adjoint of maxima over windows: each window's cotangent is added at the position of its maximum.

use super::Windows;
use crate::cpu::element::Element;
#[cfg(target_arch = "x86_64")]
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::Kernel;

/// Some planes, for disjoint windows.
fn scatter_disjoint<T: Element>(windows: &Windows, index: &[i32], dy: &[T], out: &mut [T]) {
    windows.each_line(index, dy, out, |covering, out| {
        for (i, out) in out.iter_mut().enumerate() {
            *out = windows.gradient_at(&covering, i);
        }
    });
}

/// Some planes, for overlapping windows.
fn scatter_added<T: Element>(windows: &Windows, index: &[i32], dy: &[T], out: &mut [T]) {
    let size = windows.output_size();
    let planes = index.chunks_exact(size).zip(dy.chunks_exact(size));
    for ((index, dy), out) in planes.zip(out.chunks_exact_mut(windows.input_size())) {
        out.fill(T::ZERO);
        for (&position, &dy) in index.iter().zip(dy) {
            let to = &mut out[position as usize];
            *to = to.plus(dy);
        }
    }
}

/// The kernel of [`Op::WindowMaxGrad`](hyperglow_core::Op::WindowMaxGrad): `(index, dy)`.
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
        let per_task = windows.planes_per_task();
        #[cfg(target_arch = "x86_64")]
        let level = args.level();
        args.pool().chunks(out, per_task * to, |_, i, planes| {
            let range = i * per_task * from..(i * per_task + planes.len() / to) * from;
            let (index, dy) = (&index[range.clone()], &dy[range]);
            #[cfg(target_arch = "x86_64")]
            if disjoint
                && let (Some(dy), Some(planes)) = (same(dy), same_mut(planes))
                && super::x86_grad::scatter_disjoint(level, &windows, index, dy, planes)
            {
                return;
            }
            if disjoint {
                scatter_disjoint(&windows, index, dy, planes);
            } else {
                scatter_added(&windows, index, dy, planes);
            }
        });
        Ok(())
    })
}
