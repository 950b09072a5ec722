//! Running sums.

use hyperglow_core::op::{Op, Spec};

use super::element::{Element, for_dtype};
use super::exec::{Args, Kernel};

/// The kernel of `CumSum`. Floats accumulate in double precision.
pub(crate) fn compile(op: &Op, inputs: &[&Spec], _output: &Spec) -> Kernel {
    let (axis, reverse) = match op {
        Op::CumSum { axis, reverse } => (*axis, *reverse),
        _ => (0, false),
    };
    let dims = inputs[0].shape.dims();
    let (n, inner) = (dims[axis], dims[axis + 1..].iter().product::<usize>());
    let dtype = inputs[0].dtype;
    Box::new(move |args| {
        for_dtype!(dtype, T => cumsum::<T>(args, n, inner, reverse, dtype.is_float()));
        Ok(())
    })
}

fn cumsum<T: Element>(args: &Args<'_>, n: usize, inner: usize, reverse: bool, float: bool) {
    let (x, y) = (args.input::<T>(0), args.output::<T>());
    if n == 0 || inner == 0 {
        return;
    }
    let block = n * inner;
    args.pool().chunks(y, block, |_, outer, y| {
        let x = &x[outer * block..][..y.len()];
        for lane in 0..inner {
            let at = |i: usize| (if reverse { n - 1 - i } else { i }) * inner + lane;
            let (mut exact, mut sum) = (0.0, T::ZERO);
            for i in 0..n {
                if float {
                    exact += x[at(i)].to_f64();
                    sum = T::from_f64(exact);
                } else {
                    sum = sum.plus(x[at(i)]);
                }
                y[at(i)] = sum;
            }
        }
    });
}
