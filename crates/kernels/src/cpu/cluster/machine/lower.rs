//! From a cluster to a graph.

use std::cell::{Cell, RefCell};

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::plan::{Cluster, Instr, InstrKind};

use super::graph::{Graph, Id, Kind, Op, predicate};
use super::traced::{Traceable, Traced, TracedMask, TracedWhole};
use crate::math::{
    self, Arithmetic, Comparison, ForArithmetic, ForComparison, ForUnary, Ordered, Unary, Vector,
};

/// How a load of the cluster arrives: as a vector of elements, or as one element for all; and which argument it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arrival {
    Vector(usize),
    Uniform(usize),
}

/// The values of a cluster's registers.
pub(super) struct Lowered {
    pub graph: Graph,
    pub registers: Vec<Id>,
    /// A mask of the elements for which the values are right; `None`: for all.
    pub guard: Option<Id>,
}

/// The graph of a cluster whose loads arrive as told. `None` if some instruction has no machine code.
pub(super) fn lower(cluster: &Cluster, arrivals: &[Arrival], wide: bool) -> Option<Lowered> {
    let lanes = 8 << u8::from(wide);
    let lowering = Lowering {
        cluster,
        arrivals,
        graph: RefCell::new(Graph::new(wide, lanes)),
        guard: Cell::new(None),
    };
    let mut registers = Vec::with_capacity(cluster.code.len());
    for instr in &cluster.code {
        registers.push(lowering.instruction(instr, &registers)?);
    }
    let guard = lowering.guard.get();
    let mut graph = lowering.graph.into_inner();
    if graph.values.iter().any(|value| value.kind == Kind::F64) {
        graph.lanes /= 2;
    }
    (!graph.lacks).then_some(Lowered {
        graph,
        registers,
        guard,
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

/// Traces a function of one value: the result, and the mask of the elements for which it is right.
struct Of<V>(V);

impl<T: Traceable> ForUnary for Of<Traced<'_, T>> {
    type Out = (Id, Option<Id>);

    fn with<F: Unary>(self) -> (Id, Option<Id>) {
        (F::at(self.0).id, F::within(self.0).map(|mask| mask.id))
    }
}

/// As [`Of`], of two values.
struct OfPair<V>(V, V);

impl<T: Traceable> ForArithmetic for OfPair<Traced<'_, T>> {
    type Out = (Id, Option<Id>);

    fn with<F: Arithmetic>(self) -> (Id, Option<Id>) {
        let guard = F::within(self.0, self.1);
        (F::at(self.0, self.1).id, guard.map(|mask| mask.id))
    }
}

/// Traces a function of two integers.
struct OfWhole<'g>(TracedWhole<'g>, TracedWhole<'g>);

impl ForArithmetic for OfWhole<'_> {
    type Out = Id;

    fn with<F: Arithmetic>(self) -> Id {
        F::whole(self.0, self.1).id
    }
}

/// Traces a comparison.
struct Holds<V>(V, V);

impl<'g, V: Ordered<Mask = TracedMask<'g>>> ForComparison for Holds<V> {
    type Out = Id;

    fn with<F: Comparison>(self) -> Id {
        F::holds(self.0, self.1).id
    }
}

struct Lowering<'a> {
    cluster: &'a Cluster,
    arrivals: &'a [Arrival],
    graph: RefCell<Graph>,
    guard: Cell<Option<Id>>,
}

impl Lowering<'_> {
    /// Records a condition of a value; the value's id.
    fn guarded(&self, (id, condition): (Id, Option<Id>)) -> Id {
        if let Some(condition) = condition {
            let both = |guard: Id| {
                let mut graph = self.graph.borrow_mut();
                graph.add(Op::And, Kind::Mask, &[guard, condition], 0)
            };
            self.guard.set(Some(self.guard.get().map_or(condition, both)));
        }
        id
    }

    fn instruction(&self, instr: &Instr, registers: &[Id]) -> Option<Id> {
        let code = &self.cluster.code;
        let kind = kind(instr.dtype)?;
        match instr.kind {
            InstrKind::Load(l) => Some(self.load(l, instr.dtype, kind)),
            InstrKind::Const(bits) => self.constant(f64::from_bits(bits), instr.dtype),
            InstrKind::Unary(op, x) => match instr.dtype {
                DType::F32 => self.unary::<f32>(op, registers[x]),
                DType::F64 => self.unary::<f64>(op, registers[x]),
                _ => None,
            },
            InstrKind::Binary(op, x, y) => {
                let (dtype, x, y) = (code[x].dtype, registers[x], registers[y]);
                match dtype {
                    DType::F32 => self.binary(op, self.traced::<f32>(x), self.traced(y)),
                    DType::F64 => self.binary(op, self.traced::<f64>(x), self.traced(y)),
                    DType::I32 => {
                        let [x, y] = [x, y].map(|id| TracedWhole::new(&self.graph, id));
                        let number = math::for_arithmetic(op, OfWhole(x, y));
                        number.or_else(|| math::for_comparison(op, Holds(x, y)))
                    }
                    DType::Bool => {
                        let [x, y] = [x, y].map(|id| TracedMask::new(&self.graph, id));
                        math::for_comparison(op, Holds(x, y))
                    }
                    _ => None,
                }
            }
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

    fn unary<T: Traceable>(&self, op: UnaryOp, x: Id) -> Option<Id> {
        Some(self.guarded(math::for_unary(op, Of(self.traced::<T>(x)))))
    }

    fn binary<'g, T: Traceable>(&self, op: BinaryOp, x: Traced<'g, T>, y: Traced<'g, T>) -> Option<Id> {
        let number = math::for_arithmetic(op, OfPair(x, y)).map(|number| self.guarded(number));
        number.or_else(|| math::for_comparison(op, Holds(x, y)))
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

    /// `as i32`: saturating, NaN becomes 0.
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
