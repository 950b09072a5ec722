//! Bytes of the x86-64 instructions that cluster code consists of (Intel's manual, volume 2): vector instructions
//! as VEX (AVX2) or EVEX (AVX-512), and the few others that a loop takes.

/// A vector instruction: mandatory prefix (0 none, 1 = 66, 2 = F3, 3 = F2), opcode map (1 = 0F, 2 = 0F38,
/// 3 = 0F3A), opcode, and the W bit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Insn {
    pub prefix: u8,
    pub map: u8,
    pub opcode: u8,
    pub w: bool,
}

pub(super) const fn insn(prefix: u8, map: u8, opcode: u8, w: bool) -> Insn {
    Insn {
        prefix,
        map,
        opcode,
        w,
    }
}

/// Bytes of a vector register: 16, 32 or 64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Width(pub usize);

impl Width {
    const fn bits(self) -> u8 {
        match self.0 {
            64 => 2,
            32 => 1,
            _ => 0,
        }
    }
}

/// A general register by its number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct General(pub u8);

/// The element that a loop is at.
pub(super) const INDEX: General = General(0);
/// Free for the moment.
pub(super) const TEMPORARY: General = General(1);
/// One after the last element of the loop.
pub(super) const END: General = General(6);
/// The argument table.
pub(super) const ARGUMENTS: General = General(7);

/// The last operand of a vector instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operand {
    Register(u8),
    Memory(Address),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Address {
    /// `base + INDEX * scale + displacement`; the scale is 1, 2, 4 or 8.
    Indexed(General, u8, i32),
    /// `base + displacement`.
    Based(General, i32),
    /// A byte of the constants after the code.
    Pool(usize),
}

/// An EVEX write mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Masked {
    pub k: u8,
    /// Elements without a mask bit become 0 rather than staying.
    pub zeroing: bool,
}

/// A forward jump whose target is not known yet.
pub(super) struct Jump(usize);

/// Condition codes of jumps.
#[derive(Clone, Copy)]
pub(super) enum Condition {
    Below = 2,
    Zero = 4,
}

/// The code so far.
#[derive(Default)]
pub(super) struct Assembler {
    code: Vec<u8>,
    pool: Vec<u8>,
    /// For each displacement to the pool its offset, the end of its instruction, and the target's offset in the pool.
    fixups: Vec<(usize, usize, usize)>,
    /// EVEX rather than VEX.
    pub wide: bool,
}

impl Assembler {
    pub fn new(wide: bool) -> Assembler {
        Assembler {
            wide,
            ..Assembler::default()
        }
    }

    /// A vector instruction without mask.
    pub fn vector(&mut self, insn: Insn, width: Width, dst: u8, first: u8, last: Operand, imm: Option<u8>) {
        if self.wide {
            self.evex(insn, width, dst, first, last, None, imm);
        } else {
            self.vex(insn, width.bits(), dst, first, last, imm);
        }
    }

    /// An instruction with a VEX prefix; also for mask registers, whose L bit is `length`.
    pub fn vex(&mut self, insn: Insn, length: u8, dst: u8, first: u8, last: Operand, imm: Option<u8>) {
        let (x, b) = extension(last);
        self.code.push(0xc4);
        self.code
            .push(((dst >> 3 & 1) ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | insn.map);
        self.code
            .push(u8::from(insn.w) << 7 | (!first & 15) << 3 | length << 2 | insn.prefix);
        self.rest(insn, dst, last, imm);
    }

    /// With a prefix as AVX-512 has it.
    #[expect(clippy::too_many_arguments, reason = "the fields of the prefix")]
    pub fn evex(
        &mut self,
        insn: Insn,
        width: Width,
        dst: u8,
        first: u8,
        last: Operand,
        mask: Option<Masked>,
        imm: Option<u8>,
    ) {
        let (mut x, b) = extension(last);
        if let Operand::Register(register) = last {
            x = register >> 4 & 1;
        }
        let (k, zeroing) = mask.map_or((0, false), |mask| (mask.k, mask.zeroing));
        self.code.push(0x62);
        self.code.push(
            ((dst >> 3 & 1) ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | ((dst >> 4 & 1) ^ 1) << 4 | insn.map,
        );
        self.code
            .push(u8::from(insn.w) << 7 | (!first & 15) << 3 | 1 << 2 | insn.prefix);
        self.code
            .push(u8::from(zeroing) << 7 | width.bits() << 5 | ((first >> 4 & 1) ^ 1) << 3 | k);
        self.rest(insn, dst, last, imm);
    }

    /// Opcode, operands, immediate.
    fn rest(&mut self, insn: Insn, dst: u8, last: Operand, imm: Option<u8>) {
        self.code.push(insn.opcode);
        let reg = (dst & 7) << 3;
        match last {
            Operand::Register(register) => self.code.push(0xc0 | reg | register & 7),
            Operand::Memory(Address::Indexed(base, scale, displacement)) => {
                // A base register 5 or 13 needs a displacement.
                let needs = base.0 & 7 == 5 || displacement != 0;
                self.code.push(u8::from(needs) << 7 | reg | 4);
                self.code
                    .push((scale.trailing_zeros() as u8) << 6 | (INDEX.0 & 7) << 3 | base.0 & 7);
                if needs {
                    self.code.extend(displacement.to_le_bytes());
                }
            }
            Operand::Memory(Address::Based(base, displacement)) => {
                self.code.push(0x80 | reg | base.0 & 7);
                if base.0 & 7 == 4 {
                    self.code.push(0x24);
                }
                self.code.extend(displacement.to_le_bytes());
            }
            Operand::Memory(Address::Pool(at)) => {
                self.code.push(reg | 5);
                let byte = self.code.len();
                self.fixups
                    .push((byte, byte + 4 + usize::from(imm.is_some()), at));
                self.code.extend([0; 4]);
            }
        }
        self.code.extend(imm);
    }

    /// `to = [ARGUMENTS + 8 i]`.
    pub fn load_argument(&mut self, to: General, i: usize) {
        self.code.extend([
            0x48 | (to.0 >> 3) << 2,
            0x8b,
            0x80 | (to.0 & 7) << 3 | ARGUMENTS.0,
        ]);
        self.code.extend((8 * i as i32).to_le_bytes());
    }

    pub fn push(&mut self, register: General) {
        self.code.extend([0x40 | register.0 >> 3, 0x50 | register.0 & 7]);
    }

    pub fn pop(&mut self, register: General) {
        self.code.extend([0x40 | register.0 >> 3, 0x58 | register.0 & 7]);
    }

    /// `register = 0`.
    pub fn clear(&mut self, register: General) {
        self.code.extend([0x31, 0xc0 | register.0 << 3 | register.0]);
    }

    /// `register &= mask`, sets the flags.
    pub fn and(&mut self, register: General, mask: i8) {
        self.code.extend([0x48, 0x83, 0xe0 | register.0, mask as u8]);
    }

    /// `register += number`.
    pub fn add(&mut self, register: General, number: i8) {
        self.code.extend([0x48, 0x83, 0xc0 | register.0, number as u8]);
    }

    /// Compares for a jump.
    pub fn compare(&mut self, a: General, b: General) {
        self.code.extend([0x48, 0x39, 0xc0 | b.0 << 3 | a.0]);
    }

    /// Mask register `k` gets its `TEMPORARY` lowest bits set; destroys `END`.
    pub fn low_bits(&mut self, k: u8) {
        self.code.extend([0xb8 | END.0, 0xff, 0xff, 0xff, 0xff]);
        // bzhi END, END, TEMPORARY, then kmovd k, END.
        let end = Operand::Register(END.0);
        self.vex(insn(0, 2, 0xf5, false), 0, END.0, TEMPORARY.0, end, None);
        self.vex(insn(3, 1, 0x92, false), 0, k, 0, end, None);
    }

    pub fn jump_forward(&mut self, condition: Condition) -> Jump {
        self.code.extend([0x0f, 0x80 | condition as u8, 0, 0, 0, 0]);
        Jump(self.code.len())
    }

    /// The target of a jump is here.
    pub fn land(&mut self, jump: &Jump) {
        let distance = (self.code.len() - jump.0) as i32;
        self.code[jump.0 - 4..jump.0].copy_from_slice(&distance.to_le_bytes());
    }

    /// Where a loop starts.
    pub fn head(&mut self) -> usize {
        while !self.code.len().is_multiple_of(16) {
            self.code.push(0x90);
        }
        self.code.len()
    }

    pub fn jump_back(&mut self, condition: Condition, head: usize) {
        let end = self.code.len() + 6;
        self.code.extend([0x0f, 0x80 | condition as u8]);
        self.code
            .extend((head as i32).wrapping_sub(end as i32).to_le_bytes());
    }

    /// Clears the upper halves of the registers (vzeroupper).
    pub fn leave_vectors(&mut self) {
        self.code.extend([0xc5, 0xf8, 0x77]);
    }

    /// Non-temporal stores before it are visible before later stores (sfence).
    pub fn store_fence(&mut self) {
        self.code.extend([0x0f, 0xae, 0xf8]);
    }

    pub fn ret(&mut self) {
        self.code.push(0xc3);
    }

    /// Adds constant bytes, aligned to their number, and returns their offset.
    pub fn constant(&mut self, bytes: &[u8]) -> usize {
        self.pool.resize(self.pool.len().next_multiple_of(bytes.len()), 0);
        self.pool.extend_from_slice(bytes);
        self.pool.len() - bytes.len()
    }

    /// The code, followed by its constants.
    pub fn finish(mut self) -> Vec<u8> {
        let start = self.code.len().next_multiple_of(64);
        self.code.resize(start, 0xcc);
        for (byte, end, at) in self.fixups {
            let distance = (start + at - end) as i32;
            self.code[byte..byte + 4].copy_from_slice(&distance.to_le_bytes());
        }
        self.code.extend(self.pool);
        self.code
    }
}

/// The bits X and B, for numbers from 8 on.
fn extension(last: Operand) -> (u8, u8) {
    match last {
        Operand::Register(register) => (0, register >> 3 & 1),
        Operand::Memory(Address::Indexed(base, ..) | Address::Based(base, _)) => (0, base.0 >> 3 & 1),
        Operand::Memory(Address::Pool(_)) => (0, 0),
    }
}
