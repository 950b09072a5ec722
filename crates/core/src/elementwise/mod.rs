//! THE table of elementwise operations: name, definition, derivative and the domain on which tests sample it, one row per
//! operation. The reference interpreter, the gradient checks, fusion and the documentation all read these rows. Backends have
//! arithmetic of their own, as fast as they can, and are tested against the definition.
//!
//! A derivative row is a vector-Jacobian product: given the builder `b`, the cotangent `dy`, the
//! inputs and the output `y`, it builds the cotangents of the inputs. `None` means zero everywhere.
//!
//! A cotangent meets a derivative in `pass` and `pass_div` alone, not in `mul` and `div`: what gets no gradient passes none
//! on, even where its derivative is infinite or NaN, as in the branch that `where` does not take. Their products are
//! operations of their own (`gatedMul`, `gatedDiv`, `mutualMul`), closed under differentiation: a selection by `dy = 0`
//! would lose the second derivative there.

mod formula;

pub use formula::Formula;
use formula::{extremum_vjp, pow_vjp};

use crate::special::{self, Real};

macro_rules! unary_table {
    ($($(#[$doc:meta])* $op:ident $name:literal: |$x:ident| $float:expr,
        vjp |$b:ident, $dy:ident, $vx:ident, $vy:ident| $vjp:expr, on $lo:literal to $hi:literal;)*) => {
        /// Operations of one argument on float32 and float64.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum UnaryOp { $($(#[$doc])* $op,)* }

        impl UnaryOp {
            /// Every operation, in the order of its code.
            pub const ALL: &'static [UnaryOp] = &[$(UnaryOp::$op,)*];
            /// The name in TypeScript.
            pub const fn name(self) -> &'static str { match self { $(UnaryOp::$op => $name,)* } }
            /// The interval from which tests draw arguments.
            pub const fn domain(self) -> (f64, f64) { match self { $(UnaryOp::$op => ($lo, $hi),)* } }
            /// The value at `x`.
            #[inline(always)]
            pub fn at_f32(self, at: f32) -> f32 { match self { $(UnaryOp::$op => { let $x = at; $float })* } }
            /// The value at `x`.
            #[inline(always)]
            pub fn at_f64(self, at: f64) -> f64 { match self { $(UnaryOp::$op => { let $x = at; $float })* } }
            /// The cotangent of `x` when that of `y = op(x)` is `dy`.
            pub(crate) fn vjp<B: Formula>(self, build: &mut B, out: B::Value, a: B::Value, r: B::Value) -> Option<B::Value> {
                match self { $(UnaryOp::$op => {
                    let ($b, $dy, $vx, $vy) = (build, out, a, r);
                    let _ = (&$b, $dy, $vx, $vy);
                    $vjp
                })* }
            }
        }
    };
}

unary_table! {
    /// -x
    Neg "neg": |x| -x, vjp |b, dy, x, y| Some(b.neg(dy)), on -4.0 to 4.0;
    /// |x|; the derivative at 0 is 0
    Abs "abs": |x| x.abs(),
        vjp |b, dy, x, y| { let s = b.unary(UnaryOp::Sign, x); Some(b.pass(dy, s)) }, on 0.25 to 4.0;
    /// -1, 0 or 1
    Sign "sign": |x| if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { x }, vjp |b, dy, x, y| None, on 0.25 to 4.0;
    /// e^x
    Exp "exp": |x| x.exp(), vjp |b, dy, x, y| Some(b.pass(dy, y)), on -3.0 to 3.0;
    /// e^x - 1, exact near 0
    Expm1 "expm1": |x| x.exp_m1(),
        vjp |b, dy, x, y| { let e = b.add_scalar(y, 1.0); Some(b.pass(dy, e)) }, on -3.0 to 3.0;
    /// natural logarithm
    Log "log": |x| x.ln(), vjp |b, dy, x, y| Some(b.pass_div(dy, x)), on 0.25 to 4.0;
    /// ln(1 + x), exact near 0
    Log1p "log1p": |x| x.ln_1p(),
        vjp |b, dy, x, y| { let d = b.add_scalar(x, 1.0); Some(b.pass_div(dy, d)) }, on -0.75 to 4.0;
    /// square root
    Sqrt "sqrt": |x| x.sqrt(),
        vjp |b, dy, x, y| { let d = b.mul_scalar(y, 2.0); Some(b.pass_div(dy, d)) }, on 0.25 to 4.0;
    /// 1 / sqrt(x)
    Rsqrt "rsqrt": |x| 1.0 / x.sqrt(),
        vjp |b, dy, x, y| { let d = b.div(y, x); let d = b.mul_scalar(d, -0.5); Some(b.pass(dy, d)) }, on 0.25 to 4.0;
    /// sine, radians
    Sin "sin": |x| x.sin(),
        vjp |b, dy, x, y| { let c = b.unary(UnaryOp::Cos, x); Some(b.pass(dy, c)) }, on -4.0 to 4.0;
    /// cosine, radians
    Cos "cos": |x| x.cos(),
        vjp |b, dy, x, y| { let s = b.unary(UnaryOp::Sin, x); let s = b.neg(s); Some(b.pass(dy, s)) }, on -4.0 to 4.0;
    /// hyperbolic tangent; d/dx = 1 - y^2
    Tanh "tanh": |x| x.tanh(),
        vjp |b, dy, x, y| { let yy = b.mul(y, y); let d = b.one_minus(yy); Some(b.pass(dy, d)) }, on -3.0 to 3.0;
    /// 1 / (1 + e^-x); d/dx = y (1 - y)
    Sigmoid "sigmoid": |x| if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { let e = x.exp(); e / (1.0 + e) },
        vjp |b, dy, x, y| { let d = b.one_minus(y); let d = b.mul(y, d); Some(b.pass(dy, d)) }, on -4.0 to 4.0;
    /// ln(1 + e^x) without overflow; d/dx = sigmoid(x)
    Softplus "softplus": |x| x.max(0.0) + (-x.abs()).exp().ln_1p(),
        vjp |b, dy, x, y| { let s = b.unary(UnaryOp::Sigmoid, x); Some(b.pass(dy, s)) }, on -4.0 to 4.0;
    /// max(x, 0); the derivative at 0 is 0
    Relu "relu": |x| if x < 0.0 { 0.0 } else { x },
        vjp |b, dy, x, y| { let zero = b.scalar_like(0.0, y); let on = b.binary(BinaryOp::Less, zero, y); let z = b.scalar_like(0.0, dy); Some(b.select(on, dy, z)) }, on 0.25 to 4.0;
    /// the error function
    Erf "erf": |x| Real::erf(x),
        vjp |b, dy, x, y| {
            let xx = b.mul(x, x);
            let e = b.neg(xx);
            let e = b.unary(UnaryOp::Exp, e);
            let d = b.mul_scalar(e, std::f64::consts::FRAC_2_SQRT_PI);
            Some(b.pass(dy, d))
        }, on -2.0 to 2.0;
    /// 1 / x
    Recip "reciprocal": |x| 1.0 / x,
        vjp |b, dy, x, y| { let d = b.mul(y, y); let d = b.neg(d); Some(b.pass(dy, d)) }, on 0.25 to 4.0;
    /// the largest integer not above x
    Floor "floor": |x| x.floor(), vjp |b, dy, x, y| None, on 0.125 to 0.875;
    /// the smallest integer not below x
    Ceil "ceil": |x| x.ceil(), vjp |b, dy, x, y| None, on 0.125 to 0.875;
    /// the nearest integer, halves to even
    Round "round": |x| x.round_ties_even(), vjp |b, dy, x, y| None, on 0.0625 to 0.375;
    /// ln |gamma(x)|
    Lgamma "lgamma": |x| Real::lgamma(x),
        vjp |b, dy, x, y| { let d = b.polygamma(0.0, x); Some(b.pass(dy, d)) }, on 0.5 to 4.0;
}

macro_rules! binary_table {
    (
        arithmetic { $($(#[$doc:meta])* $op:ident $name:literal: |$x:ident, $y:ident| float $float:expr $(, int $int:expr)?,
            vjp |$b:ident, $dz:ident, $vx:ident, $vy:ident, $vz:ident| $vjp:expr, on $lo:literal to $hi:literal;)* }
        comparison { $($(#[$cdoc:meta])* $cop:ident $cname:literal: |$cx:ident, $cy:ident| $cbody:expr;)* }
    ) => {
        /// Operations of two arguments of one dtype and shape.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum BinaryOp { $($(#[$doc])* $op,)* $($(#[$cdoc])* $cop,)* }

        impl BinaryOp {
            /// Every operation, in the order of its code.
            pub const ALL: &'static [BinaryOp] = &[$(BinaryOp::$op,)* $(BinaryOp::$cop,)*];
            /// The name in TypeScript.
            pub const fn name(self) -> &'static str {
                match self { $(BinaryOp::$op => $name,)* $(BinaryOp::$cop => $cname,)* }
            }
            /// True for the operations that inference allows on floats only.
            pub const fn is_of_floats(self) -> bool {
                match self {
                    $(BinaryOp::$op => { let on_integers: &[&str] = &[$(stringify!($int))?]; on_integers.is_empty() })*
                    $(BinaryOp::$cop => false,)*
                }
            }
            /// The interval from which tests draw both arguments.
            pub const fn domain(self) -> (f64, f64) {
                match self { $(BinaryOp::$op => ($lo, $hi),)* $(BinaryOp::$cop => (-4.0, 4.0),)* }
            }
            /// True when the result is a truth value.
            pub const fn is_compare(self) -> bool {
                match self { $(BinaryOp::$op => false,)* $(BinaryOp::$cop => true,)* }
            }
            /// The value at `x` and `y`; comparisons give 0 or 1.
            #[inline(always)]
            pub fn at_f32(self, a: f32, b: f32) -> f32 {
                match self {
                    $(BinaryOp::$op => { let ($x, $y) = (a, b); $float })*
                    $(BinaryOp::$cop => { let ($cx, $cy) = (a, b); f32::from(u8::from($cbody)) })*
                }
            }
            /// The value at `x` and `y`; comparisons give 0 or 1.
            #[inline(always)]
            pub fn at_f64(self, a: f64, b: f64) -> f64 {
                match self {
                    $(BinaryOp::$op => { let ($x, $y) = (a, b); $float })*
                    $(BinaryOp::$cop => { let ($cx, $cy) = (a, b); f64::from(u8::from($cbody)) })*
                }
            }
            /// The value at integers of any type widened to i64; comparisons give 0 or 1.
            #[inline(always)]
            pub fn at_i64(self, a: i64, b: i64) -> i64 {
                match self {
                    $(BinaryOp::$op => { let ($x, $y) = (a, b); let _ = ($x, $y); of_column([$($int)?]) })*
                    $(BinaryOp::$cop => { let ($cx, $cy) = (a, b); i64::from($cbody) })*
                }
            }
            /// The cotangents of `x` and `y` when that of `z = op(x, y)` is `dz`.
            pub(crate) fn vjp<B: Formula>(
                self, build: &mut B, out: B::Value, a: B::Value, c: B::Value, r: B::Value,
            ) -> [Option<B::Value>; 2] {
                match self {
                    $(BinaryOp::$op => {
                        let ($b, $dz, $vx, $vy, $vz) = (build, out, a, c, r);
                        let _ = (&$b, $dz, $vx, $vy, $vz);
                        $vjp
                    })*
                    $(BinaryOp::$cop => [None, None],)*
                }
            }
        }
    };
}

/// Integer power that wraps; negative exponents give the integer part, as 2^-1 = 0.
fn int_pow(base: i64, exponent: i64) -> i64 {
    match u32::try_from(exponent) {
        Ok(e) => base.wrapping_pow(e),
        Err(_) => match base {
            1 => 1,
            -1 if exponent % 2 == 0 => 1,
            -1 => -1,
            _ => 0,
        },
    }
}

/// The quotient rounded towards minus infinity; 0 by 0.
fn floor_div(x: i64, y: i64) -> i64 {
    if y == 0 {
        return 0;
    }
    let exact_or_same_sign = x.wrapping_rem(y) == 0 || (x < 0) == (y < 0);
    x.wrapping_div(y) - i64::from(!exact_or_same_sign)
}

/// The remainder of [`floor_div`], which has the sign of y; 0 by 0.
fn floor_rem(x: i64, y: i64) -> i64 {
    if y == 0 {
        return 0;
    }
    let r = x.wrapping_rem(y);
    if r == 0 || (r < 0) == (y < 0) { r } else { r + y }
}

/// The value of a row's integer column; 0 where there is none, which inference does not let pass.
fn of_column<const N: usize>(value: [i64; N]) -> i64 {
    value.first().copied().unwrap_or(0)
}

binary_table! { arithmetic {
    /// x + y
    Add "add": |x, y| float x + y, int x.wrapping_add(y),
        vjp |b, dz, x, y, z| [Some(dz), Some(dz)], on -4.0 to 4.0;
    /// x - y
    Sub "sub": |x, y| float x - y, int x.wrapping_sub(y),
        vjp |b, dz, x, y, z| [Some(dz), Some(b.neg(dz))], on -4.0 to 4.0;
    /// x * y
    Mul "mul": |x, y| float x * y, int x.wrapping_mul(y),
        vjp |b, dz, x, y, z| [Some(b.pass(dz, y)), Some(b.pass(dz, x))], on -4.0 to 4.0;
    /// x / y; integers divide towards minus infinity, and by 0 give 0
    Div "div": |x, y| float x / y, int floor_div(x, y),
        vjp |b, dz, x, y, z| {
            let dx = b.pass_div(dz, y);
            let dy = b.pass(dx, z);
            [Some(dx), Some(b.neg(dy))]
        }, on 0.25 to 4.0;
    /// x to the power y; the derivative in y is 0 where x <= 0
    Pow "pow": |x, y| float x.powf(y), int int_pow(x, y),
        vjp |b, dz, x, y, z| pow_vjp(b, dz, x, y, z), on 0.25 to 3.0;
    /// x - y * floor(x / y): the remainder with the sign of y, exact however large the quotient is
    Rem "rem": |x, y| float special::floor_rem(x, y), int floor_rem(x, y),
        vjp |b, dz, x, y, z| {
            let whole = b.sub(x, z);
            let q = b.div(whole, y);
            let q = b.unary(UnaryOp::Round, q);
            let dy = b.pass(dz, q);
            [Some(dz), Some(b.neg(dy))]
        }, on 0.25 to 4.0;
    /// the larger; NaN if either is; at a tie each gets half the gradient
    Max "maximum": |x, y| float if x > y || x.is_nan() { x } else { y }, int x.max(y),
        vjp |b, dz, x, y, z| extremum_vjp(b, dz, x, y, z), on -4.0 to 4.0;
    /// the smaller; NaN if either is; at a tie each gets half the gradient
    Min "minimum": |x, y| float if x < y || x.is_nan() { x } else { y }, int x.min(y),
        vjp |b, dz, x, y, z| extremum_vjp(b, dz, x, y, z), on -4.0 to 4.0;
    /// the x-th derivative of digamma at y; x is a whole number and carries no gradient
    Polygamma "polygamma": |n, x| float Real::of(special::polygamma(n as u32, x.f64())),
        vjp |b, dz, n, x, z| {
            let next = b.add_scalar(n, 1.0);
            let d = b.binary(BinaryOp::Polygamma, next, x);
            [None, Some(b.pass(dz, d))]
        }, on 1.0 to 3.0;
    /// x y, but 0 where x is 0, whatever y is: a cotangent x times a derivative y
    GatedMul "gatedMul": |x, y| float if x == 0.0 { 0.0 } else { x * y },
        vjp |b, dz, x, y, z| [Some(b.pass(dz, y)), Some(b.binary(BinaryOp::MutualMul, dz, x))], on -4.0 to 4.0;
    /// x / y, but 0 where x is 0, whatever y is: a cotangent x over what its derivative is one over
    GatedDiv "gatedDiv": |x, y| float if x == 0.0 { 0.0 } else { x / y },
        vjp |b, dz, x, y, z| {
            let dx = b.pass_div(dz, y);
            let dy = b.binary(BinaryOp::MutualMul, dx, z);
            [Some(dx), Some(b.neg(dy))]
        }, on 0.25 to 4.0;
    /// x y, but 0 where either is 0, whatever the other is: two cotangents, as derivatives of gatedMul and gatedDiv have them
    MutualMul "mutualMul": |x, y| float if x == 0.0 || y == 0.0 { 0.0 } else { x * y },
        vjp |b, dz, x, y, z| [Some(b.binary(BinaryOp::MutualMul, dz, y)), Some(b.binary(BinaryOp::MutualMul, dz, x))],
        on -4.0 to 4.0;
} comparison {
    /// x = y
    Equal "equal": |x, y| x == y;
    /// x != y
    NotEqual "notEqual": |x, y| x != y;
    /// x < y
    Less "less": |x, y| x < y;
    /// x <= y
    LessEqual "lessEqual": |x, y| x <= y;
} }
