//! Kernels that only write or move elements: iota, pad, concatenation. Other movements are views, read by clusters.

use hyperglow_core::Shape;
use hyperglow_core::op::Spec;

use super::element::Element;
use super::exec::{Kernel, Word, for_word};
use super::pool::SharedSlice;

/// Elements copied by one task.
const TASK_ELEMENTS: usize = 1 << 15;

/// 0, 1, 2, ... along `axis`.
pub(crate) fn iota<T: Element>(shape: &Shape, axis: usize) -> Kernel {
    let inner: usize = shape.dims()[axis + 1..].iter().product();
    let extent = shape[axis];
    Box::new(move |args| {
        args.pool()
            .chunks(args.output::<T>(), TASK_ELEMENTS, |_, i, piece| {
                let (mut value, mut left) = (
                    (i * TASK_ELEMENTS / inner) % extent,
                    inner - i * TASK_ELEMENTS % inner,
                );
                for out in piece {
                    *out = T::from_f64(value as f64);
                    left -= 1;
                    if left == 0 {
                        (value, left) = ((value + 1) % extent, inner);
                    }
                }
            });
        Ok(())
    })
}

/// Zeros around and between the elements.
pub(crate) fn pad(x: &Spec, output: &Spec, low: &[usize], interior: &[usize]) -> Kernel {
    for_word!(x.dtype, T => pad_words::<T>(&x.shape, &output.shape, low, interior))
}

fn pad_words<T: Word>(from: &Shape, to: &Shape, low: &[usize], interior: &[usize]) -> Kernel {
    let strides = to.strides();
    // Per axis: extent of the input, distance in the output between neighbors of the input.
    let axes: Vec<(usize, usize)> = (0..from.rank())
        .map(|i| (from[i], strides[i] * (interior[i] + 1)))
        .collect();
    let origin: usize = low.iter().zip(&strides).map(|(low, stride)| low * stride).sum();
    let (width, step) = axes.last().copied().unwrap_or((1, 1));
    let outer: Vec<(usize, usize)> = axes[..axes.len().saturating_sub(1)].to_vec();
    let rows = if from.size() == 0 { 0 } else { from.size() / width };
    Box::new(move |args| {
        let (x, out) = (args.input_words::<T>(0), args.output_words::<T>());
        args.pool()
            .chunks(out, TASK_ELEMENTS, |_, _, piece| piece.fill(T::default()));
        let out = SharedSlice::new(out);
        args.pool()
            .ranges(rows, (TASK_ELEMENTS / width.max(1)).max(1), |_, range| {
                for row in range {
                    let (mut at, mut rest) = (origin, row);
                    for &(extent, stride) in outer.iter().rev() {
                        at += rest % extent * stride;
                        rest /= extent;
                    }
                    // SAFETY: different rows of the input go to different rows of the output.
                    let line = unsafe { out.range(at..at + (width - 1) * step + 1) };
                    let from = &x[row * width..][..width];
                    if step == 1 {
                        line.copy_from_slice(from);
                    } else {
                        line.iter_mut()
                            .step_by(step)
                            .zip(from)
                            .for_each(|(out, &x)| *out = x);
                    }
                }
            });
        Ok(())
    })
}

/// Inputs one after the other along `axis`.
pub(crate) fn concat(inputs: &[&Spec], axis: usize) -> Kernel {
    for_word!(inputs[0].dtype, T => concat_words::<T>(inputs, axis))
}

fn concat_words<T: Word>(inputs: &[&Spec], axis: usize) -> Kernel {
    let outer: usize = inputs[0].shape.dims()[..axis].iter().product();
    // Elements that each input gives at a time, and where they start.
    let mut starts = Vec::with_capacity(inputs.len());
    let mut total = 0;
    for x in inputs {
        let len: usize = x.shape.dims()[axis..].iter().product();
        starts.push((total, len));
        total += len;
    }
    Box::new(move |args| {
        let out = SharedSlice::new(args.output_words::<T>());
        for (i, &(start, len)) in starts.iter().enumerate() {
            let x = args.input_words::<T>(i);
            let pieces = len.div_ceil(TASK_ELEMENTS);
            let together = (TASK_ELEMENTS / len.max(1)).max(1);
            args.pool().ranges(outer * pieces, together, |_, range| {
                for part in range {
                    let (block, piece) = (part / pieces, part % pieces * TASK_ELEMENTS);
                    let count = TASK_ELEMENTS.min(len - piece);
                    let at = block * total + start + piece;
                    // SAFETY: different parts go to different places.
                    unsafe { out.range(at..at + count) }.copy_from_slice(&x[block * len + piece..][..count]);
                }
            });
        }
        Ok(())
    })
}
