//! Loads and stores of a body: whole vectors, or the first elements of one.

use super::assembler::{Address, Insn, Masked, Operand, Width, insn};
use super::emit::Body;
use super::graph::Id;
use super::registers::{TAIL, moving};

/// The masks of a body that computes only the first elements of a vector.
const TAIL_LOAD: Masked = Masked {
    k: TAIL,
    zeroing: true,
};
const TAIL_STORE: Masked = Masked {
    k: TAIL,
    zeroing: false,
};

impl Body<'_, '_> {
    pub(super) fn load(&mut self, id: Id, which: Insn, size: usize, stream: u64) {
        if self.registers.has_home(id) {
            return;
        }
        let (kind, mask) = (self.graph().kind(id), self.tail.then_some(TAIL_LOAD));
        let to = self.registers.result(id);
        let at = self.registers.stream(stream, size);
        self.registers.memory_move(which, self.width(kind), to, at, mask);
    }

    pub(super) fn store(&mut self, a: Id, stream: u64, past_caches: bool) {
        let (kind, mask) = (self.graph().kind(a), self.tail.then_some(TAIL_STORE));
        let from = self.registers.register_of(a);
        let at = self.registers.stream(stream, kind.size());
        // vmovntps or vmovntpd, which write whole vectors only.
        let opcode = if past_caches && !self.tail { 0x2b } else { 0x11 };
        self.registers
            .memory_move(moving(kind, opcode), self.width(kind), from, at, mask);
        self.registers.release_operands();
    }

    pub(super) fn store_bytes(&mut self, mask: Id, stream: u64) {
        let from = self.registers.register_of(mask);
        let bytes = self.registers.free_vector();
        let at = self.registers.stream(stream, 1);
        let lanes = self.graph().lanes;
        if self.graph().wide {
            let asm = &mut self.registers.asm;
            let ones = asm.constant(&[1; 16]);
            let ones = Operand::Memory(Address::Pool(ones));
            let chosen = Masked {
                k: from,
                zeroing: true,
            };
            asm.evex(
                insn(3, 1, 0x6f, false),
                Width(16),
                bytes,
                0,
                ones,
                Some(chosen),
                None,
            );
            let at = Operand::Memory(at);
            if self.tail {
                asm.evex(
                    insn(3, 1, 0x7f, false),
                    Width(16),
                    bytes,
                    0,
                    at,
                    Some(TAIL_STORE),
                    None,
                );
            } else if lanes == 16 {
                asm.evex(insn(3, 1, 0x7f, false), Width(16), bytes, 0, at, None, None);
            } else {
                asm.evex(insn(1, 1, 0xd6, true), Width(16), bytes, 0, at, None, None);
            }
        } else {
            self.narrow_bytes(from, bytes);
            // vmovq or vmovd.
            let opcode = if lanes == 8 { 0xd6 } else { 0x7e };
            let at = Operand::Memory(at);
            self.registers
                .asm
                .vector(insn(1, 1, opcode, false), Width(16), bytes, 0, at, None);
        }
        self.registers.release_operands();
    }

    /// 32-bit truth values to bytes 0 and 1.
    fn narrow_bytes(&mut self, from: u8, bytes: u8) {
        let lanes = self.graph().lanes;
        let asm = &mut self.registers.asm;
        let mut high = from;
        if lanes == 8 {
            asm.vector(
                insn(1, 3, 0x39, false),
                Width(32),
                from,
                0,
                Operand::Register(bytes),
                Some(1),
            );
            high = bytes;
        }
        let (high, bytes_operand) = (Operand::Register(high), Operand::Register(bytes));
        // vpackssdw, vpacksswb, vpabsb.
        asm.vector(insn(1, 1, 0x6b, false), Width(16), bytes, from, high, None);
        asm.vector(
            insn(1, 1, 0x63, false),
            Width(16),
            bytes,
            bytes,
            bytes_operand,
            None,
        );
        asm.vector(insn(1, 2, 0x1c, false), Width(16), bytes, 0, bytes_operand, None);
    }
}
