//! How elements are combined: in lanes of the element's own type for a while, then in a wider one.

use crate::cpu::element::Element;
use crate::cpu::exec::Plain;
use crate::cpu::level::versions;

/// A way to combine elements of one type. Lanes are fast and take few elements each; wide values take lanes.
pub(crate) trait Combine: 'static {
    type Elem: Element + Plain;
    type Wide: Plain;
    /// The result of nothing.
    const NOTHING: Self::Elem;
    const WIDE_NOTHING: Self::Wide;
    fn lane(lane: Self::Elem, x: Self::Elem) -> Self::Elem;
    fn widen(lane: Self::Elem) -> Self::Wide;
    fn merge(a: Self::Wide, b: Self::Wide) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self::Elem;
}

/// Sum of float32: lanes are added up in float64.
pub(crate) struct SumF32;
impl Combine for SumF32 {
    type Elem = f32;
    type Wide = f64;
    const NOTHING: f32 = 0.0;
    const WIDE_NOTHING: f64 = 0.0;
    #[inline(always)]
    fn lane(lane: f32, x: f32) -> f32 {
        lane + x
    }
    #[inline(always)]
    fn widen(lane: f32) -> f64 {
        f64::from(lane)
    }
    #[inline(always)]
    fn merge(a: f64, b: f64) -> f64 {
        a + b
    }
    #[inline(always)]
    fn narrow(wide: f64) -> f32 {
        wide as f32
    }
}

/// Sum of float64: the rounding errors of adding lanes up are carried along (Neumaier 1974).
pub(crate) struct SumF64;
impl Combine for SumF64 {
    type Elem = f64;
    type Wide = [f64; 2];
    const NOTHING: f64 = 0.0;
    const WIDE_NOTHING: [f64; 2] = [0.0; 2];
    #[inline(always)]
    fn lane(lane: f64, x: f64) -> f64 {
        lane + x
    }
    #[inline(always)]
    fn widen(lane: f64) -> [f64; 2] {
        [lane, 0.0]
    }
    #[inline(always)]
    fn merge(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
        let sum = a[0] + b[0];
        let lost = if a[0].abs() >= b[0].abs() {
            (a[0] - sum) + b[0]
        } else {
            (b[0] - sum) + a[0]
        };
        // Beyond the finite there is nothing to carry.
        [sum, a[1] + b[1] + if sum.is_finite() { lost } else { 0.0 }]
    }
    #[inline(always)]
    fn narrow(wide: [f64; 2]) -> f64 {
        wide[0] + wide[1]
    }
}

/// Sum of integers, wrapping.
pub(crate) struct Wrapping<T>(std::marker::PhantomData<T>);
impl<T: Element + Plain> Combine for Wrapping<T> {
    type Elem = T;
    type Wide = T;
    const NOTHING: T = T::ZERO;
    const WIDE_NOTHING: T = T::ZERO;
    #[inline(always)]
    fn lane(lane: T, x: T) -> T {
        lane.plus(x)
    }
    #[inline(always)]
    fn widen(lane: T) -> T {
        lane
    }
    #[inline(always)]
    fn merge(a: T, b: T) -> T {
        a.plus(b)
    }
    #[inline(always)]
    fn narrow(wide: T) -> T {
        wide
    }
}

macro_rules! extremum {
    ($(#[$doc:meta])* $name:ident, $nothing:ident, $better:tt) => {
        $(#[$doc])*
        pub(crate) struct $name<T>(std::marker::PhantomData<T>);
        impl<T: Element + Plain> Combine for $name<T> {
            type Elem = T;
            type Wide = T;
            const NOTHING: T = T::$nothing;
            const WIDE_NOTHING: T = T::$nothing;
            #[inline(always)]
            fn lane(lane: T, x: T) -> T {
                if lane $better x || lane.is_nan() { lane } else { x }
            }
            #[inline(always)]
            fn widen(lane: T) -> T {
                lane
            }
            #[inline(always)]
            fn merge(a: T, b: T) -> T {
                Self::lane(a, b)
            }
            #[inline(always)]
            fn narrow(wide: T) -> T {
                wide
            }
        }
    };
}
extremum! {
    /// The largest; NaN wins.
    Largest, LOWEST, >
}
extremum! {
    /// The smallest; NaN wins.
    Smallest, HIGHEST, <
}

/// Lanes of a row.
const LANES: usize = 32;
/// Elements of a row after which lanes are widened: 32 per lane.
const ROW_BLOCK: usize = 1024;
/// Rows after which lanes of columns are widened.
const COLUMN_BLOCK: usize = 32;
/// Columns handled side by side.
pub(super) const WIDTH: usize = 512;

versions! {
    /// All of `x` combined.
    pub(super) fn row[C: Combine](x: &[C::Elem]) -> C::Wide {
        let mut total = C::WIDE_NOTHING;
        for block in x.chunks(ROW_BLOCK) {
            if block.len() < LANES {
                total = C::merge(total, C::widen(block.iter().fold(C::NOTHING, |a, &x| C::lane(a, x))));
                continue;
            }
            let mut lanes = [C::NOTHING; LANES];
            let mut pieces = block.chunks_exact(LANES);
            for piece in &mut pieces {
                for (lane, &x) in lanes.iter_mut().zip(piece) {
                    *lane = C::lane(*lane, x);
                }
            }
            for (lane, &x) in lanes.iter_mut().zip(pieces.remainder()) {
                *lane = C::lane(*lane, x);
            }
            for lane in lanes {
                total = C::merge(total, C::widen(lane));
            }
        }
        total
    }
}

/// Columns being combined: lanes and wide values side by side.
pub(super) struct Columns<C: Combine> {
    lanes: [C::Elem; WIDTH],
    wide: [C::Wide; WIDTH],
    rows: usize,
}

impl<C: Combine> Columns<C> {
    pub fn new() -> Columns<C> {
        Columns {
            lanes: [C::NOTHING; WIDTH],
            wide: [C::WIDE_NOTHING; WIDTH],
            rows: 0,
        }
    }

    /// Column j of the first `width`, with every column that is `width`, 2 `width` .. further on, of `filled`.
    pub fn total(&self, j: usize, width: usize, filled: usize) -> C::Wide {
        (j..filled)
            .step_by(width)
            .fold(C::WIDE_NOTHING, |a, i| C::merge(a, self.wide[i]))
    }
}

versions! {
    /// Adds `rows` rows to the columns; row r is `x[r * stride..][..width]`.
    pub(super) fn columns[C: Combine](x: &[C::Elem], rows: usize, stride: usize, width: usize, sums: &mut Columns<C>) {
        for r in 0..rows {
            let row = &x[r * stride..][..width];
            for (lane, &x) in sums.lanes[..width].iter_mut().zip(row) {
                *lane = C::lane(*lane, x);
            }
            sums.rows += 1;
            if sums.rows == COLUMN_BLOCK {
                widen_columns::<C>(sums);
            }
        }
    }
}

/// Moves the lanes into the wide values.
#[inline(always)]
pub(super) fn widen_columns<C: Combine>(sums: &mut Columns<C>) {
    for (wide, lane) in sums.wide.iter_mut().zip(&mut sums.lanes) {
        *wide = C::merge(*wide, C::widen(*lane));
        *lane = C::NOTHING;
    }
    sums.rows = 0;
}
