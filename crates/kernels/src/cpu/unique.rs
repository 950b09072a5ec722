//! Equal rows get equal numbers.

use std::cmp::Ordering;

use hyperglow_core::op::{Op, Spec};

use super::element::{Element, for_dtype};
use super::exec::{Args, Kernel, scratch_bytes};

/// Scratch: an order of the rows, and a number per row.
pub(crate) fn scratch(_op: &Op, inputs: &[&Spec], _output: &Spec) -> usize {
    2 * scratch_bytes::<u32>(inputs[0].shape[0])
}

/// The kernel of `UniqueRows`: sorts row numbers by content, then numbers the groups by first appearance.
/// Rows are compared element by element, so there are no collisions; -0 equals 0, and NaN equals NaN.
pub(crate) fn compile(_op: &Op, inputs: &[&Spec], _output: &Spec) -> Kernel {
    let (n, d, dtype) = (inputs[0].shape[0], inputs[0].shape[1], inputs[0].dtype);
    Box::new(move |args| {
        for_dtype!(dtype, T => number_rows::<T>(args, n, d));
        Ok(())
    })
}

fn compare<T: Element>(a: &[T], b: &[T]) -> Ordering {
    let pairs = a.iter().zip(b);
    let differ = |(x, y): (&T, &T)| x.partial_cmp(y).unwrap_or_else(|| x.is_nan().cmp(&y.is_nan()));
    pairs.map(differ).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

fn number_rows<T: Element>(args: &Args<'_>, n: usize, d: usize) {
    let x = args.input::<T>(0);
    let y = args.output::<i32>();
    let order = args.scratch::<u32>(n);
    let first = args.scratch::<u32>(n);
    let row = |i: u32| &x[i as usize * d..][..d];
    for (i, index) in order.iter_mut().enumerate() {
        *index = i as u32;
    }
    order.sort_unstable_by(|&a, &b| compare(row(a), row(b)).then(a.cmp(&b)));
    // The first of a run of equal rows is the one that appears first.
    let mut leader = 0;
    for (k, &i) in order.iter().enumerate() {
        if k == 0 || compare(row(leader), row(i)).is_ne() {
            leader = i;
        }
        first[i as usize] = leader;
    }
    let mut count = 0;
    for i in 0..n {
        y[i] = match first[i] as usize {
            leader if leader == i => {
                count += 1;
                count - 1
            }
            leader => y[leader],
        };
    }
}
