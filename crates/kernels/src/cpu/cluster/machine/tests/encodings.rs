//! Bytes of instructions, against those that GNU as makes.

use super::super::assembler::*;

/// What GNU as makes of the instruction.
fn same(expected: &[u8], write: impl FnOnce(&mut Assembler)) {
    let mut asm = Assembler::new(true);
    write(&mut asm);
    let code = asm.finish();
    let (given, rest) = code.split_at(expected.len());
    assert_eq!(given, expected, "{given:02x?} instead of {expected:02x?}");
    // What follows is filled up with int3.
    assert!(rest.iter().all(|&byte| byte == 0xcc));
}

const ADD: Insn = insn(0, 1, 0x58, false);
const Z: Width = Width(64);
const Y: Width = Width(32);

fn register(number: u8) -> Operand {
    Operand::Register(number)
}

fn indexed(base: u8, scale: u8) -> Operand {
    Operand::Memory(Address::Indexed(General(base), scale, 0))
}

fn masked(k: u8, zeroing: bool) -> Option<Masked> {
    Some(Masked { k, zeroing })
}

#[test]
fn avx_512_instructions() {
    // vaddps zmm1, zmm2, zmm3 and zmm31, zmm17, zmm9
    same(&[0x62, 0xf1, 0x6c, 0x48, 0x58, 0xcb], |asm| {
        asm.vector(ADD, Z, 1, 2, register(3), None);
    });
    same(&[0x62, 0x41, 0x74, 0x40, 0x58, 0xf9], |asm| {
        asm.vector(ADD, Z, 31, 17, register(9), None);
    });
    // vfmadd132ps zmm1, zmm22, [rbx+rax*4]
    same(&[0x62, 0xf2, 0x4d, 0x40, 0x98, 0x0c, 0x83], |asm| {
        asm.vector(insn(1, 2, 0x98, false), Z, 1, 22, indexed(3, 4), None);
    });
    // vmovups [r12+rax*4]{k7}, zmm30
    same(&[0x62, 0x41, 0x7c, 0x4f, 0x11, 0x34, 0x84], |asm| {
        asm.evex(
            insn(0, 1, 0x11, false),
            Z,
            30,
            0,
            indexed(12, 4),
            masked(7, false),
            None,
        );
    });
    // vmovdqu8 xmm5{k2}{z}, and vpmovzxbd zmm1{k7}{z}, [r8+rax]
    same(&[0x62, 0xf1, 0x7f, 0x8a, 0x6f, 0xee], |asm| {
        asm.evex(
            insn(3, 1, 0x6f, false),
            Width(16),
            5,
            0,
            register(6),
            masked(2, true),
            None,
        );
    });
    same(&[0x62, 0xd2, 0x7d, 0xcf, 0x31, 0x0c, 0x00], |asm| {
        asm.evex(
            insn(1, 2, 0x31, false),
            Z,
            1,
            0,
            indexed(8, 1),
            masked(7, true),
            None,
        );
    });
    // vgetexppd zmm1, zmm2; vpternlogd zmm1, zmm2, zmm3, 0xd8; vpslld zmm7, zmm9, 23
    same(&[0x62, 0xf2, 0xfd, 0x48, 0x42, 0xca], |asm| {
        asm.vector(insn(1, 2, 0x42, true), Z, 1, 0, register(2), None);
    });
    same(&[0x62, 0xf3, 0x6d, 0x48, 0x25, 0xcb, 0xd8], |asm| {
        asm.vector(insn(1, 3, 0x25, false), Z, 1, 2, register(3), Some(0xd8));
    });
    same(&[0x62, 0xd1, 0x45, 0x48, 0x72, 0xf1, 0x17], |asm| {
        asm.vector(insn(1, 1, 0x72, false), Z, 6, 7, register(9), Some(23));
    });
}

#[test]
fn avx2_instructions() {
    let vex = |insn, width: Width, dst, first, last, imm| {
        move |asm: &mut Assembler| asm.vex(insn, u8::from(width == Y), dst, first, last, imm)
    };
    // vaddps ymm9, ymm10, ymm11; vdivpd ymm1, ymm2, [r9+rax*8]
    same(
        &[0xc4, 0x41, 0x2c, 0x58, 0xcb],
        vex(ADD, Y, 9, 10, register(11), None),
    );
    same(
        &[0xc4, 0xc1, 0xed, 0x5e, 0x0c, 0xc1],
        vex(insn(1, 1, 0x5e, true), Y, 1, 2, indexed(9, 8), None),
    );
    // vblendvps ymm1, ymm2, ymm3, ymm4; vextracti128 xmm3, ymm4, 1
    same(
        &[0xc4, 0xe3, 0x6d, 0x4a, 0xcb, 0x40],
        vex(insn(1, 3, 0x4a, false), Y, 1, 2, register(3), Some(0x40)),
    );
    same(
        &[0xc4, 0xe3, 0x7d, 0x39, 0xe3, 0x01],
        vex(insn(1, 3, 0x39, false), Y, 4, 0, register(3), Some(1)),
    );
    // kmovq [rcx+128], k2
    let spilled = Operand::Memory(Address::Based(TEMPORARY, 128));
    same(&[0xc4, 0xe1, 0xf8, 0x91, 0x91, 0x80, 0, 0, 0], |asm| {
        asm.vex(insn(0, 1, 0x91, true), 0, 2, 0, spilled, None);
    });
}

#[test]
fn other_instructions() {
    // mov r13, [rdi+40]; push r15; pop rbx; xor eax, eax; and rsi, -64; add rax, 64; cmp rax, rsi; ret
    same(&[0x4c, 0x8b, 0xaf, 40, 0, 0, 0], |asm| {
        asm.load_argument(General(13), 5)
    });
    same(&[0x41, 0x57, 0x40, 0x5b], |asm| {
        asm.push(General(15));
        asm.pop(General(3));
    });
    same(&[0x31, 0xc0, 0x48, 0x83, 0xe6, 0xc0], |asm| {
        asm.clear(INDEX);
        asm.and(END, -64);
    });
    same(&[0x48, 0x83, 0xc0, 0x40, 0x48, 0x39, 0xf0, 0xc3], |asm| {
        asm.add(INDEX, 64);
        asm.compare(INDEX, END);
        asm.ret();
    });
    // mov esi, -1; bzhi esi, esi, ecx; kmovd k7, esi
    let expected = [
        0xbe, 0xff, 0xff, 0xff, 0xff, 0xc4, 0xe2, 0x70, 0xf5, 0xf6, 0xc4, 0xe1, 0x7b, 0x92, 0xfe,
    ];
    same(&expected, |asm| asm.low_bits(7));
}

#[test]
fn jumps_and_constants_reach_their_targets() {
    let mut asm = Assembler::new(true);
    let place = asm.constant(&[7; 64]);
    let skip = asm.jump_forward(Condition::Zero);
    let head = asm.head();
    asm.vector(ADD, Z, 0, 0, Operand::Memory(Address::Pool(place)), None);
    asm.jump_back(Condition::Below, head);
    asm.land(&skip);
    asm.ret();
    let code = asm.finish();
    // The jump forward is 6 bytes, the head at 16, the sum 10 bytes, the jump back 6, then ret.
    assert_eq!(code[2..6], 26_i32.to_le_bytes());
    assert_eq!(code[28..32], (-16_i32).to_le_bytes());
    assert_eq!(code[22..26], (64 - 26_i32).to_le_bytes());
    assert_eq!(code[64..], [7; 64]);
}
