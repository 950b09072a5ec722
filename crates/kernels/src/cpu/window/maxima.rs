//! What maxima over windows are made of: the folds of values and of positions, and where they go.

use super::Fold;
use crate::cpu::element::Element;
#[cfg(target_arch = "x86_64")]
use crate::cpu::element::same_mut;

/// The place of the first maximum; NaN is the largest. Before the first element the place is -1.
pub(super) struct ArgMax;
impl<T: Element> Fold<T> for ArgMax {
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
pub(super) struct MaxValue;
impl<T: Element> Fold<T> for MaxValue {
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

/// Results for the maxima of some planes: values, positions or both.
pub(super) enum MaximaOut<'a, T> {
    Values(&'a mut [T]),
    Positions(&'a mut [i32]),
    Both(&'a mut [T], &'a mut [i32]),
}

impl<T: Element> MaximaOut<'_, T> {
    /// The same of float32, if that is what the elements are.
    #[cfg(target_arch = "x86_64")]
    pub fn as_f32(&mut self) -> Option<MaximaOut<'_, f32>> {
        Some(match self {
            MaximaOut::Values(values) => MaximaOut::Values(same_mut(values)?),
            MaximaOut::Positions(places) => MaximaOut::Positions(places),
            MaximaOut::Both(values, places) => MaximaOut::Both(same_mut(values)?, places),
        })
    }
}
