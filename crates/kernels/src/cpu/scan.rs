//! Running sums. Floats accumulate in float64, float64 with the rounding errors carried along (Neumaier 1974).

use hyperglow_core::{DType, Shape};

use super::element::Element;
use super::exec::{Chosen, Kernel};
use super::pool::SharedSlice;

/// Neighboring lines that a task scans together.
const SCAN_LANES: usize = 64;

/// A running total of elements of type `T`.
trait Total<T>: Copy + Default {
    fn push(&mut self, x: T);
    fn value(&self) -> T;
}

#[derive(Clone, Copy, Default)]
struct Wide(f64);
impl Total<f32> for Wide {
    fn push(&mut self, x: f32) {
        self.0 += f64::from(x);
    }
    fn value(&self) -> f32 {
        self.0 as f32
    }
}

#[derive(Clone, Copy, Default)]
struct Compensated(f64, f64);
impl Total<f64> for Compensated {
    fn push(&mut self, x: f64) {
        let sum = self.0 + x;
        let lost = if self.0.abs() >= x.abs() {
            (self.0 - sum) + x
        } else {
            (x - sum) + self.0
        };
        // A sum that is not finite has no error term.
        self.1 += if sum.is_finite() { lost } else { 0.0 };
        self.0 = sum;
    }
    fn value(&self) -> f64 {
        self.0 + self.1
    }
}

#[derive(Clone, Copy, Default)]
struct Wrapping<T>(T);
macro_rules! wrapping {
    ($($t:ty)*) => {$(
        impl Total<$t> for Wrapping<$t> {
            fn push(&mut self, x: $t) { self.0 = self.0.wrapping_add(x) }
            fn value(&self) -> $t { self.0 }
        }
    )*};
}
wrapping!(i32 i64 u8 u32);

/// The running sum along `axis`, from the end when `reverse`.
pub(crate) fn cumsum(shape: &Shape, axis: usize, dtype: DType, reverse: bool) -> Chosen {
    match dtype {
        DType::F32 => sums::<f32, Wide>(shape, axis, reverse),
        DType::F64 => sums::<f64, Compensated>(shape, axis, reverse),
        DType::I32 => sums::<i32, Wrapping<i32>>(shape, axis, reverse),
        DType::I64 => sums::<i64, Wrapping<i64>>(shape, axis, reverse),
        DType::U32 => sums::<u32, Wrapping<u32>>(shape, axis, reverse),
        DType::U8 | DType::Bool => sums::<u8, Wrapping<u8>>(shape, axis, reverse),
    }
}

fn sums<T: Element, S: Total<T>>(shape: &Shape, axis: usize, reverse: bool) -> Chosen {
    let dims = shape.dims();
    let (outer, extent): (usize, usize) = (dims[..axis].iter().product(), dims[axis]);
    let inner: usize = dims[axis + 1..].iter().product();
    let groups = inner.div_ceil(SCAN_LANES);
    let kernel: Kernel = Box::new(move |args| {
        let (x, out) = (args.input::<T>(0), SharedSlice::new(args.output::<T>()));
        args.pool().run(outer * groups, |_, task| {
            let (o, first) = (task / groups, task % groups * SCAN_LANES);
            let width = SCAN_LANES.min(inner - first);
            let mut totals = [S::default(); SCAN_LANES];
            for step in 0..extent {
                let i = if reverse { extent - 1 - step } else { step };
                let at = (o * extent + i) * inner + first;
                // SAFETY: these lanes of this outer index are one task's.
                let row = unsafe { out.range(at..at + width) };
                for ((total, &x), out) in totals.iter_mut().zip(&x[at..at + width]).zip(row) {
                    total.push(x);
                    *out = total.value();
                }
            }
        });
        Ok(())
    });
    Chosen {
        kernel,
        scratch: 0,
        serial: outer * groups == 1,
    }
}
