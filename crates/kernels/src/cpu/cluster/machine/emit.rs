//! One body of a loop: the instructions of each operation.

use super::assembler::{Insn, Masked, Operand, Width, insn};
use super::graph::{Graph, Id, Kind, Op, Value};
use super::registers::{Home, Registers, moving};
use super::schedule::is_store;

/// A vector instruction on floats of a kind: in prefix and W bit.
const fn float(kind: Kind, opcode: u8) -> Insn {
    let double = matches!(kind, Kind::F64);
    insn(double as u8, 1, opcode, double)
}

/// An instruction whose kind is its W bit.
const fn sized(kind: Kind, map: u8, opcode: u8) -> Insn {
    insn(1, map, opcode, matches!(kind, Kind::F64))
}

/// Writes the instructions of `order` for one vector, or for a part of one.
pub(super) struct Body<'r, 'g> {
    pub registers: &'r mut Registers<'g>,
    pub tail: bool,
}

impl Body<'_, '_> {
    pub fn emit(&mut self, order: &[Id]) {
        self.fold_loads(order);
        for (position, &id) in order.iter().enumerate() {
            let operands = self.graph().value(id).operands();
            self.registers.uses.advance(position, operands);
            self.operation(id);
        }
    }

    /// Operands that are read once, by an instruction that can read memory, are not loaded before.
    fn fold_loads(&mut self, order: &[Id]) {
        if self.tail {
            return;
        }
        for &id in order {
            let &Value { op, imm, .. } = self.graph().value(id);
            if op == Op::Load
                && let Some(user) = self.registers.uses.only(id)
                && !is_store(self.graph().value(order[user]).op)
            {
                self.registers.set_home(id, Home::Stream(imm));
            }
        }
    }

    pub(super) fn graph(&self) -> &Graph {
        self.registers.graph
    }

    pub(super) fn width(&self, kind: Kind) -> Width {
        self.registers.width(kind)
    }

    fn operation(&mut self, id: Id) {
        let Value { op, kind, args, imm } = *self.graph().value(id);
        let [a, b, c] = args;
        let wide = self.graph().wide;
        let mask = wide && kind == Kind::Mask;
        let double = kind == Kind::F64;
        match op {
            Op::Constant | Op::Uniform => {}
            Op::Load => self.load(id, moving(kind, 0x10), kind.size(), imm),
            Op::LoadBytes => self.load(id, insn(1, 2, 0x31, false), 1, imm),
            Op::And if mask => self.masks(0x41, id, a, b),
            Op::AndNot if mask => self.masks(0x42, id, a, b),
            Op::Or if mask => self.masks(0x45, id, a, b),
            Op::Xor if mask => self.masks(0x47, id, a, b),
            Op::True => {
                let k = self.registers.result(id);
                self.registers
                    .asm
                    .vex(insn(0, 1, 0x46, false), 1, k, k, Operand::Register(k), None);
            }
            Op::And => self.either_way(float(kind, 0x54), id, a, b),
            Op::AndNot => self.binary(float(kind, 0x55), id, a, b, None),
            Op::Or => self.either_way(float(kind, 0x56), id, a, b),
            Op::Xor => self.either_way(float(kind, 0x57), id, a, b),
            Op::Add => self.either_way(float(kind, 0x58), id, a, b),
            Op::Mul => self.either_way(float(kind, 0x59), id, a, b),
            Op::Sub => self.binary(float(kind, 0x5c), id, a, b, None),
            Op::Smaller => self.binary(float(kind, 0x5d), id, a, b, None),
            Op::Div => self.binary(float(kind, 0x5e), id, a, b, None),
            Op::Larger => self.binary(float(kind, 0x5f), id, a, b, None),
            Op::Fma => self.fma(id, a, b, c),
            Op::Sqrt => self.unary(float(kind, 0x51), self.width(kind), id, a, None),
            Op::Round => {
                let which = insn(1, 3, 0x08 + u8::from(double), wide && double);
                self.unary(which, self.width(kind), id, a, Some(8 | imm as u8));
            }
            Op::Compare => {
                let operands = self.graph().kind(a);
                self.compare(float(operands, 0xc2), id, a, b, Some(imm as u8));
            }
            Op::Select => self.select(id, a, b, c),
            Op::Scale => self.binary(sized(kind, 2, 0x2c), id, a, b, None),
            Op::Exponent => self.unary(sized(kind, 2, 0x42), self.width(kind), id, a, None),
            // The interval [3/4, 3/2).
            Op::Mantissa => self.unary(sized(kind, 3, 0x26), self.width(kind), id, a, Some(3)),
            Op::CopySign => self.copy_sign(id, a, b, c),
            Op::Test => self.compare(insn(1, 2, 0x27, false), id, a, a, None),
            Op::IntAdd => self.either_way(sized(kind, 1, if double { 0xd4 } else { 0xfe }), id, a, b),
            Op::IntSub => self.binary(sized(kind, 1, if double { 0xfb } else { 0xfa }), id, a, b, None),
            Op::IntMul => self.either_way(insn(1, 2, 0x40, false), id, a, b),
            Op::IntSmaller => self.either_way(insn(1, 2, 0x39, false), id, a, b),
            Op::IntLarger => self.either_way(insn(1, 2, 0x3d, false), id, a, b),
            Op::IntEqual => self.compare(insn(1, 1, 0x76, false), id, a, b, None),
            Op::IntGreater => self.compare(insn(1, 1, 0x66, false), id, a, b, None),
            Op::ShiftLeft => self.shift(6, id, a, imm as u8),
            Op::ShiftRight => self.shift(2, id, a, imm as u8),
            Op::FromInt if double => self.unary(insn(2, 1, 0xe6, false), self.width(kind), id, a, None),
            Op::FromInt => self.unary(insn(0, 1, 0x5b, false), self.width(kind), id, a, None),
            Op::ToInt if self.graph().kind(a) == Kind::F64 => {
                self.unary(insn(1, 1, 0xe6, true), self.width(Kind::F64), id, a, None);
            }
            Op::ToInt => self.unary(insn(2, 1, 0x5b, false), self.width(kind), id, a, None),
            // Both with the width of the doubles.
            Op::Convert => {
                let which = insn(u8::from(!double), 1, 0x5a, !double);
                self.unary(which, self.width(Kind::F64), id, a, None);
            }
            Op::Widen => self.unary(insn(1, 2, 0x25, false), self.width(Kind::F64), id, a, None),
            Op::Narrow => self.narrow(id, a),
            Op::Store => self.store(a, imm, false),
            Op::StorePast => self.store(a, imm, true),
            Op::StoreBytes => self.store_bytes(a, imm),
        }
    }

    fn unary(&mut self, which: Insn, width: Width, id: Id, a: Id, imm: Option<u8>) {
        self.registers.pin(a);
        let last = self.registers.found(a);
        let to = self.registers.result(id);
        let last = last.map_or_else(|| self.registers.operand(a), Operand::Register);
        self.registers.asm.vector(which, width, to, 0, last, imm);
    }

    /// `id = a op b`, a commutative operation.
    fn either_way(&mut self, which: Insn, id: Id, a: Id, b: Id) {
        if self.registers.found(a).is_none() {
            self.binary(which, id, b, a, None);
        } else {
            self.binary(which, id, a, b, None);
        }
    }

    /// `id = a op b`.
    fn binary(&mut self, which: Insn, id: Id, a: Id, b: Id, imm: Option<u8>) {
        let width = self.width(self.graph().kind(id));
        self.two(which, width, id, a, b, imm);
    }

    /// A mask: in a mask register, or as wide as the operands.
    fn compare(&mut self, which: Insn, id: Id, a: Id, b: Id, imm: Option<u8>) {
        let width = self.width(self.graph().kind(a));
        self.two(which, width, id, a, b, imm);
    }

    fn two(&mut self, which: Insn, width: Width, id: Id, a: Id, b: Id, imm: Option<u8>) {
        let first = self.registers.register_of(a);
        let last = self.registers.found(b);
        self.registers.pin(b);
        let to = self.registers.result(id);
        let last = last.map_or_else(|| self.registers.operand(b), Operand::Register);
        self.registers.asm.vector(which, width, to, first, last, imm);
    }

    /// On mask registers.
    fn masks(&mut self, opcode: u8, id: Id, a: Id, b: Id) {
        let (first, last) = (self.registers.register_of(a), self.registers.register_of(b));
        let to = self.registers.result(id);
        self.registers.asm.vex(
            insn(0, 1, opcode, false),
            1,
            to,
            first,
            Operand::Register(last),
            None,
        );
    }

    fn shift(&mut self, which: u8, id: Id, a: Id, bits: u8) {
        let kind = self.graph().kind(id);
        let opcode = if kind == Kind::F64 { 0x73 } else { 0x72 };
        let from = self.registers.register_of(a);
        let to = self.registers.result(id);
        // The opcode's extension is where others have the result.
        let width = self.width(kind);
        self.registers.asm.vector(
            sized(kind, 1, opcode),
            width,
            which,
            to,
            Operand::Register(from),
            Some(bits),
        );
    }

    /// `id = mask ? a : b`.
    fn select(&mut self, id: Id, mask: Id, a: Id, b: Id) {
        let kind = self.graph().kind(id);
        let k = self.registers.register_of(mask);
        let first = self.registers.register_of(b);
        let last = self.registers.found(a);
        self.registers.pin(a);
        let to = self.registers.result(id);
        let last = last.map_or_else(|| self.registers.operand(a), Operand::Register);
        let width = self.width(kind);
        let asm = &mut self.registers.asm;
        if asm.wide {
            let mask = Masked { k, zeroing: false };
            asm.evex(sized(kind, 2, 0x65), width, to, first, last, Some(mask), None);
        } else {
            let opcode = 0x4a + u8::from(kind == Kind::F64);
            asm.vector(insn(1, 3, opcode, false), width, to, first, last, Some(k << 4));
        }
    }

    /// An instruction whose result replaces operand `from`: that operand's register if it is used no more, else a
    /// copy.
    fn replace(&mut self, from: Id, id: Id) -> u8 {
        if self.registers.dies(from) {
            return self.registers.take_over(from, id);
        }
        let register = self.registers.found(from);
        let to = self.registers.separate_result(id);
        match register {
            Some(register) => {
                let width = self.width(self.graph().kind(from));
                let last = Operand::Register(register);
                self.registers
                    .asm
                    .vector(insn(0, 1, 0x28, false), width, to, 0, last, None);
            }
            None => self.registers.load(from, to),
        }
        to
    }

    /// `id = a * b + c`. One of the three is overwritten, another may be in memory.
    fn fma(&mut self, id: Id, a: Id, b: Id, c: Id) {
        let kind = self.graph().kind(id);
        let width = self.width(kind);
        let registers = &*self.registers;
        let in_memory = |x: Id| registers.found(x).is_none();
        // The overwritten operand: one without later uses, or one that must be loaded anyway.
        let distinct = |x: Id| [a, b, c].iter().filter(|&&y| y == x).count() == 1;
        let dying = [a, b, c].into_iter().find(|&x| registers.dies(x) && distinct(x));
        let given = dying
            .or_else(|| [c, a, b].into_iter().find(|&x| in_memory(x) && distinct(x)))
            .unwrap_or(c);
        let (opcode, first, last) = if given == c {
            // 231: c += first * last.
            if in_memory(a) { (0xb8, b, a) } else { (0xb8, a, b) }
        } else {
            let other = if given == a { b } else { a };
            if in_memory(other) && !in_memory(c) {
                // 132: given = given * last + first.
                (0x98, c, other)
            } else {
                // 213: given = first * given + last.
                (0xa8, other, c)
            }
        };
        self.registers.pin(given);
        let first_register = self.registers.register_of(first);
        let last_register = self.registers.found(last);
        self.registers.pin(last);
        let to = self.replace(given, id);
        let last = last_register.map_or_else(|| self.registers.operand(last), Operand::Register);
        self.registers
            .asm
            .vector(sized(kind, 2, opcode), width, to, first_register, last, None);
    }

    fn copy_sign(&mut self, id: Id, a: Id, sign: Id, bit: Id) {
        let kind = self.graph().kind(id);
        let width = self.width(kind);
        self.registers.pin(a);
        let first = self.registers.register_of(sign);
        let last = self.registers.found(bit);
        self.registers.pin(bit);
        let to = self.replace(a, id);
        let last = last.map_or_else(|| self.registers.operand(bit), Operand::Register);
        // vpternlog: bit ? sign : a.
        self.registers
            .asm
            .vector(sized(kind, 3, 0x25), width, to, first, last, Some(0xd8));
    }

    /// The lower halves of 64-bit truth values.
    fn narrow(&mut self, id: Id, a: Id) {
        let from = self.registers.register_of(a);
        let high = self.registers.free_vector();
        let asm = &mut self.registers.asm;
        // vextracti128 has its source where others have the result.
        asm.vector(
            insn(1, 3, 0x39, false),
            Width(32),
            from,
            0,
            Operand::Register(high),
            Some(1),
        );
        let to = self.registers.result(id);
        let high = Operand::Register(high);
        self.registers
            .asm
            .vector(insn(0, 1, 0xc6, false), Width(16), to, from, high, Some(0x88));
    }
}
