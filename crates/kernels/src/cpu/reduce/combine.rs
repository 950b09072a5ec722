//! How elements are combined: in lanes of the element's own type for a while, then in a wider one.

use crate::cpu::element::Element;
use crate::cpu::exec::Plain;
use crate::cpu::level::versions;

/// A way to combine elements of one type. Lanes are fast and take few elements each; wide values take lanes.
pub(crate) trait Combine: 'static {
    type Elem: Element + Plain;
    type Lane: Copy;
    type Wide: Plain;
    /// What the results are.
    type Out: Element;
    /// A lane of nothing.
    const NOTHING: Self::Lane;
    const WIDE_NOTHING: Self::Wide;
    fn lane(lane: Self::Lane, x: Self::Elem) -> Self::Lane;
    /// Two lanes as one.
    fn join(a: Self::Lane, b: Self::Lane) -> Self::Lane;
    fn widen(lane: Self::Lane) -> Self::Wide;
    fn merge(a: Self::Wide, b: Self::Wide) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self::Out;
}

/// Sum of float32: lanes are added up in float64.
pub(crate) struct SumF32;
impl Combine for SumF32 {
    type Elem = f32;
    type Lane = f32;
    type Wide = f64;
    type Out = f32;
    const NOTHING: f32 = 0.0;
    const WIDE_NOTHING: f64 = 0.0;
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

/// Sum of float64: the rounding errors of adding lanes up are carried along (Neumaier 1974).
pub(crate) struct SumF64;
impl Combine for SumF64 {
    type Elem = f64;
    type Lane = f64;
    type Wide = [f64; 2];
    type Out = f64;
    const NOTHING: f64 = 0.0;
    const WIDE_NOTHING: [f64; 2] = [0.0; 2];
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
        // Beyond the finite there is nothing to carry.
        [sum, a[1] + b[1] + if sum.is_finite() { lost } else { 0.0 }]
    }
    #[inline(always)]
    fn narrow(wide: [f64; 2]) -> f64 {
        wide[0] + wide[1]
    }
}

/// Sum of integers as int64, wrapping. A lane holds the sum of so many elements as it gets before lanes are widened.
pub(crate) struct Total<T>(std::marker::PhantomData<T>);

macro_rules! total {
    ($($t:ty: $lane:ty;)*) => {$(
        impl Combine for Total<$t> {
            type Elem = $t;
            type Lane = $lane;
            type Wide = i64;
            type Out = i64;
            const NOTHING: $lane = 0;
            const WIDE_NOTHING: i64 = 0;
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
total! { u8: u32; i32: i64; u32: i64; i64: i64; }

macro_rules! extremum {
    ($(#[$doc:meta])* $name:ident, $nothing:ident, $better:tt) => {
        $(#[$doc])*
        pub(crate) struct $name<T>(std::marker::PhantomData<T>);
        impl<T: Element + Plain> Combine for $name<T> {
            type Elem = T;
            type Lane = T;
            type Wide = T;
            type Out = T;
            const NOTHING: T = T::$nothing;
            const WIDE_NOTHING: T = T::$nothing;
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
    Largest, LOWEST, >
}
extremum! {
    /// The smallest; NaN wins.
    Smallest, HIGHEST, <
}

/// Lanes of a row.
const LANES: usize = 32;
/// Elements of a row after which lanes are widened: 32 per lane.
const ROW_BLOCK_ELEMENTS: usize = 1024;
/// Rows after which lanes of columns are widened.
const COLUMN_BLOCK_ROWS: usize = 32;
/// Columns handled side by side.
pub(super) const STRIP_COLUMNS: usize = 512;

/// A row being combined, of which pieces come one after the other.
pub(super) struct Row<C: Combine> {
    lanes: [C::Lane; LANES],
    /// Elements in the lanes.
    taken: usize,
    wide: C::Wide,
}

impl<C: Combine> Row<C> {
    pub fn new() -> Row<C> {
        Row {
            lanes: [C::NOTHING; LANES],
            taken: 0,
            wide: C::WIDE_NOTHING,
        }
    }

    pub fn total(&self) -> C::Wide {
        C::merge(self.wide, C::widen(together::<C>(self.lanes)))
    }
}

/// The lanes combined: halves, until one is left.
#[inline(always)]
fn together<C: Combine>(mut lanes: [C::Lane; LANES]) -> C::Lane {
    let mut half = LANES / 2;
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
fn into_lanes<C: Combine>(x: &[C::Elem], lanes: &mut [C::Lane; LANES]) {
    // Twice as many, so that one operation need not wait for another; in two arrays, which the compiler keeps in
    // registers.
    let mut more = [C::NOTHING; LANES];
    let mut pairs = x.chunks_exact(2 * LANES);
    for pair in &mut pairs {
        let (first, second) = pair.split_at(LANES);
        for (lane, &x) in lanes.iter_mut().zip(first) {
            *lane = C::lane(*lane, x);
        }
        for (lane, &x) in more.iter_mut().zip(second) {
            *lane = C::lane(*lane, x);
        }
    }
    let mut pieces = pairs.remainder().chunks_exact(LANES);
    for piece in &mut pieces {
        for (lane, &x) in lanes.iter_mut().zip(piece) {
            *lane = C::lane(*lane, x);
        }
    }
    for (lane, &x) in more.iter_mut().zip(pieces.remainder()) {
        *lane = C::lane(*lane, x);
    }
    for (lane, more) in lanes.iter_mut().zip(more) {
        *lane = C::join(*lane, more);
    }
}

versions! {
    /// Adds `x` to a row.
    pub(super) fn row[C: Combine](x: &[C::Elem], row: &mut Row<C>) {
        for block in x.chunks(ROW_BLOCK_ELEMENTS) {
            into_lanes::<C>(block, &mut row.lanes);
            row.taken += block.len();
            if row.taken >= ROW_BLOCK_ELEMENTS {
                row.wide = C::merge(row.wide, C::widen(together::<C>(row.lanes)));
                row.lanes = [C::NOTHING; LANES];
                row.taken = 0;
            }
        }
    }
}

versions! {
    /// The results of rows of `len` elements that lie one after the other.
    pub(super) fn rows[C: Combine](x: &[C::Elem], len: usize, out: &mut [C::Out]) {
        for (x, out) in x.chunks_exact(len).zip(out) {
            let mut wide = C::WIDE_NOTHING;
            for block in x.chunks(ROW_BLOCK_ELEMENTS) {
                let combined = if block.len() < LANES {
                    block.iter().fold(C::NOTHING, |a, &x| C::lane(a, x))
                } else {
                    let mut lanes = [C::NOTHING; LANES];
                    into_lanes::<C>(block, &mut lanes);
                    together::<C>(lanes)
                };
                wide = C::merge(wide, C::widen(combined));
            }
            *out = C::narrow(wide);
        }
    }
}

/// Columns being combined: lanes and wide values side by side.
pub(super) struct Columns<C: Combine> {
    lanes: [C::Lane; STRIP_COLUMNS],
    wide: [C::Wide; STRIP_COLUMNS],
    /// Columns in use.
    filled: usize,
    rows: usize,
}

impl<C: Combine> Columns<C> {
    /// The first `filled` columns.
    pub fn new(filled: usize) -> Columns<C> {
        Columns {
            filled,
            lanes: [C::NOTHING; STRIP_COLUMNS],
            wide: [C::WIDE_NOTHING; STRIP_COLUMNS],
            rows: 0,
        }
    }

    /// Column j of the first `width`, with every column that is `width`, 2 `width` .. further on.
    pub fn total(&self, j: usize, width: usize) -> C::Wide {
        (j..self.filled)
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
            if sums.rows == COLUMN_BLOCK_ROWS {
                widen::<C>(sums);
            }
        }
    }
}

versions! {
    /// Moves the lanes into the wide values.
    pub(super) fn widen_columns[C: Combine](sums: &mut Columns<C>) {
        widen::<C>(sums);
    }
}

#[inline(always)]
fn widen<C: Combine>(sums: &mut Columns<C>) {
    let filled = sums.filled;
    for (wide, lane) in sums.wide[..filled].iter_mut().zip(&mut sums.lanes[..filled]) {
        *wide = C::merge(*wide, C::widen(*lane));
        *lane = C::NOTHING;
    }
    sums.rows = 0;
}

versions! {
    /// The position of the first maximum of each row of `len` elements; NaN is the largest.
    pub(super) fn row_positions[T: Element](x: &[T], len: usize, out: &mut [i32]) {
        for (x, out) in x.chunks_exact(len).zip(out) {
            let mut lanes = [T::LOWEST; LANES];
            // NaN wins in the lanes as it does in the end.
            into_lanes_of(x, &mut lanes);
            let largest = lanes.into_iter().fold(T::LOWEST, larger);
            let found = |&element: &T| element == largest || (element.is_nan() && largest.is_nan());
            let any = |piece: &[T]| piece.iter().fold(false, |any, element| any | found(element));
            let start = x.chunks(LANES).position(any).unwrap_or(0) * LANES;
            *out = (start + x[start..].iter().position(found).unwrap_or(0)) as i32;
        }
    }
}

#[inline(always)]
fn larger<T: Element>(a: T, b: T) -> T {
    if a > b || a.is_nan() { a } else { b }
}

#[inline(always)]
fn into_lanes_of<T: Element>(x: &[T], lanes: &mut [T; LANES]) {
    let mut pieces = x.chunks_exact(LANES);
    for piece in &mut pieces {
        for (lane, &x) in lanes.iter_mut().zip(piece) {
            *lane = larger(*lane, x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(pieces.remainder()) {
        *lane = larger(*lane, x);
    }
}

versions! {
    /// The position of the first maximum of each column: row r is `x[r * stride..][..out.len()]`.
    pub(super) fn column_positions[T: Element](x: &[T], rows: usize, stride: usize, out: &mut [i32]) {
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
