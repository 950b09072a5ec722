//! Maxima over windows, and their positions.

use super::maxima::{ArgMax, MaxValue, MaximaOut};
use super::{Windows, plane_kernel};
use crate::cpu::element::Element;
#[cfg(target_arch = "x86_64")]
use crate::cpu::element::same;
use crate::cpu::exec::Kernel;
use crate::cpu::level::{Level, versions};
use crate::cpu::storage::RawBytes;

versions! {
    /// The positions of the maxima of the windows of some planes.
    fn positions[T: Element](windows: &Windows, x: &[T], out: &mut [i32]) {
        let planes = x.chunks_exact(windows.input_size());
        for (x, out) in planes.zip(out.chunks_exact_mut(windows.output_size())) {
            windows.fold::<T, ArgMax>(x, out);
        }
    }
}

versions! {
    /// The maxima of the windows of some planes.
    fn values[T: Element](windows: &Windows, x: &[T], out: &mut [T]) {
        let planes = x.chunks_exact(windows.input_size());
        for (x, out) in planes.zip(out.chunks_exact_mut(windows.output_size())) {
            windows.fold::<T, MaxValue>(x, out);
        }
    }
}

/// Finds the maxima of the windows of some planes.
fn find<T: Element>(level: Level, windows: &Windows, x: &[T], mut wanted: MaximaOut<'_, T>) {
    #[cfg(target_arch = "x86_64")]
    if let (Some(x), Some(wanted)) = (same(x), wanted.as_f32())
        && super::x86::find(level, windows, x, wanted)
    {
        return;
    }
    match &mut wanted {
        MaximaOut::Values(out) => values::<T>(level, windows, x, out),
        MaximaOut::Positions(out) => positions::<T>(level, windows, x, out),
        MaximaOut::Both(best, out) => {
            values::<T>(level, windows, x, best);
            positions::<T>(level, windows, x, out);
        }
    }
}

/// The flat spatial position of each window's first maximum; NaN is the largest.
pub(crate) fn argmax<T: Element>(windows: Windows) -> Kernel {
    let sizes = (windows.input_size(), windows.output_size());
    plane_kernel::<T, i32>(windows, sizes, |level, windows, x, out| {
        find(level, windows, x, MaximaOut::Positions(out));
    })
}

/// The maximum of each window; NaN is the largest.
pub(crate) fn max<T: Element>(windows: Windows) -> Kernel {
    let sizes = (windows.input_size(), windows.output_size());
    plane_kernel::<T, T>(windows, sizes, |level, windows, x, out| {
        find(level, windows, x, MaximaOut::Values(out));
    })
}

/// Maxima and their positions in one pass.
pub(crate) struct Maxima(Box<Run>);

type Run = dyn Fn(Level, [RawBytes; 3]) + Send + Sync;

impl Maxima {
    pub fn new<T: Element>(windows: Windows) -> Maxima {
        Maxima(Box::new(move |level, [x, values, positions]| {
            let size = size_of::<T>();
            // SAFETY: as the caller of `run` promises.
            let (x, values, positions) = unsafe {
                (
                    std::slice::from_raw_parts(x.start.as_ptr().cast::<T>(), x.len / size),
                    std::slice::from_raw_parts_mut(values.start.as_ptr().cast::<T>(), values.len / size),
                    std::slice::from_raw_parts_mut(positions.start.as_ptr().cast::<i32>(), positions.len / 4),
                )
            };
            find(level, &windows, x, MaximaOut::Both(values, positions));
        }))
    }

    /// Finds the maxima of some planes.
    ///
    /// # Safety
    /// `x` is readable, `values` and `positions` are writable and not aliased, and all have the same number of planes, in the
    /// kernel's dtype and int32.
    pub unsafe fn run(&self, level: Level, x: RawBytes, values: RawBytes, positions: RawBytes) {
        (self.0)(level, [x, values, positions]);
    }
}
