//! Distance keys: numbers that grow with the distance, in the dtype of the points, without fused multiply-add and with coordinates
//! in order, so that all levels and algorithms compute the same bits.

use super::lanes::{PointLanes, Real};

/// A key that orders points as their distance does.
pub(super) trait DistanceKey: Copy + Send + Sync + 'static {
    /// The key with one more absolute difference.
    fn add<T: Real>(far: T, difference: T) -> T;
    /// As [`DistanceKey::add`], for vector registers.
    /// # Safety
    /// The processor must have the instructions of `V`.
    unsafe fn add_lanes<V: PointLanes>(far: V, difference: V) -> V;
    /// The distance of a key.
    fn distance<T: Real>(key: T) -> T;
    /// A key near that of `distance`.
    fn near<T: Real>(distance: T) -> T;
}

/// The largest difference.
#[derive(Clone, Copy)]
pub(super) struct Maximum;
/// The sum of squares.
#[derive(Clone, Copy)]
pub(super) struct Euclidean;

impl DistanceKey for Maximum {
    #[inline(always)]
    fn add<T: Real>(far: T, difference: T) -> T {
        if difference > far { difference } else { far }
    }
    #[inline(always)]
    unsafe fn add_lanes<V: PointLanes>(far: V, difference: V) -> V {
        // SAFETY: as the caller promises.
        unsafe { far.max(difference) }
    }
    fn distance<T: Real>(key: T) -> T {
        key
    }
    fn near<T: Real>(distance: T) -> T {
        distance
    }
}
impl DistanceKey for Euclidean {
    #[inline(always)]
    fn add<T: Real>(far: T, difference: T) -> T {
        far.plus(difference * difference)
    }
    #[inline(always)]
    unsafe fn add_lanes<V: PointLanes>(far: V, difference: V) -> V {
        // SAFETY: as the caller promises.
        unsafe { far.plus_square(difference) }
    }
    fn distance<T: Real>(key: T) -> T {
        key.sqrt()
    }
    fn near<T: Real>(distance: T) -> T {
        distance * distance
    }
}

/// The key of two points of any numbers; NaN if a difference is NaN.
pub(super) fn between<T: Real, M: DistanceKey>(a: &[T], b: &[T]) -> T {
    let mut far = T::ZERO;
    let mut lost = false;
    for (&a, &b) in a.iter().zip(b) {
        let difference = (a - b).abs();
        lost |= difference.is_nan();
        far = M::add(far, difference);
    }
    if lost { T::from_f64(f64::NAN) } else { far }
}

/// The largest key whose distance is within `radius`; `None` if 0 is not. A distance is the rounded root of a key, so the search
/// steps from the squared radius to the key, some units in the last place away.
pub(super) fn limit<T: Real, M: DistanceKey>(radius: T, closed: bool) -> Option<T> {
    let within = |key: T| {
        let distance = M::distance(key);
        distance < radius || (closed && distance == radius)
    };
    if !within(T::ZERO) {
        return None;
    }
    let guess = M::near(radius);
    let mut key = if guess <= T::LARGEST { guess } else { T::LARGEST };
    while !within(key) {
        key = key.next_down();
    }
    while key < T::LARGEST && within(key.next_up()) {
        key = key.next_up();
    }
    Some(key)
}

/// Whether all keys of the points (n, d) are finite.
pub(super) fn is_finite_everywhere<T: Real, M: DistanceKey>(x: &[T], d: usize) -> bool {
    let mut far = T::ZERO;
    for c in 0..d {
        let (mut low, mut high, mut finite) = (T::HIGHEST, T::LOWEST, true);
        for &v in x[c..].iter().step_by(d) {
            finite &= v.is_finite();
            low = if v < low { v } else { low };
            high = if v > high { v } else { high };
        }
        if !finite {
            return false;
        }
        far = M::add(far, (high - low).abs());
    }
    far <= T::LARGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_last_measure_within_the_radius() {
        let mut radius = 1e-3_f64;
        while radius < 1e3 {
            for closed in [false, true] {
                let last = limit::<f64, Euclidean>(radius, closed).expect("0 is within");
                let within = |m: f64| m.sqrt() < radius || (closed && m.sqrt() == radius);
                assert!(within(last) && !within(last.next_up()), "{radius} {closed}");
            }
            radius *= 1.037;
        }
    }

    #[test]
    fn radii_that_hold_nothing_or_everything() {
        assert_eq!(limit::<f32, Maximum>(0.0, false), None);
        assert_eq!(limit::<f32, Euclidean>(0.0, true), Some(0.0));
        assert_eq!(limit::<f32, Maximum>(-1.0, true), None);
        assert_eq!(limit::<f64, Maximum>(f64::NAN, true), None);
        assert_eq!(limit::<f64, Euclidean>(f64::INFINITY, false), Some(f64::MAX));
    }

    #[test]
    fn points_that_need_care() {
        assert!(is_finite_everywhere::<f32, Euclidean>(&[1.0, -2.0, 3.0, 4.0], 2));
        assert!(!is_finite_everywhere::<f32, Maximum>(&[1.0, f32::NAN], 1));
        assert!(!is_finite_everywhere::<f32, Maximum>(&[3e38, -3e38], 1));
        assert!(!is_finite_everywhere::<f32, Euclidean>(&[1e20, 0.0], 1));
    }
}
