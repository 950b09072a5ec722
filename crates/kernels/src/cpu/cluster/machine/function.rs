//! The whole function of a cluster: it loads what stays the same, runs over the elements a vector at a time, and
//! computes the rest with a mask (AVX-512), or leaves it to the caller (AVX2).

use super::assembler::{Condition, END, General, INDEX, TEMPORARY};
use super::emit::Body;
use super::graph::{Graph, Id, Op};
use super::registers::{FIXED_ARGUMENTS, Home, Registers, TAIL};
use super::schedule::{Interleaved, interleave, is_invariant};

/// General registers for pointers: rdx, r8 to r11, and those that a caller expects unchanged.
const POINTERS: [u8; 11] = [2, 8, 9, 10, 11, 3, 5, 12, 13, 14, 15];
/// How many of them a function may use without saving them.
const FREE_POINTERS: usize = 5;

/// Machine code and the spill slots that it wants.
pub(super) struct Function {
    pub bytes: Vec<u8>,
    pub slots: usize,
}

/// Most vectors that a loop computes side by side, if their values fit the registers.
const SIDE_BY_SIDE: [usize; 2] = [4, 2];

/// The function that computes `order` for the elements 0 to n of its operands, mostly about `size` of them.
/// `is_pointer`: which arguments are addresses; the others are elements.
pub(super) fn function(graph: &Graph, order: &[Id], is_pointer: &[bool], size: usize) -> Function {
    let single = interleave(graph, order, 1);
    let pressure = pressure(&single);
    for copies in SIDE_BY_SIDE {
        // Copies share constants and temporaries, so that this many might fit.
        let might_fit = !pressure.spilled && copies * (pressure.most - 1) <= pressure.all;
        if might_fit && size >= 2 * copies * graph.lanes {
            let code = interleave(graph, order, copies);
            let pressure = self::pressure(&code);
            if !pressure.spilled {
                return write(&code, copies, pressure.room(), is_pointer);
            }
        }
    }
    write(&single, 1, pressure.room(), is_pointer)
}

/// The function with `copies` vectors side by side and `room` registers for loop invariants.
fn write(code: &Interleaved, copies: usize, room: usize, is_pointer: &[bool]) -> Function {
    let mut registers = Registers::new(&code.graph);
    let invariants = invariants(code);
    let (hoisted, at_home) = invariants.split_at(room.min(invariants.len()));
    let mut general = POINTERS.into_iter().map(General);
    registers.pointers = is_pointer
        .iter()
        .map(|&pointer| if pointer { general.next() } else { None })
        .collect();
    let used: Vec<General> = registers.pointers.iter().copied().flatten().collect();
    let saved = used.get(FREE_POINTERS..).unwrap_or(&[]);
    for &register in saved {
        registers.asm.push(register);
    }
    for (arg, register) in registers.pointers.clone().into_iter().enumerate() {
        if let Some(register) = register {
            registers.asm.load_argument(register, FIXED_ARGUMENTS + arg);
        }
    }
    place_constants(&mut registers, &invariants);
    spill_uniforms(&mut registers, at_home);
    hoist(&mut registers, hoisted);
    loops(&mut registers, code, copies, hoisted);
    if code.graph.values.iter().any(|value| value.op == Op::StorePast) {
        registers.asm.store_fence();
    }
    registers.asm.leave_vectors();
    for &register in saved.iter().rev() {
        registers.asm.pop(register);
    }
    registers.asm.ret();
    Function {
        slots: registers.slots,
        bytes: registers.asm.finish(),
    }
}

/// Loop invariants: uniform arguments first, then constants by their number of uses.
fn invariants(code: &Interleaved) -> Vec<Id> {
    let mut uses = vec![0; code.graph.values.len()];
    for &id in &code.first {
        code.graph
            .value(id)
            .operands()
            .for_each(|operand| uses[operand as usize] += 1);
    }
    let op = |id: Id| code.graph.value(id).op;
    let ids = 0..code.graph.values.len() as Id;
    let mut invariants: Vec<Id> = ids
        .filter(|&id| is_invariant(op(id)) && uses[id as usize] > 0)
        .collect();
    invariants.sort_by_key(|&id| (op(id) != Op::Uniform, std::cmp::Reverse(uses[id as usize])));
    invariants
}

/// Vector registers that bodies need if everything that is the same in every vector is read from memory.
struct Pressure {
    all: usize,
    most: usize,
    /// Even so, values are spilled.
    spilled: bool,
}

impl Pressure {
    /// Registers that are left over.
    fn room(&self) -> usize {
        if self.spilled {
            0
        } else {
            self.all.saturating_sub(self.most)
        }
    }
}

fn pressure(code: &Interleaved) -> Pressure {
    let mut registers = Registers::new(&code.graph);
    let invariants = invariants(code);
    place_constants(&mut registers, &invariants);
    spill_uniforms(&mut registers, &invariants);
    body(&mut registers, &code.all, &[], false);
    if code.graph.wide {
        body(&mut registers, &code.first, &[], true);
    }
    Pressure {
        all: registers.all(),
        most: registers.most.max(1),
        spilled: registers.spilled,
    }
}

fn place_constants(registers: &mut Registers<'_>, invariants: &[Id]) {
    for &id in invariants {
        let value = registers.graph.value(id);
        if value.op == Op::Constant {
            let bytes = value.imm.to_le_bytes()[..value.kind.size()].repeat(registers.graph.lanes);
            let place = registers.asm.constant(&bytes);
            registers.set_home(id, Home::Pool(place));
        }
    }
}

/// Uniform arguments without a register are broadcast to spill slots.
fn spill_uniforms(registers: &mut Registers<'_>, at_home: &[Id]) {
    for &id in at_home {
        let value = *registers.graph.value(id);
        if value.op == Op::Uniform {
            let home = Home::Slot(registers.slots);
            registers.slots += 1;
            registers.set_home(id, home);
            registers.broadcast(value.imm as usize, value.kind, 0);
            registers.spill(id, 0, home);
        }
    }
}

fn hoist(registers: &mut Registers<'_>, hoisted: &[Id]) {
    for (i, &id) in hoisted.iter().enumerate() {
        let value = *registers.graph.value(id);
        let register = (registers.all() - 1 - i) as u8;
        if value.op == Op::Uniform {
            registers.broadcast(value.imm as usize, value.kind, register);
        } else {
            registers.load(id, register);
        }
    }
}

fn loops(registers: &mut Registers<'_>, code: &Interleaved, copies: usize, hoisted: &[Id]) {
    let lanes = registers.graph.lanes;
    registers.asm.clear(INDEX);
    if copies > 1 {
        vector_loop(registers, &code.all, copies * lanes, hoisted);
    }
    vector_loop(registers, &code.first, lanes, hoisted);
    if !registers.graph.wide {
        return;
    }
    registers.asm.load_argument(TEMPORARY, 1);
    registers.asm.and(TEMPORARY, lanes as i8 - 1);
    let whole = registers.asm.jump_forward(Condition::Zero);
    registers.asm.low_bits(TAIL);
    body(registers, &code.first, hoisted, true);
    registers.asm.land(&whole);
}

/// From INDEX on, `step` elements at a time, as long as so many are left.
fn vector_loop(registers: &mut Registers<'_>, order: &[Id], step: usize, hoisted: &[Id]) {
    registers.asm.load_argument(END, 1);
    registers.asm.and(END, -(step as i8));
    registers.asm.compare(INDEX, END);
    let none = registers.asm.jump_forward(Condition::Zero);
    let head = registers.asm.head();
    body(registers, order, hoisted, false);
    registers.asm.add(INDEX, step as i8);
    registers.asm.compare(INDEX, END);
    registers.asm.jump_back(Condition::Below, head);
    registers.asm.land(&none);
}

fn body(registers: &mut Registers<'_>, order: &[Id], hoisted: &[Id], tail: bool) {
    registers.restart(order, hoisted);
    Body { registers, tail }.emit(order);
}
