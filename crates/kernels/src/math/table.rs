//! The functions of elementwise operations: one row per operation, which the compiler demands. An operation without a function is
//! computed by the definition in core's table.

use hyperglow_core::elementwise::{BinaryOp, UnaryOp};

use super::constants::Constants;
use super::vector::{Ordered, Vector, Whole};
use super::{circle, exponential, power};

/// An operation of one argument.
pub(crate) trait Unary {
    /// Its definition.
    const OP: UnaryOp;
    /// Its value.
    #[inline(always)]
    fn at<V: Vector>(x: V) -> V {
        x.defined(Self::OP)
    }
    /// Where `at` is the value; elsewhere the definition is. `None`: everywhere.
    #[inline(always)]
    fn within<V: Vector>(_x: V) -> Option<V::Mask> {
        None
    }
}

/// An operation of two arguments of one dtype whose result has that dtype.
pub(crate) trait Arithmetic {
    /// Its definition.
    const OP: BinaryOp;
    /// Its value on floats.
    #[inline(always)]
    fn at<V: Vector>(x: V, y: V) -> V {
        x.defined_with(Self::OP, y)
    }
    /// As [`Unary::within`].
    #[inline(always)]
    fn within<V: Vector>(_x: V, _y: V) -> Option<V::Mask> {
        None
    }
    /// Its value on integers.
    #[inline(always)]
    fn whole<V: Whole>(x: V, y: V) -> V {
        x.defined_with(Self::OP, y)
    }
}

/// An operation of two arguments whose result is a truth value.
pub(crate) trait Comparison {
    /// Whether it holds.
    fn holds<V: Ordered>(x: V, y: V) -> V::Mask;
}

/// A computation that is generic over an operation of one argument: the operation is dispatched once, outside of a loop.
pub(crate) trait ForUnary {
    /// Its result.
    type Out;
    /// Runs it for one operation.
    fn with<F: Unary>(self) -> Self::Out;
}

/// As [`ForUnary`].
pub(crate) trait ForArithmetic {
    /// Its result.
    type Out;
    /// Runs it for one operation.
    fn with<F: Arithmetic>(self) -> Self::Out;
}

/// As [`ForUnary`].
pub(crate) trait ForComparison {
    /// Its result.
    type Out;
    /// Runs it for one operation.
    fn with<F: Comparison>(self) -> Self::Out;
}

macro_rules! unary {
    ($($op:ident $(|$x:ident| $at:expr $(, within $within:path)?)?;)*) => {
        $(
            struct $op;
            impl Unary for $op {
                const OP: UnaryOp = UnaryOp::$op;
                $(
                    #[inline(always)]
                    fn at<V: Vector>($x: V) -> V {
                        $at
                    }
                    $(
                        #[inline(always)]
                        fn within<V: Vector>(x: V) -> Option<V::Mask> {
                            $within(x)
                        }
                    )?
                )?
            }
        )*

        /// Runs a computation for an operation.
        #[inline(always)]
        pub(crate) fn for_unary<R: ForUnary>(op: UnaryOp, run: R) -> R::Out {
            match op {
                $(UnaryOp::$op => run.with::<$op>(),)*
            }
        }
    };
}

macro_rules! binary {
    (
        arithmetic { $($op:ident |$x:ident, $y:ident| $(float $at:expr $(, within $within:path)?)? $(, int $whole:expr)?;)* }
        comparison { $($cop:ident |$cx:ident, $cy:ident| $holds:expr;)* }
    ) => {
        $(
            struct $op;
            impl Arithmetic for $op {
                const OP: BinaryOp = BinaryOp::$op;
                $(
                    #[inline(always)]
                    fn at<V: Vector>($x: V, $y: V) -> V {
                        $at
                    }
                    $(
                        #[inline(always)]
                        fn within<V: Vector>(x: V, y: V) -> Option<V::Mask> {
                            $within(x, y)
                        }
                    )?
                )?
                $(
                    #[inline(always)]
                    fn whole<V: Whole>($x: V, $y: V) -> V {
                        $whole
                    }
                )?
            }
        )*
        $(
            struct $cop;
            impl Comparison for $cop {
                #[inline(always)]
                fn holds<V: Ordered>($cx: V, $cy: V) -> V::Mask {
                    $holds
                }
            }
        )*

        /// Runs a computation for an operation; `None` for a comparison.
        #[inline(always)]
        pub(crate) fn for_arithmetic<R: ForArithmetic>(op: BinaryOp, run: R) -> Option<R::Out> {
            match op {
                $(BinaryOp::$op => Some(run.with::<$op>()),)*
                $(BinaryOp::$cop => None,)*
            }
        }

        /// Runs a computation for an operation; `None` for arithmetic.
        #[inline(always)]
        pub(crate) fn for_comparison<R: ForComparison>(op: BinaryOp, run: R) -> Option<R::Out> {
            match op {
                $(BinaryOp::$op => None,)*
                $(BinaryOp::$cop => Some(run.with::<$cop>()),)*
            }
        }
    };
}

unary! {
    Neg |x| -x;
    Abs |x| x.abs();
    Sign |x| {
        let (zero, one) = (x.number(0.0), x.number(1.0));
        V::select(zero.less(x), one, V::select(x.less(zero), -one, x))
    };
    Exp |x| exponential::exp(x);
    Expm1 |x| exponential::expm1(x);
    Log |x| exponential::log(x);
    Log1p |x| exponential::log1p(x);
    Sqrt |x| x.sqrt();
    Rsqrt |x| x.number(1.0) / x.sqrt();
    Sin |x| circle::sine(x), within circle::within;
    Cos |x| circle::cosine(x), within circle::within;
    Tanh |x| exponential::tanh(x);
    Sigmoid |x| exponential::sigmoid(x);
    Softplus |x| exponential::softplus(x);
    Relu |x| x.number(0.0).larger(x);
    Erf |x| exponential::erf(x);
    Recip |x| x.number(1.0) / x;
    Floor |x| x.floor();
    Ceil |x| x.ceil();
    Round |x| x.nearest();
    Lgamma;
}

binary! {
    arithmetic {
        Add |x, y| float x + y, int x + y;
        Sub |x, y| float x - y, int x - y;
        Mul |x, y| float x * y, int x * y;
        Div |x, y| float x / y;
        Pow |x, y| float power::pow(x, y);
        Rem |x, y| float remainder(x, y), within has_exact_quotient;
        Max |x, y| float V::select(x.differs(x), x, x.larger(y)), int x.larger(y);
        Min |x, y| float V::select(x.differs(x), x, x.smaller(y)), int x.smaller(y);
        Polygamma |x, y|;
        GatedMul |x, y| float V::select(x.differs(x.number(0.0)), x * y, x.number(0.0));
        GatedDiv |x, y| float V::select(x.differs(x.number(0.0)), x / y, x.number(0.0));
        MutualMul |x, y| float {
            let zero = x.number(0.0);
            V::select(x.differs(zero) & y.differs(zero), x * y, zero)
        };
    }
    comparison {
        Equal |x, y| x.equals(y);
        NotEqual |x, y| x.differs(y);
        Less |x, y| x.less(y);
        LessEqual |x, y| x.at_most(y);
    }
}

/// Where [`remainder`] is exact: the truncated quotient of float32s is exact in float64 below 2^28, and a float64 below 2^52 is an
/// integer of which products with y have an exact [error](Vector::product_error), for y below 2^990. An infinite y has no finite
/// multiple, not even the 0-fold.
#[inline(always)]
fn has_exact_quotient<V: Vector>(x: V, y: V) -> Option<V::Mask> {
    let (most, largest) = if V::Element::IS_SINGLE {
        ((1_u64 << 28) as f64, f64::INFINITY)
    } else {
        ((1_u64 << 52) as f64, 2_f64.powi(990))
    };
    let (x, y) = (x.wide(), y.wide());
    Some(y.abs().less(y.number(largest)) & (x / y).abs().less(x.number(most)))
}

/// x - y q for the truncated quotient q, or, of float64s, perhaps for the integer one further from 0: exactly.
#[inline(always)]
fn truncated_remainder<V: Vector>(x: V, y: V) -> V {
    if V::Element::IS_SINGLE {
        let (a, b) = (x.wide(), y.wide());
        return V::of_wide(a - b * (a / b).truncated());
    }
    // x / y may have been rounded up to the next integer. All of x, the product, its error and the result are multiples of the unit
    // in the last place of y, so that both differences are exact.
    let q = (x / y).truncated();
    let product = q * y;
    (x - product) - q.product_error(y, product)
}

/// The remainder of floored division: its sign is that of y, also if it is 0.
#[inline(always)]
fn remainder<V: Vector>(x: V, y: V) -> V {
    let rest = truncated_remainder(x, y);
    let zero = x.number(0.0);
    let (below, y_below) = (rest.less(zero), y.less(zero));
    let floored = V::select(
        y_below,
        V::select(below, rest, rest + y),
        V::select(below, rest + y, rest),
    );
    V::select(
        rest.equals(zero),
        V::select(y_below, x.number(-0.0), zero),
        floored,
    )
}
