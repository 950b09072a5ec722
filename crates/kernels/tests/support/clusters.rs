//! Clusters made by hand, and what they compute by the reference.
#![allow(dead_code, reason = "each test binary uses a part")]

use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::{Cluster, Instr, InstrKind, View};
use hyperglow_core::reference::{Value, evaluate};
use hyperglow_core::{DType, Shape};

/// An instruction.
pub fn instr(kind: InstrKind, dtype: DType) -> Instr {
    Instr { kind, dtype }
}

/// The operation of an instruction, and its operands.
pub fn op_of(instr: &Instr) -> Option<(Op, Vec<usize>)> {
    match instr.kind {
        InstrKind::Load(_) | InstrKind::Const(_) => None,
        InstrKind::Unary(op, x) => Some((Op::Unary(op), vec![x])),
        InstrKind::Binary(op, x, y) => Some((Op::Binary(op), vec![x, y])),
        InstrKind::Where(c, x, y) => Some((Op::Where, vec![c, x, y])),
        InstrKind::Cast(x) => Some((Op::Cast(instr.dtype), vec![x])),
    }
}

/// The elements of a view, contiguous.
pub fn materialize(view: &View, from: &Value) -> Value {
    let dtype = from.spec().dtype;
    let (bytes, size) = (from.to_bytes(), dtype.size());
    let mut out = Vec::new();
    for i in 0..view.shape.size() {
        let (mut at, mut rest) = (view.offset as isize, i);
        for (&extent, &stride) in view.shape.dims().iter().zip(&view.strides).rev() {
            at += (rest % extent) as isize * stride;
            rest /= extent;
        }
        out.extend_from_slice(&bytes[at as usize * size..][..size]);
    }
    Value::from_bytes(&Spec::new(view.shape.clone(), dtype), &out)
}

/// What the registers hold, by the reference.
pub fn expected(cluster: &Cluster, inputs: &[&Value]) -> Vec<Value> {
    let mut registers: Vec<Value> = Vec::new();
    for instr in &cluster.code {
        let spec = Spec::new(cluster.shape.clone(), instr.dtype);
        let value = match (&instr.kind, op_of(instr)) {
            (InstrKind::Load(l), _) => materialize(&cluster.loads[*l], inputs[cluster.loads[*l].slot]),
            (InstrKind::Const(bits), _) => evaluate(&Op::Const(*bits), &[], &spec).unwrap(),
            (_, Some((op, operands))) => {
                let operands: Vec<&Value> = operands.iter().map(|&r| &registers[r]).collect();
                evaluate(&op, &operands, &spec).unwrap()
            }
            _ => unreachable!(),
        };
        registers.push(value);
    }
    registers
}

/// All of a slot, in order.
pub fn whole(slot: usize, shape: &[usize]) -> View {
    View::contiguous(slot, Shape::from(shape))
}
