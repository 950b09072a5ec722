//! Which function is which elementwise operation: one row each, and the compiler asks for it. A row without a text is computed
//! as core's table says.

use hyperglow_core::elementwise::{BinaryOp, UnaryOp};

use super::constants::Constants;
use super::vector::{Ordered, Vector, Whole};
use super::{circle, exponential};

/// An operation of one argument.
pub(crate) trait Unary {
    /// Its definition.
    const OP: UnaryOp;
    /// Its value.
    #[inline(always)]
    fn at<V: Vector>(x: V) -> V {
        x.defined(Self::OP)
    }
    /// Where `at` is its value, the definition elsewhere; `None`: everywhere.
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
    /// As for [`Unary`].
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

/// What is done with one of the operations of a kind, whichever it is: the choice is made once, outside of a loop.
pub(crate) trait ForUnary {
    /// What comes of it.
    type Out;
    /// Does it.
    fn with<F: Unary>(self) -> Self::Out;
}

/// As [`ForUnary`].
pub(crate) trait ForArithmetic {
    /// What comes of it.
    type Out;
    /// Does it.
    fn with<F: Arithmetic>(self) -> Self::Out;
}

/// As [`ForUnary`].
pub(crate) trait ForComparison {
    /// What comes of it.
    type Out;
    /// Does it.
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

        /// Does what is to be done with the operation.
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

        /// Does what is to be done with the operation; `None` for a comparison.
        #[inline(always)]
        pub(crate) fn for_arithmetic<R: ForArithmetic>(op: BinaryOp, run: R) -> Option<R::Out> {
            match op {
                $(BinaryOp::$op => Some(run.with::<$op>()),)*
                $(BinaryOp::$cop => None,)*
            }
        }

        /// Does what is to be done with the operation; `None` for arithmetic.
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
        Pow |x, y| float exponential::pow(x, y);
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

/// Where the quotient of float32s is so small that float64 has it to the last place. Below 2^28 its product with y is exact,
/// and a quotient just below a whole number stays below it. Of an infinite y no multiple is finite, not even the 0-fold.
#[inline(always)]
fn has_exact_quotient<V: Vector>(x: V, y: V) -> Option<V::Mask> {
    V::Element::IS_SINGLE.then(|| {
        let (x, y) = (x.wide(), y.wide());
        let finite = y.abs().less(y.number(f64::INFINITY));
        finite & (x / y).abs().less(x.number((1_u64 << 28) as f64))
    })
}

/// The remainder of floored division: of the sign of y, and so is 0. Of float64s as defined.
#[inline(always)]
fn remainder<V: Vector>(x: V, y: V) -> V {
    if !V::Element::IS_SINGLE {
        return x.defined_with(BinaryOp::Rem, y);
    }
    let (a, b) = (x.wide(), y.wide());
    let rest = V::of_wide(a - b * (a / b).truncated());
    let zero = x.number(0.0);
    let (below, y_below) = (rest.less(zero), y.less(zero));
    // Of the other sign than y.
    let turned = V::select(
        y_below,
        V::select(below, rest, rest + y),
        V::select(below, rest + y, rest),
    );
    V::select(
        rest.equals(zero),
        V::select(y_below, x.number(-0.0), zero),
        turned,
    )
}
