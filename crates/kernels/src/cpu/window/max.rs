//! Maxima over windows, and where they are.

use super::{Fold, Windows, by_planes};
use crate::cpu::element::Element;
#[cfg(target_arch = "x86_64")]
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::Kernel;
use crate::cpu::level::{Level, versions};
use crate::cpu::storage::RawBytes;

/// The place of the first maximum; NaN is the largest. Before the first element the place is -1.
pub(super) struct Place;
impl<T: Element> Fold<T> for Place {
    type Out = i32;
    type State<const N: usize> = ([T; N], [i32; N]);
    #[inline(always)]
    fn start<const N: usize>() -> ([T; N], [i32; N]) {
        ([T::LOWEST; N], [-1; N])
    }
    #[inline(always)]
    fn step<const N: usize, const STEP: usize>(
        (best, at): &mut ([T; N], [i32; N]),
        source: &[T],
        place: i32,
    ) {
        for i in 0..N {
            let x = source[i * STEP];
            // Without branches: which tap wins cannot be foreseen.
            let larger = (x > best[i]) | (x.is_nan() & !best[i].is_nan());
            let wins = larger | (at[i] < 0);
            best[i] = if wins { x } else { best[i] };
            at[i] = if wins { place + (i * STEP) as i32 } else { at[i] };
        }
    }
    #[inline(always)]
    fn done<const N: usize>((_, at): ([T; N], [i32; N])) -> [i32; N] {
        at
    }
}

/// The maximum; NaN is the largest.
pub(super) struct Value;
impl<T: Element> Fold<T> for Value {
    type Out = T;
    type State<const N: usize> = [T; N];
    #[inline(always)]
    fn start<const N: usize>() -> [T; N] {
        [T::LOWEST; N]
    }
    #[inline(always)]
    fn step<const N: usize, const STEP: usize>(best: &mut [T; N], source: &[T], _: i32) {
        for (i, best) in best.iter_mut().enumerate() {
            let x = source[i * STEP];
            let wins = (x > *best) | (x.is_nan() & !best.is_nan());
            *best = if wins { x } else { *best };
        }
    }
    #[inline(always)]
    fn done<const N: usize>(best: [T; N]) -> [T; N] {
        best
    }
}

versions! {
    /// The places of the maxima of the windows of some planes.
    fn places[T: Element](windows: &Windows, x: &[T], out: &mut [i32]) {
        let planes = x.chunks_exact(windows.input_size());
        for (x, out) in planes.zip(out.chunks_exact_mut(windows.output_size())) {
            windows.fold::<T, Place>(x, out);
        }
    }
}

versions! {
    /// The maxima of the windows of some planes.
    fn values[T: Element](windows: &Windows, x: &[T], out: &mut [T]) {
        let planes = x.chunks_exact(windows.input_size());
        for (x, out) in planes.zip(out.chunks_exact_mut(windows.output_size())) {
            windows.fold::<T, Value>(x, out);
        }
    }
}

/// What is wanted of the maxima of some planes.
pub(super) enum Wanted<'a, T> {
    Values(&'a mut [T]),
    Places(&'a mut [i32]),
    Both(&'a mut [T], &'a mut [i32]),
}

impl<T: Element> Wanted<'_, T> {
    /// The same of float32, if that is what the elements are.
    #[cfg(target_arch = "x86_64")]
    fn as_f32(&mut self) -> Option<Wanted<'_, f32>> {
        Some(match self {
            Wanted::Values(values) => Wanted::Values(same_mut(values)?),
            Wanted::Places(places) => Wanted::Places(places),
            Wanted::Both(values, places) => Wanted::Both(same_mut(values)?, places),
        })
    }
}

/// Finds the maxima of the windows of some planes.
fn find<T: Element>(level: Level, windows: &Windows, x: &[T], mut wanted: Wanted<'_, T>) {
    #[cfg(target_arch = "x86_64")]
    if let (Some(x), Some(wanted)) = (same(x), wanted.as_f32())
        && super::x86::find(level, windows, x, wanted)
    {
        return;
    }
    match &mut wanted {
        Wanted::Values(out) => values::<T>(level, windows, x, out),
        Wanted::Places(out) => places::<T>(level, windows, x, out),
        Wanted::Both(best, out) => {
            values::<T>(level, windows, x, best);
            places::<T>(level, windows, x, out);
        }
    }
}

/// The flat spatial place of each window's first maximum; NaN is the largest.
pub(crate) fn argmax<T: Element>(windows: Windows) -> Kernel {
    let sizes = (windows.input_size(), windows.output_size());
    by_planes::<T, i32>(windows, sizes, |level, windows, x, out| {
        find(level, windows, x, Wanted::Places(out));
    })
}

/// The maximum of each window; NaN is the largest.
pub(crate) fn max<T: Element>(windows: Windows) -> Kernel {
    let sizes = (windows.input_size(), windows.output_size());
    by_planes::<T, T>(windows, sizes, |level, windows, x, out| {
        find(level, windows, x, Wanted::Values(out));
    })
}

/// Maxima and their places in one pass.
pub(crate) struct Maxima(Box<Run>);

type Run = dyn Fn(Level, [RawBytes; 3]) + Send + Sync;

impl Maxima {
    pub fn new<T: Element>(windows: Windows) -> Maxima {
        Maxima(Box::new(move |level, [x, values, places]| {
            let size = size_of::<T>();
            // SAFETY: as the caller of `run` promises.
            let (x, values, places) = unsafe {
                (
                    std::slice::from_raw_parts(x.start.as_ptr().cast::<T>(), x.len / size),
                    std::slice::from_raw_parts_mut(values.start.as_ptr().cast::<T>(), values.len / size),
                    std::slice::from_raw_parts_mut(places.start.as_ptr().cast::<i32>(), places.len / 4),
                )
            };
            find(level, &windows, x, Wanted::Both(values, places));
        }))
    }

    /// Finds the maxima of some planes.
    ///
    /// # Safety
    /// `x` is readable, `values` and `places` are writable, they are as many planes of the types that the kernel is for,
    /// and nobody else uses the latter two.
    pub unsafe fn run(&self, level: Level, x: RawBytes, values: RawBytes, places: RawBytes) {
        (self.0)(level, [x, values, places]);
    }
}
