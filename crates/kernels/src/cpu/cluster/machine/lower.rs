//! From a cluster to a graph.

use std::cell::RefCell;

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::plan::{Cluster, Instr, InstrKind};

use super::graph::{Graph, Id, Kind, Op, predicate};
use super::traced::{Traceable, Traced};
use crate::cpu::math::{self, Vector};

/// How a load of the cluster arrives: as a vector of elements, or as one element for all; and which argument it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arrival {
    Vector(usize),
    Uniform(usize),
}

/// What to compute: the values of the cluster's registers.
pub(super) struct Lowered {
    pub graph: Graph,
    pub registers: Vec<Id>,
}

/// The graph of a cluster whose loads arrive as told. `None` if some instruction has no machine code.
pub(super) fn lower(cluster: &Cluster, arrivals: &[Arrival], wide: bool) -> Option<Lowered> {
    // Powers are computed in float64.
    let is_power = |kind: &InstrKind| matches!(kind, InstrKind::Binary(BinaryOp::Pow, ..));
    let double = |instr: &Instr| instr.dtype == DType::F64 || is_power(&instr.kind);
    let double = cluster.code.iter().any(double);
    let lanes = if double { 4 } else { 8 } << u8::from(wide);
    let lowering = Lowering {
        cluster,
        arrivals,
        graph: RefCell::new(Graph::new(wide, lanes)),
    };
    let mut registers = Vec::with_capacity(cluster.code.len());
    for instr in &cluster.code {
        registers.push(lowering.instruction(instr, &registers)?);
    }
    Some(Lowered {
        graph: lowering.graph.into_inner(),
        registers,
    })
}

/// How elements of a dtype are held; bytes other than truth values as i32, which only conversions understand.
fn kind(dtype: DType) -> Option<Kind> {
    match dtype {
        DType::F32 => Some(Kind::F32),
        DType::F64 => Some(Kind::F64),
        DType::I32 | DType::U8 => Some(Kind::I32),
        DType::Bool => Some(Kind::Mask),
        DType::I64 | DType::U32 => None,
    }
}

struct Lowering<'a> {
    cluster: &'a Cluster,
    arrivals: &'a [Arrival],
    graph: RefCell<Graph>,
}

impl Lowering<'_> {
    fn instruction(&self, instr: &Instr, registers: &[Id]) -> Option<Id> {
        let code = &self.cluster.code;
        let kind = kind(instr.dtype)?;
        match instr.kind {
            InstrKind::Load(l) => Some(self.load(l, instr.dtype, kind)),
            InstrKind::Const(bits) => self.constant(f64::from_bits(bits), instr.dtype),
            InstrKind::Unary(op, x) => match instr.dtype {
                DType::F32 if op == UnaryOp::Erf => Some(math::erf(self.traced::<f32>(registers[x])).id),
                DType::F32 => self.unary::<f32>(op, registers[x]),
                DType::F64 => self.unary::<f64>(op, registers[x]),
                _ => None,
            },
            InstrKind::Binary(op, x, y) => match code[x].dtype {
                DType::F32 if op == BinaryOp::Pow => Some(self.power(registers[x], registers[y])),
                DType::F32 => self.binary::<f32>(op, registers[x], registers[y]),
                DType::F64 => self.binary::<f64>(op, registers[x], registers[y]),
                DType::I32 => self.binary_int(op, registers[x], registers[y]),
                DType::Bool => self.binary_bool(op, registers[x], registers[y]),
                _ => None,
            },
            InstrKind::Where(c, x, y) => {
                let mut graph = self.graph.borrow_mut();
                Some(graph.select(registers[c], registers[x], registers[y]))
            }
            InstrKind::Cast(x) => self.cast(registers[x], code[x].dtype, instr.dtype),
        }
    }

    fn traced<T: Traceable>(&self, id: Id) -> Traced<'_, T> {
        Traced::new(&self.graph, id)
    }

    fn load(&self, l: usize, dtype: DType, kind: Kind) -> Id {
        let mut graph = self.graph.borrow_mut();
        let bytes = dtype.size() == 1;
        let held = if bytes { Kind::I32 } else { kind };
        let id = match self.arrivals[l] {
            Arrival::Uniform(arg) => graph.add(Op::Uniform, held, &[], arg as u64),
            Arrival::Vector(arg) if bytes => graph.add(Op::LoadBytes, held, &[], arg as u64),
            Arrival::Vector(arg) => graph.add(Op::Load, held, &[], arg as u64),
        };
        if dtype == DType::Bool { graph.test(id) } else { id }
    }

    fn constant(&self, value: f64, dtype: DType) -> Option<Id> {
        let mut graph = self.graph.borrow_mut();
        Some(match dtype {
            DType::F32 => graph.constant(Kind::F32, f32::bits(value)),
            DType::F64 => graph.constant(Kind::F64, f64::bits(value)),
            DType::I32 => graph.constant(Kind::I32, u64::from(value as i32 as u32)),
            DType::Bool => graph.truth(value != 0.0),
            _ => return None,
        })
    }

    /// As in the table of elementwise operations, but for functions as in [`math`].
    fn unary<T: Traceable>(&self, op: UnaryOp, x: Id) -> Option<Id> {
        let x = self.traced::<T>(x);
        let (zero, one) = (x.number(0.0), x.number(1.0));
        let y = match op {
            UnaryOp::Neg => -x,
            UnaryOp::Abs => x.abs(),
            UnaryOp::Sign => {
                let negative = Traced::select(x.less(zero), -one, x);
                Traced::select(zero.less(x), one, negative)
            }
            UnaryOp::Exp => math::exp(x),
            UnaryOp::Expm1 => math::expm1(x),
            UnaryOp::Log => math::log(x),
            UnaryOp::Log1p => math::log1p(x),
            UnaryOp::Sqrt => x.sqrt(),
            UnaryOp::Rsqrt => one / x.sqrt(),
            UnaryOp::Tanh => math::tanh(x),
            UnaryOp::Sigmoid => math::sigmoid(x),
            UnaryOp::Softplus => math::softplus(x),
            UnaryOp::Relu => zero.larger(x),
            UnaryOp::Recip => one / x,
            UnaryOp::Floor => x.round(1),
            UnaryOp::Ceil => x.round(2),
            UnaryOp::Round => x.round(0),
            UnaryOp::Sin | UnaryOp::Cos | UnaryOp::Erf | UnaryOp::Lgamma => return None,
        };
        Some(y.id)
    }

    fn binary<T: Traceable>(&self, op: BinaryOp, x: Id, y: Id) -> Option<Id> {
        let compare = |predicate| Some(self.graph.borrow_mut().compare(x, y, predicate));
        let (x, y) = (self.traced::<T>(x), self.traced::<T>(y));
        let zero = x.number(0.0);
        let z = match op {
            BinaryOp::Add => self.sum(x, y),
            BinaryOp::Sub => x - y,
            BinaryOp::Mul => x * y,
            BinaryOp::Div => self.quotient(x, y),
            BinaryOp::Max => Traced::select(x.is_nan(), x, x.larger(y)),
            BinaryOp::Min => Traced::select(x.is_nan(), x, x.smaller(y)),
            BinaryOp::Equal => return compare(predicate::EQUAL),
            BinaryOp::NotEqual => return compare(predicate::NOT_EQUAL),
            BinaryOp::Less => return compare(predicate::LESS),
            BinaryOp::LessEqual => return compare(predicate::LESS_EQUAL),
            BinaryOp::GatedMul => Traced::select(x.differs(zero), x * y, zero),
            BinaryOp::GatedDiv => Traced::select(x.differs(zero), x / y, zero),
            BinaryOp::MutualMul => Traced::select(x.differs(zero) & y.differs(zero), x * y, zero),
            BinaryOp::Rem | BinaryOp::Pow | BinaryOp::Polygamma => return None,
        };
        Some(z.id)
    }

    fn power(&self, x: Id, y: Id) -> Id {
        let convert = |id, kind| self.graph.borrow_mut().add(Op::Convert, kind, &[id], 0);
        let [x, y] = [x, y].map(|id| self.traced::<f64>(convert(id, Kind::F64)));
        convert(math::pow(x, y).id, Kind::F32)
    }

    /// x + y; x - z where y is -z, which is the same number.
    fn sum<'g, T: Traceable>(&'g self, x: Traced<'g, T>, y: Traced<'g, T>) -> Traced<'g, T> {
        match (self.negated::<T>(y.id), self.negated::<T>(x.id)) {
            (Some(z), _) => x - z,
            (_, Some(z)) => y - z,
            _ => x + y,
        }
    }

    /// What a value is the negative of.
    fn negated<T: Traceable>(&self, id: Id) -> Option<Traced<'_, T>> {
        let graph = self.graph.borrow();
        let value = *graph.value(id);
        let [of, bits, _] = value.args;
        let flips = value.op == Op::Xor && graph.value(bits).op == Op::Constant;
        (flips && graph.value(bits).imm == T::SIGN).then(|| Traced::new(&self.graph, of))
    }

    /// x / y; by a power of 2 as a product, which is the same number.
    fn quotient<'g, T: Traceable>(&'g self, x: Traced<'g, T>, y: Traced<'g, T>) -> Traced<'g, T> {
        let divisor = *self.graph.borrow().value(y.id);
        let power = divisor.op == Op::Constant && T::is_invertible(divisor.imm);
        if power {
            x * y.number(1.0 / T::value(divisor.imm))
        } else {
            x / y
        }
    }

    fn binary_int(&self, op: BinaryOp, x: Id, y: Id) -> Option<Id> {
        let mut graph = self.graph.borrow_mut();
        let mut arithmetic = |op| Some(graph.add(op, Kind::I32, &[x, y], 0));
        match op {
            BinaryOp::Add => arithmetic(Op::IntAdd),
            BinaryOp::Sub => arithmetic(Op::IntSub),
            BinaryOp::Mul => arithmetic(Op::IntMul),
            BinaryOp::Max => arithmetic(Op::IntLarger),
            BinaryOp::Min => arithmetic(Op::IntSmaller),
            BinaryOp::Equal | BinaryOp::NotEqual => {
                let equal = graph.add(Op::IntEqual, Kind::Mask, &[x, y], 0);
                Some(if op == BinaryOp::Equal {
                    equal
                } else {
                    graph.not(equal)
                })
            }
            BinaryOp::Less => Some(graph.add(Op::IntGreater, Kind::Mask, &[y, x], 0)),
            BinaryOp::LessEqual => {
                let greater = graph.add(Op::IntGreater, Kind::Mask, &[x, y], 0);
                Some(graph.not(greater))
            }
            BinaryOp::Div
            | BinaryOp::Rem
            | BinaryOp::Pow
            | BinaryOp::Polygamma
            | BinaryOp::GatedMul
            | BinaryOp::GatedDiv
            | BinaryOp::MutualMul => None,
        }
    }

    fn binary_bool(&self, op: BinaryOp, x: Id, y: Id) -> Option<Id> {
        let mut graph = self.graph.borrow_mut();
        match op {
            BinaryOp::NotEqual => Some(graph.add(Op::Xor, Kind::Mask, &[x, y], 0)),
            BinaryOp::Equal => {
                let differ = graph.add(Op::Xor, Kind::Mask, &[x, y], 0);
                Some(graph.not(differ))
            }
            BinaryOp::Less => Some(graph.add(Op::AndNot, Kind::Mask, &[x, y], 0)),
            BinaryOp::LessEqual => {
                let greater = graph.add(Op::AndNot, Kind::Mask, &[y, x], 0);
                Some(graph.not(greater))
            }
            _ => None,
        }
    }

    fn cast(&self, x: Id, from: DType, to: DType) -> Option<Id> {
        if from == to {
            return Some(x);
        }
        match (from, to) {
            (DType::Bool, DType::F32 | DType::F64 | DType::I32) => {
                let (one, zero) = (self.constant(1.0, to)?, self.constant(0.0, to)?);
                Some(self.graph.borrow_mut().select(x, one, zero))
            }
            (DType::F32 | DType::F64, DType::Bool) => {
                let zero = self.constant(0.0, from)?;
                let mut graph = self.graph.borrow_mut();
                Some(graph.compare(x, zero, predicate::NOT_EQUAL))
            }
            (DType::I32 | DType::U8, DType::Bool) => {
                let mut graph = self.graph.borrow_mut();
                let zero = graph.constant(Kind::I32, 0);
                let equal = graph.add(Op::IntEqual, Kind::Mask, &[x, zero], 0);
                Some(graph.not(equal))
            }
            (DType::U8, DType::I32) => Some(x),
            (DType::I32 | DType::U8, DType::F32 | DType::F64) => {
                Some(self.graph.borrow_mut().add(Op::FromInt, kind(to)?, &[x], 0))
            }
            (DType::F32, DType::I32) => Some(self.whole::<f32>(x)),
            (DType::F64, DType::I32) => Some(self.whole::<f64>(x)),
            (DType::F32 | DType::F64, DType::F32 | DType::F64) => {
                Some(self.graph.borrow_mut().add(Op::Convert, kind(to)?, &[x], 0))
            }
            _ => None,
        }
    }

    /// As by `as i32`: what is too large becomes the largest, NaN 0.
    fn whole<T: Traceable>(&self, x: Id) -> Id {
        let float = self.traced::<T>(x);
        let not_too_large = float.less(float.number(2_147_483_648.0));
        let number = float.equals(float);
        let mut graph = self.graph.borrow_mut();
        let cut = graph.add(Op::ToInt, Kind::I32, &[x], 0);
        let most = graph.constant(Kind::I32, u64::from(i32::MAX as u32));
        let zero = graph.constant(Kind::I32, 0);
        let limited = graph.select(not_too_large.id, cut, most);
        graph.select(number.id, limited, zero)
    }
}
