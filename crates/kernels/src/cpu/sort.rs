//! Sorting: elements become integers of the same order with their position in the low bits, so that an
//! unstable sort in place is stable, and NaN and -0 need no special case. NaN is the largest; -0 equals 0.

use hyperglow_core::op::Spec;
use hyperglow_core::{DType, Shape};

use super::element::Element;
use super::exec::{Chosen, Plain, scratch_bytes};
use super::pool::SharedSlice;

/// An element with its position.
pub(crate) trait Keyed: Element {
    type Key: Ord + Plain;
    fn key(self, position: usize, descending: bool) -> Self::Key;
    fn position(key: Self::Key) -> i32;
}

macro_rules! keyed {
    ($($t:ty: $bits:ty, $key:ty, |$x:ident| $rank:expr;)*) => {$(
        impl Keyed for $t {
            type Key = $key;
            fn key(self, position: usize, descending: bool) -> $key {
                let $x = self;
                let rank: $bits = $rank;
                let rank = if descending { !rank } else { rank };
                <$key>::from(rank) << 32 | position as $key
            }
            fn position(key: $key) -> i32 { key as u32 as i32 }
        }
    )*};
}
keyed! {
    f32: u32, u64, |x| if f32::is_nan(x) { u32::MAX } else {
        let bits = (x + 0.0).to_bits();
        if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
    };
    f64: u64, u128, |x| if f64::is_nan(x) { u64::MAX } else {
        let bits = (x + 0.0).to_bits();
        if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
    };
    i32: u32, u64, |x| x as u32 ^ 1 << 31;
    u32: u32, u64, |x| x;
    u8: u32, u64, |x| u32::from(x);
    i64: u64, u128, |x| x as u64 ^ 1 << 63;
}

/// Positions in the stable order along `axis`.
pub(crate) fn argsort(x: &Spec, axis: usize, descending: bool, threads: usize) -> Chosen {
    order(x, axis, x.shape[axis], descending, threads)
}

/// Positions of the `k` largest or smallest along `axis`, in order.
pub(crate) fn top_k(x: &Spec, axis: usize, k: usize, largest: bool, threads: usize) -> Chosen {
    order(x, axis, k, largest, threads)
}

fn order(x: &Spec, axis: usize, k: usize, descending: bool, threads: usize) -> Chosen {
    let shape = &x.shape;
    match x.dtype {
        DType::F32 => order_of::<f32>(shape, axis, k, descending, threads),
        DType::F64 => order_of::<f64>(shape, axis, k, descending, threads),
        DType::I32 => order_of::<i32>(shape, axis, k, descending, threads),
        DType::I64 => order_of::<i64>(shape, axis, k, descending, threads),
        DType::U32 => order_of::<u32>(shape, axis, k, descending, threads),
        DType::U8 | DType::Bool => order_of::<u8>(shape, axis, k, descending, threads),
    }
}

fn order_of<T: Keyed>(shape: &Shape, axis: usize, k: usize, descending: bool, threads: usize) -> Chosen {
    let dims = shape.dims();
    let (outer, extent): (usize, usize) = (dims[..axis].iter().product(), dims[axis]);
    let inner: usize = dims[axis + 1..].iter().product();
    Chosen {
        scratch: scratch_bytes::<T::Key>(extent * threads),
        serial: outer * inner == 1,
        kernel: Box::new(move |args| {
            let x = args.input::<T>(0);
            let keys = args.worker_scratch::<T::Key>(extent);
            let out = SharedSlice::new(args.output::<i32>());
            if k == 0 {
                return Ok(());
            }
            let together = (4096 / extent.max(1)).max(1);
            args.pool().ranges(outer * inner, together, |worker, lanes| {
                // SAFETY: the worker's own keys.
                let keys = unsafe { keys.of(worker) };
                for lane in lanes {
                    let (o, i) = (lane / inner, lane % inner);
                    for (position, key) in keys.iter_mut().enumerate() {
                        *key = x[(o * extent + position) * inner + i].key(position, descending);
                    }
                    if k < extent {
                        keys.select_nth_unstable(k - 1);
                    }
                    keys[..k].sort_unstable();
                    for (rank, &key) in keys[..k].iter().enumerate() {
                        let at = (o * k + rank) * inner + i;
                        // SAFETY: this lane is one task's.
                        let element = unsafe { out.range(at..at + 1) };
                        element[0] = T::position(key);
                    }
                }
            });
            Ok(())
        }),
    }
}
