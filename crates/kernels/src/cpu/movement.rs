//! Movement that needs memory: padding, joining, counting.

use hyperglow_core::op::{Op, Spec};

use super::element::{Element, for_dtype};
use super::exec::{Args, Kernel, for_word};

/// The kernel of `Pad`, `Concat` and `Iota`.
pub(crate) fn compile(op: &Op, inputs: &[&Spec], output: &Spec) -> Kernel {
    let dtype = output.dtype;
    match op {
        Op::Pad { low, interior, .. } => {
            let padding = Padding {
                from: inputs[0].shape.dims().to_vec(),
                strides: output.shape.strides(),
                low: low.to_vec(),
                step: interior.iter().map(|i| i + 1).collect(),
            };
            Box::new(move |args| {
                for_word!(dtype, W => padding.run::<W>(args.input_words::<W>(0), args.output_words::<W>()));
                Ok(())
            })
        }
        Op::Concat { axis } => {
            let inner: usize = output.shape.dims()[*axis + 1..].iter().product();
            let widths: Vec<usize> = inputs.iter().map(|x| x.shape[*axis] * inner).collect();
            Box::new(move |args| {
                for_word!(dtype, W => {
                    let y = args.output_words::<W>();
                    let total: usize = widths.iter().sum();
                    let mut at = 0;
                    for (i, &width) in widths.iter().enumerate() {
                        if width > 0 {
                            let rows = args.input_words::<W>(i).chunks_exact(width);
                            for (x, y) in rows.zip(y.chunks_exact_mut(total)) {
                                y[at..at + width].copy_from_slice(x);
                            }
                        }
                        at += width;
                    }
                });
                Ok(())
            })
        }
        Op::Iota { axis } => {
            let (n, inner) = (output.shape[*axis], output.shape.dims()[*axis + 1..].iter().product());
            Box::new(move |args| {
                for_dtype!(dtype, T => count::<T>(args, n, inner));
                Ok(())
            })
        }
        other => unreachable!("{} moves without memory", other.name()),
    }
}

fn count<T: Element>(args: &Args<'_>, n: usize, inner: usize) {
    let y = args.output::<T>();
    if n * inner > 0 {
        for block in y.chunks_exact_mut(n * inner) {
            for (i, row) in block.chunks_exact_mut(inner).enumerate() {
                row.fill(T::from_f64(i as f64));
            }
        }
    }
}

struct Padding {
    from: Vec<usize>,
    /// Of the output.
    strides: Vec<usize>,
    low: Vec<usize>,
    step: Vec<usize>,
}

impl Padding {
    fn run<W: Copy + Default>(&self, x: &[W], y: &mut [W]) {
        y.fill(W::default());
        if x.is_empty() {
            return;
        }
        self.axis(x, y, 0, 0);
    }

    /// Writes `x`, whose outermost axis is `axis`, into `y` from element `at`.
    fn axis<W: Copy>(&self, x: &[W], y: &mut [W], axis: usize, at: usize) {
        if axis == self.from.len() {
            y[at] = x[0];
            return;
        }
        let at = at + self.low[axis] * self.strides[axis];
        let stride = self.step[axis] * self.strides[axis];
        if axis + 1 == self.from.len() && stride == 1 {
            y[at..at + x.len()].copy_from_slice(x);
            return;
        }
        for (i, part) in x.chunks_exact(x.len() / self.from[axis]).enumerate() {
            self.axis(part, y, axis + 1, at + i * stride);
        }
    }
}
