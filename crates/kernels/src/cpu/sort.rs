//! Order along an axis: argsort and top-k.

use std::cmp::Ordering;

use hyperglow_core::op::{Op, Spec};

use super::element::{Element, for_dtype};
use super::exec::{Args, Kernel, scratch_bytes};

/// Scratch: one lane of indices and one of values.
pub(crate) fn scratch(_op: &Op, inputs: &[&Spec], _output: &Spec) -> usize {
    let longest = inputs[0].shape.dims().iter().copied().max().unwrap_or(0);
    scratch_bytes::<u32>(longest) + longest * inputs[0].dtype.size() + 64
}

/// The kernel of `ArgSort` and `TopK`: stable; NaN counts as larger than everything.
pub(crate) fn compile(op: &Op, inputs: &[&Spec], output: &Spec) -> Kernel {
    let (axis, descending) = match op {
        Op::ArgSort { axis, descending } => (*axis, *descending),
        Op::TopK { axis, largest } => (*axis, *largest),
        _ => (0, false),
    };
    let dims = inputs[0].shape.dims();
    let lanes = Lanes {
        outer: dims[..axis].iter().product(),
        n: dims[axis],
        kept: output.shape[axis],
        inner: dims[axis + 1..].iter().product(),
        descending,
        // Top-k of NaN: like the sort, largest first means NaN first.
    };
    let dtype = inputs[0].dtype;
    Box::new(move |args| {
        for_dtype!(dtype, T => lanes.sort::<T>(args));
        Ok(())
    })
}

struct Lanes {
    outer: usize,
    n: usize,
    kept: usize,
    inner: usize,
    descending: bool,
}

/// NaN above everything.
fn compare<T: Element>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

impl Lanes {
    fn sort<T: Element + super::exec::Plain>(&self, args: &Args<'_>) {
        let x = args.input::<T>(0);
        let y = args.output::<i32>();
        let order = args.scratch::<u32>(self.n);
        let lane = args.scratch::<T>(self.n);
        for o in 0..self.outer {
            for i in 0..self.inner {
                for (k, (index, value)) in order.iter_mut().zip(lane.iter_mut()).enumerate() {
                    *index = k as u32;
                    *value = x[(o * self.n + k) * self.inner + i];
                }
                // Ties go by position, which makes the unstable sort a stable one without memory of its own.
                order.sort_unstable_by(|&a, &b| {
                    let by_value = compare(lane[a as usize], lane[b as usize]);
                    let by_value = if self.descending { by_value.reverse() } else { by_value };
                    by_value.then(a.cmp(&b))
                });
                for (k, &index) in order[..self.kept].iter().enumerate() {
                    y[(o * self.kept + k) * self.inner + i] = index as i32;
                }
            }
        }
    }
}
