//! Reductions of a dtype, as on the CPU: elements are combined in lanes of their own type, and lanes in a wider accumulator. Sums of
//! float32 are accumulated in float64, those of float64 with compensation (Neumaier 1974), those of integers in int64.

use hyperglow_core::DType;
use hyperglow_core::op::Reduction;

use crate::cuda::ptx::convert::{cast, constant};
use crate::cuda::ptx::emitter::{Class, Emitter, Reg};
use crate::cuda::ptx::float::Float;
use crate::math::{Ordered, Vector};

/// A reduction of elements of a dtype.
#[derive(Clone, Copy)]
pub(super) struct Reducer<'e> {
    pub to: &'e Emitter,
    pub kind: Reduction,
    /// The elements' dtype; truth values are bytes.
    dtype: DType,
}

/// A wide accumulator: one register, or a sum and its compensation.
pub(super) type Wide = Vec<Reg>;

impl<'e> Reducer<'e> {
    pub fn new(to: &'e Emitter, kind: Reduction, dtype: DType) -> Reducer<'e> {
        let dtype = if dtype == DType::Bool { DType::U8 } else { dtype };
        Reducer { to, kind, dtype }
    }

    /// The dtype of lanes.
    pub fn lane_dtype(self) -> DType {
        match (self.kind, self.dtype) {
            (Reduction::Sum, DType::F32 | DType::F64) => self.dtype,
            (Reduction::Sum, _) => DType::I64,
            _ => self.dtype,
        }
    }

    pub fn lane_class(self) -> Class {
        Class::of(self.lane_dtype())
    }

    /// The lane of no element.
    pub fn identity(self) -> Reg {
        let float = self.dtype.is_float();
        let value = match self.kind {
            Reduction::Sum => 0.0,
            Reduction::Max if float => f64::NEG_INFINITY,
            Reduction::Min if float => f64::INFINITY,
            Reduction::Max => match self.dtype {
                DType::I32 => f64::from(i32::MIN),
                DType::I64 => i64::MIN as f64,
                _ => 0.0,
            },
            Reduction::Min => match self.dtype {
                DType::I32 => f64::from(i32::MAX),
                DType::I64 => i64::MAX as f64,
                DType::U32 => f64::from(u32::MAX),
                _ => 255.0,
            },
        };
        constant(self.to, value, self.lane_dtype())
    }

    /// A lane with an element.
    pub fn with(self, lane: Reg, element: Reg) -> Reg {
        self.join(lane, cast(self.to, element, self.dtype, self.lane_dtype()))
    }

    /// Two lanes as one.
    pub fn join(self, a: Reg, b: Reg) -> Reg {
        let (to, class) = (self.to, self.lane_class());
        let better = match self.kind {
            Reduction::Sum => {
                let mnemonic = match self.lane_dtype() {
                    DType::F32 => "add.rn.f32",
                    DType::F64 => "add.rn.f64",
                    _ => "add.s64",
                };
                return to.op(class, mnemonic, &[&a, &b]);
            }
            Reduction::Max => "gt",
            Reduction::Min => "lt",
        };
        let typed = match self.dtype {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::I32 => "s32",
            DType::I64 => "s64",
            _ => "u32",
        };
        let mut wins = to.op(Class::Pred, &format!("setp.{better}.{typed}"), &[&a, &b]);
        if self.dtype.is_float() {
            let is_nan = to.op(Class::Pred, &format!("setp.neu.{typed}"), &[&a, &a]);
            wins = to.op(Class::Pred, "or.pred", &[&wins, &is_nan]);
        }
        to.op(class, &format!("selp.{}", class.suffix()), &[&a, &b, &wins])
    }

    fn is_sum_of(self, dtype: DType) -> bool {
        self.kind == Reduction::Sum && self.dtype == dtype
    }

    /// The accumulator of no lane, in variables.
    pub fn start(self) -> Wide {
        let zero = || self.to.variable(Class::F64, constant(self.to, 0.0, DType::F64));
        if self.is_sum_of(DType::F32) {
            vec![zero()]
        } else if self.is_sum_of(DType::F64) {
            vec![zero(), zero()]
        } else {
            vec![self.to.variable(self.lane_class(), self.identity())]
        }
    }

    /// Adds a lane to an accumulator.
    pub fn accumulate(self, wide: &Wide, lane: Reg) {
        let to = self.to;
        if self.is_sum_of(DType::F32) {
            let lane = cast(to, lane, DType::F32, DType::F64);
            to.set(wide[0], "add.rn.f64", &[&wide[0], &lane]);
        } else if self.is_sum_of(DType::F64) {
            let [a, b, lost] = [wide[0], lane, wide[1]].map(|reg| Float::<f64>::new(to, reg));
            let zero = a.number(0.0);
            let sum = a + b;
            let error = Float::select(b.abs().at_most(a.abs()), (a - sum) + b, (b - sum) + a);
            // An infinite sum has no rounding error.
            let is_finite = sum.abs().less(a.number(f64::INFINITY));
            let lost = (lost + zero) + Float::select(is_finite, error, zero);
            to.assign(wide[0], sum.reg);
            to.assign(wide[1], lost.reg);
        } else {
            let joined = self.join(wide[0], lane);
            to.assign(wide[0], joined);
        }
    }

    /// The result.
    pub fn finish(self, wide: &Wide) -> Reg {
        if self.is_sum_of(DType::F32) {
            cast(self.to, wide[0], DType::F64, DType::F32)
        } else if self.is_sum_of(DType::F64) {
            self.to.op(Class::F64, "add.rn.f64", &[&wide[0], &wide[1]])
        } else {
            wide[0]
        }
    }
}
