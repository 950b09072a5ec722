//! The instructions of a cluster for some neighboring elements: all loads, then the arithmetic, then all stores, so that a result may
//! overwrite an operand that is read element for element.

use hyperglow_core::DType;
use hyperglow_core::plan::{Cluster, Instr, InstrKind, Program, SlotId};

use super::apply;
use super::convert::{cast, constant};
use super::emitter::{Class, Emitter, Reg};
use super::place::{Access, Place, Position, is_aligned};
use crate::steps::walk::Reading;

/// A cluster whose slots have places.
pub(super) struct Body<'a> {
    pub cluster: &'a Cluster,
    pub program: &'a Program,
    pub readings: &'a [Reading],
    /// The place of each slot.
    pub place: &'a dyn Fn(SlotId) -> Place,
    pub access: Access<'a>,
}

/// Values of loads that are the same for all elements.
pub(super) type Uniforms = Vec<Option<Reg>>;

impl Body<'_> {
    fn to(&self) -> &Emitter {
        self.access.positions.to
    }

    fn dtype(&self, load: usize) -> DType {
        self.program.slots[self.cluster.loads[load].slot].spec.dtype
    }

    /// Loads what is the same for all elements, unless the kernel writes it: the thread that computes an element reads what that
    /// element overwrites, and no other thread does.
    pub fn uniforms(&self) -> Uniforms {
        let load = |(l, reading): (usize, &Reading)| match reading {
            Reading::Same(at) if (self.place)(self.cluster.loads[l].slot).is_constant() => {
                Some(self.same(l, *at))
            }
            _ => None,
        };
        self.readings.iter().enumerate().map(load).collect()
    }

    /// Writes the code for elements `index` to `index + width - 1`; `index` is a multiple of `width`.
    pub fn write(&self, index: Reg, width: usize, uniforms: &Uniforms) {
        let loaded: Vec<Vec<Reg>> = (0..self.readings.len())
            .map(|l| match uniforms[l] {
                Some(value) => vec![value; width],
                None => self.load(l, index, width),
            })
            .collect();
        let results: Vec<Vec<Reg>> = (0..width).map(|ahead| self.values(&loaded, ahead)).collect();
        for &(register, slot) in &self.cluster.stores {
            let dtype = self.cluster.code[register].dtype;
            let values: Vec<Reg> = results
                .iter()
                .map(|registers| in_memory(self.to(), registers[register], dtype))
                .collect();
            let position = Position {
                variable: Some(index),
                fixed: 0,
            };
            self.access.store((self.place)(slot), dtype, position, &values);
        }
    }

    /// The elements of a view.
    fn load(&self, l: usize, index: Reg, width: usize) -> Vec<Reg> {
        let (reading, size) = (&self.readings[l], self.dtype(l).size());
        if let Reading::Same(at) = reading {
            return vec![self.same(l, *at); width];
        }
        let at = |ahead: usize| self.access.positions.of_view(reading, index, ahead, width);
        if width > 1 && is_aligned(reading, size, width) {
            return self.element(l, at(0), width);
        }
        (0..width).map(|ahead| self.element(l, at(ahead), 1)[0]).collect()
    }

    /// The element that all elements of the cluster read.
    fn same(&self, l: usize, at: usize) -> Reg {
        let position = Position {
            variable: None,
            fixed: at as i64,
        };
        self.element(l, position, 1)[0]
    }

    fn element(&self, l: usize, position: Position, count: usize) -> Vec<Reg> {
        let dtype = self.dtype(l);
        let place = (self.place)(self.cluster.loads[l].slot);
        let loaded = self.access.load(place, dtype, position, count);
        if dtype != DType::Bool {
            return loaded;
        }
        let truth = |byte: &Reg| self.to().op(Class::Pred, "setp.ne.s32", &[byte, &0]);
        loaded.iter().map(truth).collect()
    }

    /// The registers of the cluster for one element.
    fn values(&self, loaded: &[Vec<Reg>], ahead: usize) -> Vec<Reg> {
        let code = &self.cluster.code;
        let mut registers: Vec<Reg> = Vec::with_capacity(code.len());
        for instr in code {
            let value = match instr.kind {
                InstrKind::Load(l) => loaded[l][ahead],
                _ => self.value(instr, &registers),
            };
            registers.push(value);
        }
        registers
    }

    fn value(&self, instr: &Instr, registers: &[Reg]) -> Reg {
        let (to, code) = (self.to(), &self.cluster.code);
        match instr.kind {
            InstrKind::Load(_) => unreachable!("loads come first"),
            InstrKind::Const(bits) => constant(to, f64::from_bits(bits), instr.dtype),
            InstrKind::Unary(op, x) if instr.dtype == DType::F64 => apply::unary::<f64>(to, op, registers[x]),
            InstrKind::Unary(op, x) => apply::unary::<f32>(to, op, registers[x]),
            InstrKind::Binary(op, x, y) => apply::binary(to, op, code[x].dtype, registers[x], registers[y]),
            InstrKind::Where(c, x, y) => {
                apply::select(to, instr.dtype, registers[c], registers[x], registers[y])
            }
            InstrKind::Cast(x) => cast(to, registers[x], code[x].dtype, instr.dtype),
        }
    }
}

/// A value as it is in memory: truth values as bytes.
fn in_memory(to: &Emitter, value: Reg, dtype: DType) -> Reg {
    if dtype == DType::Bool {
        cast(to, value, DType::Bool, DType::U8)
    } else {
        value
    }
}
