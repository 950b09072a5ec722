//! Reductions of windows to maxima and to their positions, and the outputs.

use super::Fold;
use crate::cpu::element::Element;
#[cfg(target_arch = "x86_64")]
use crate::cpu::element::same_mut;

/// The position of the first maximum; NaN is the largest. Before the first element the position is -1.
pub(super) struct ArgMax;
impl<T: Element> Fold<T> for ArgMax {
    type Out = i32;
    type State<const N: usize> = ([T; N], [i32; N]);
    #[inline(always)]
    fn start<const N: usize>() -> ([T; N], [i32; N]) {
        ([T::LOWEST; N], [-1; N])
    }
    #[inline(always)]
    fn step<const N: usize, const STRIDE: usize>(
        (best, at): &mut ([T; N], [i32; N]),
        source: &[T],
        position: i32,
    ) {
        for i in 0..N {
            let x = source[i * STRIDE];
            // Without branches, which would be unpredictable.
            let larger = (x > best[i]) | (x.is_nan() & !best[i].is_nan());
            let wins = larger | (at[i] < 0);
            best[i] = if wins { x } else { best[i] };
            at[i] = if wins {
                position + (i * STRIDE) as i32
            } else {
                at[i]
            };
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
    fn step<const N: usize, const STRIDE: usize>(best: &mut [T; N], source: &[T], _: i32) {
        for (i, best) in best.iter_mut().enumerate() {
            let x = source[i * STRIDE];
            let wins = (x > *best) | (x.is_nan() & !best.is_nan());
            *best = if wins { x } else { *best };
        }
    }
    #[inline(always)]
    fn done<const N: usize>(best: [T; N]) -> [T; N] {
        best
    }
}

/// Outputs for the maxima of some planes: values, positions or both.
pub(super) enum MaximaOut<'a, T> {
    Values(&'a mut [T]),
    Positions(&'a mut [i32]),
    Both(&'a mut [T], &'a mut [i32]),
}

impl<T: Element> MaximaOut<'_, T> {
    /// The same outputs, if the elements are float32.
    #[cfg(target_arch = "x86_64")]
    pub fn as_f32(&mut self) -> Option<MaximaOut<'_, f32>> {
        Some(match self {
            MaximaOut::Values(values) => MaximaOut::Values(same_mut(values)?),
            MaximaOut::Positions(positions) => MaximaOut::Positions(positions),
            MaximaOut::Both(values, positions) => MaximaOut::Both(same_mut(values)?, positions),
        })
    }
}
