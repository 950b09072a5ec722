//! Reducers: elements are combined in lanes of their own type, and lanes in a wider accumulator.

use crate::cpu::element::Element;
use crate::cpu::exec::Plain;
use crate::cpu::level::versions;

/// A reduction of elements of one type. A lane is fast and takes few elements; a wide accumulator takes lanes.
pub(crate) trait Reducer: 'static {
    type Elem: Element + Plain;
    type Lane: Copy;
    type Wide: Plain;
    /// Type of the results.
    type Out: Element;
    /// The identity element, as a lane and as a wide accumulator.
    const LANE_IDENTITY: Self::Lane;
    const WIDE_IDENTITY: Self::Wide;
    fn lane(lane: Self::Lane, x: Self::Elem) -> Self::Lane;
    /// Two lanes as one.
    fn join(a: Self::Lane, b: Self::Lane) -> Self::Lane;
    fn widen(lane: Self::Lane) -> Self::Wide;
    fn merge(a: Self::Wide, b: Self::Wide) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self::Out;
}

/// Sum of float32: lanes are summed in float64.
pub(crate) struct SumF32;
impl Reducer for SumF32 {
    type Elem = f32;
    type Lane = f32;
    type Wide = f64;
    type Out = f32;
    const LANE_IDENTITY: f32 = 0.0;
    const WIDE_IDENTITY: f64 = 0.0;
    #[inline(always)]
    fn lane(lane: f32, x: f32) -> f32 {
        lane + x
    }
    #[inline(always)]
    fn join(a: f32, b: f32) -> f32 {
        a + b
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

/// Sum of float64: lanes are summed with compensation of the rounding errors (Neumaier 1974).
pub(crate) struct SumF64;
impl Reducer for SumF64 {
    type Elem = f64;
    type Lane = f64;
    type Wide = [f64; 2];
    type Out = f64;
    const LANE_IDENTITY: f64 = 0.0;
    const WIDE_IDENTITY: [f64; 2] = [0.0; 2];
    #[inline(always)]
    fn lane(lane: f64, x: f64) -> f64 {
        lane + x
    }
    #[inline(always)]
    fn join(a: f64, b: f64) -> f64 {
        a + b
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
        // An infinite sum has no rounding error.
        [sum, a[1] + b[1] + if sum.is_finite() { lost } else { 0.0 }]
    }
    #[inline(always)]
    fn narrow(wide: [f64; 2]) -> f64 {
        wide[0] + wide[1]
    }
}

/// Sum of integers as int64, wrapping. A lane does not overflow before it is widened.
pub(crate) struct SumInt<T>(std::marker::PhantomData<T>);

macro_rules! sum_int {
    ($($t:ty: $lane:ty;)*) => {$(
        impl Reducer for SumInt<$t> {
            type Elem = $t;
            type Lane = $lane;
            type Wide = i64;
            type Out = i64;
            const LANE_IDENTITY: $lane = 0;
            const WIDE_IDENTITY: i64 = 0;
            #[inline(always)]
            fn lane(lane: $lane, x: $t) -> $lane {
                lane.wrapping_add(<$lane>::from(x))
            }
            #[inline(always)]
            fn join(a: $lane, b: $lane) -> $lane {
                a.wrapping_add(b)
            }
            #[inline(always)]
            fn widen(lane: $lane) -> i64 {
                i64::from(lane)
            }
            #[inline(always)]
            fn merge(a: i64, b: i64) -> i64 {
                a.wrapping_add(b)
            }
            #[inline(always)]
            fn narrow(wide: i64) -> i64 {
                wide
            }
        }
    )*};
}
sum_int! { u8: u32; i32: i64; u32: i64; i64: i64; }

macro_rules! extremum {
    ($(#[$doc:meta])* $name:ident, $identity:ident, $better:tt) => {
        $(#[$doc])*
        pub(crate) struct $name<T>(std::marker::PhantomData<T>);
        impl<T: Element + Plain> Reducer for $name<T> {
            type Elem = T;
            type Lane = T;
            type Wide = T;
            type Out = T;
            const LANE_IDENTITY: T = T::$identity;
            const WIDE_IDENTITY: T = T::$identity;
            #[inline(always)]
            fn lane(lane: T, x: T) -> T {
                if lane $better x || lane.is_nan() { lane } else { x }
            }
            #[inline(always)]
            fn join(a: T, b: T) -> T {
                Self::lane(a, b)
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
    Max, LOWEST, >
}
extremum! {
    /// The smallest; NaN wins.
    Min, HIGHEST, <
}

/// Lanes of a row.
const ROW_LANES: usize = 32;
/// Elements of a row after which lanes are widened: 32 per lane.
const ROW_BLOCK_ELEMENTS: usize = 1024;
/// Rows after which lanes of columns are widened.
const COLUMN_BLOCK_ROWS: usize = 32;
/// Columns of a strip, which are reduced together.
pub(super) const STRIP_COLUMNS: usize = 512;

/// The running reduction of a row that comes in chunks.
pub(super) struct Row<C: Reducer> {
    lanes: [C::Lane; ROW_LANES],
    /// Number of elements in the lanes.
    in_lanes: usize,
    wide: C::Wide,
}

impl<C: Reducer> Row<C> {
    pub fn new() -> Row<C> {
        Row {
            lanes: [C::LANE_IDENTITY; ROW_LANES],
            in_lanes: 0,
            wide: C::WIDE_IDENTITY,
        }
    }

    pub fn total(&self) -> C::Wide {
        C::merge(self.wide, C::widen(join_lanes::<C>(self.lanes)))
    }
}

/// The lanes combined pairwise, by halving.
#[inline(always)]
fn join_lanes<C: Reducer>(mut lanes: [C::Lane; ROW_LANES]) -> C::Lane {
    let mut half = ROW_LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = C::join(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// Adds `x` to the lanes.
#[inline(always)]
fn add_to_lanes<C: Reducer>(x: &[C::Elem], lanes: &mut [C::Lane; ROW_LANES]) {
    // Twice as many lanes hide the latency of additions; the compiler keeps two arrays in registers.
    let mut more = [C::LANE_IDENTITY; ROW_LANES];
    let mut pairs = x.chunks_exact(2 * ROW_LANES);
    for pair in &mut pairs {
        let (first, second) = pair.split_at(ROW_LANES);
        for (lane, &x) in lanes.iter_mut().zip(first) {
            *lane = C::lane(*lane, x);
        }
        for (lane, &x) in more.iter_mut().zip(second) {
            *lane = C::lane(*lane, x);
        }
    }
    let mut chunks = pairs.remainder().chunks_exact(ROW_LANES);
    for chunk in &mut chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = C::lane(*lane, x);
        }
    }
    for (lane, &x) in more.iter_mut().zip(chunks.remainder()) {
        *lane = C::lane(*lane, x);
    }
    for (lane, more) in lanes.iter_mut().zip(more) {
        *lane = C::join(*lane, more);
    }
}

versions! {
    /// Adds `x` to a row.
    pub(super) fn row[C: Reducer](x: &[C::Elem], row: &mut Row<C>) {
        for block in x.chunks(ROW_BLOCK_ELEMENTS) {
            add_to_lanes::<C>(block, &mut row.lanes);
            row.in_lanes += block.len();
            if row.in_lanes >= ROW_BLOCK_ELEMENTS {
                row.wide = C::merge(row.wide, C::widen(join_lanes::<C>(row.lanes)));
                row.lanes = [C::LANE_IDENTITY; ROW_LANES];
                row.in_lanes = 0;
            }
        }
    }
}

versions! {
    /// The results of rows of `len` elements that lie one after the other.
    pub(super) fn rows[C: Reducer](x: &[C::Elem], len: usize, out: &mut [C::Out]) {
        for (x, out) in x.chunks_exact(len).zip(out) {
            let mut wide = C::WIDE_IDENTITY;
            for block in x.chunks(ROW_BLOCK_ELEMENTS) {
                let combined = if block.len() < ROW_LANES {
                    block.iter().fold(C::LANE_IDENTITY, |a, &x| C::lane(a, x))
                } else {
                    let mut lanes = [C::LANE_IDENTITY; ROW_LANES];
                    add_to_lanes::<C>(block, &mut lanes);
                    join_lanes::<C>(lanes)
                };
                wide = C::merge(wide, C::widen(combined));
            }
            *out = C::narrow(wide);
        }
    }
}

/// The running reductions of a strip of columns: a lane and a wide accumulator for each.
pub(super) struct Columns<C: Reducer> {
    lanes: [C::Lane; STRIP_COLUMNS],
    wide: [C::Wide; STRIP_COLUMNS],
    /// Number of columns in use.
    filled: usize,
    /// Number of rows in the lanes.
    rows: usize,
}

impl<C: Reducer> Columns<C> {
    /// The reductions of `filled` empty columns.
    pub fn new(filled: usize) -> Columns<C> {
        Columns {
            filled,
            lanes: [C::LANE_IDENTITY; STRIP_COLUMNS],
            wide: [C::WIDE_IDENTITY; STRIP_COLUMNS],
            rows: 0,
        }
    }

    /// The reduction of columns j, j + `width`, j + 2 `width`, ..
    pub fn total(&self, j: usize, width: usize) -> C::Wide {
        (j..self.filled)
            .step_by(width)
            .fold(C::WIDE_IDENTITY, |a, i| C::merge(a, self.wide[i]))
    }
}

versions! {
    /// Adds `rows` rows to the columns; row r is `x[r * stride..][..width]`.
    pub(super) fn columns[C: Reducer](x: &[C::Elem], rows: usize, stride: usize, width: usize, sums: &mut Columns<C>) {
        for r in 0..rows {
            let row = &x[r * stride..][..width];
            for (lane, &x) in sums.lanes[..width].iter_mut().zip(row) {
                *lane = C::lane(*lane, x);
            }
            sums.rows += 1;
            if sums.rows == COLUMN_BLOCK_ROWS {
                widen::<C>(sums);
            }
        }
    }
}

versions! {
    /// Adds the lanes to the wide accumulators.
    pub(super) fn widen_columns[C: Reducer](sums: &mut Columns<C>) {
        widen::<C>(sums);
    }
}

#[inline(always)]
fn widen<C: Reducer>(sums: &mut Columns<C>) {
    let filled = sums.filled;
    for (wide, lane) in sums.wide[..filled].iter_mut().zip(&mut sums.lanes[..filled]) {
        *wide = C::merge(*wide, C::widen(*lane));
        *lane = C::LANE_IDENTITY;
    }
    sums.rows = 0;
}

versions! {
    /// The position of the first maximum of each row of `len` elements; NaN is the largest.
    pub(super) fn row_argmax[T: Element](x: &[T], len: usize, out: &mut [i32]) {
        for (x, out) in x.chunks_exact(len).zip(out) {
            let mut lanes = [T::LOWEST; ROW_LANES];
            // NaN wins in the lanes too.
            max_into_lanes(x, &mut lanes);
            let largest = lanes.into_iter().fold(T::LOWEST, max_or_nan);
            let found = |&element: &T| element == largest || (element.is_nan() && largest.is_nan());
            let any = |chunk: &[T]| chunk.iter().fold(false, |any, element| any | found(element));
            let start = x.chunks(ROW_LANES).position(any).unwrap_or(0) * ROW_LANES;
            *out = (start + x[start..].iter().position(found).unwrap_or(0)) as i32;
        }
    }
}

#[inline(always)]
fn max_or_nan<T: Element>(a: T, b: T) -> T {
    if a > b || a.is_nan() { a } else { b }
}

#[inline(always)]
fn max_into_lanes<T: Element>(x: &[T], lanes: &mut [T; ROW_LANES]) {
    let mut chunks = x.chunks_exact(ROW_LANES);
    for chunk in &mut chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = max_or_nan(*lane, x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = max_or_nan(*lane, x);
    }
}

versions! {
    /// The position of the first maximum of each column: row r is `x[r * stride..][..out.len()]`.
    pub(super) fn column_argmax[T: Element](x: &[T], rows: usize, stride: usize, out: &mut [i32]) {
        let width = out.len();
        let mut best = [T::LOWEST; STRIP_COLUMNS];
        best[..width].copy_from_slice(&x[..width]);
        out.fill(0);
        for r in 1..rows {
            let row = &x[r * stride..][..width];
            for ((best, at), &x) in best[..width].iter_mut().zip(&mut *out).zip(row) {
                let wins = (x > *best) | (x.is_nan() & !best.is_nan());
                *best = if wins { x } else { *best };
                *at = if wins { r as i32 } else { *at };
            }
        }
    }
}
