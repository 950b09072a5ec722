//! Where values are while the body of a loop runs. The body is straight-line code, so the register to give up is
//! always the one whose value is used again last (Belady 1966).

use super::assembler::{
    ARGUMENTS, Address, Assembler, General, Insn, Masked, Operand, TEMPORARY, Width, insn,
};
use super::graph::{Graph, Id, Kind, argument_of};
use super::schedule::is_invariant;
use super::uses::Uses;

/// Mask registers 1 to 6 hold values; 7 is the tail of a vector.
const MASKS: std::ops::Range<usize> = 1..7;
pub(super) const TAIL: u8 = 7;
/// Bytes of a spill slot.
pub(super) const SPILL_SLOT_BYTES: usize = 64;
/// Number of arguments before those of the cluster: the address of the spill slots, and the number of elements.
pub(super) const FIXED_ARGUMENTS: usize = 2;

/// Where a value can be read besides a register.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Home {
    /// A constant after the code.
    Pool(usize),
    /// A spill slot.
    Slot(usize),
    /// An operand in memory: a [`stream`](super::graph::stream).
    Stream(u64),
}

/// Contents of registers and memory at a point of the code.
pub(super) struct Registers<'a> {
    pub graph: &'a Graph,
    pub asm: Assembler,
    pub uses: Uses,
    register: Vec<Option<u8>>,
    home: Vec<Option<Home>>,
    /// Values of the allocated registers; the registers of loop invariants come after them.
    vectors: Vec<Option<Id>>,
    masks: [Option<Id>; 8],
    /// Operands of the present instruction: not to be given up.
    pinned: Vec<Id>,
    /// The general registers of the arguments that have one.
    pub pointers: Vec<Option<General>>,
    pub slots: usize,
    /// Most vector registers in use at a time.
    pub most: usize,
    pub spilled: bool,
}

impl<'a> Registers<'a> {
    pub fn new(graph: &'a Graph) -> Registers<'a> {
        Registers {
            graph,
            asm: Assembler::new(graph.wide),
            uses: Uses::default(),
            register: vec![None; graph.values.len()],
            home: vec![None; graph.values.len()],
            vectors: Vec::new(),
            masks: [None; 8],
            pinned: Vec::new(),
            pointers: Vec::new(),
            slots: 0,
            most: 0,
            spilled: false,
        }
    }

    /// Vector registers of the processor.
    pub fn all(&self) -> usize {
        if self.graph.wide { 32 } else { 16 }
    }

    /// Before a body that computes `order`: hoisted values are in the last registers, constants at home.
    pub fn restart(&mut self, order: &[Id], hoisted: &[Id]) {
        self.uses = Uses::new(self.graph, order);
        self.register.fill(None);
        for (i, &id) in hoisted.iter().enumerate() {
            self.register[id as usize] = Some((self.all() - 1 - i) as u8);
        }
        self.vectors = vec![None; self.all() - hoisted.len()];
        self.masks = [None; 8];
        for (home, value) in self.home.iter_mut().zip(&self.graph.values) {
            if !is_invariant(value.op) {
                *home = None;
            }
        }
    }

    pub fn set_home(&mut self, id: Id, home: Home) {
        self.home[id as usize] = Some(home);
    }

    pub fn has_home(&self, id: Id) -> bool {
        self.home[id as usize].is_some()
    }

    pub fn found(&self, id: Id) -> Option<u8> {
        self.register[id as usize]
    }

    pub fn width(&self, kind: Kind) -> Width {
        Width(self.graph.lanes * kind.size())
    }

    fn is_mask(&self, id: Id) -> bool {
        self.graph.wide && self.graph.kind(id) == Kind::Mask
    }

    /// The address of a [`stream`](super::graph::stream) with elements of `size` bytes; may use TEMPORARY.
    pub fn stream(&mut self, stream: u64, size: usize) -> Address {
        let (arg, ahead) = argument_of(stream);
        let base = self.pointers.get(arg).copied().flatten().unwrap_or_else(|| {
            self.asm.load_argument(TEMPORARY, FIXED_ARGUMENTS + arg);
            TEMPORARY
        });
        Address::Indexed(base, size as u8, (ahead * self.graph.lanes * size) as i32)
    }

    fn address(&mut self, home: Home, kind: Kind) -> Address {
        match home {
            Home::Pool(at) => Address::Pool(at),
            Home::Slot(slot) => {
                self.asm.load_argument(TEMPORARY, 0);
                Address::Based(TEMPORARY, (SPILL_SLOT_BYTES * slot) as i32)
            }
            Home::Stream(stream) => self.stream(stream, kind.size()),
        }
    }

    /// The value for the last operand of an instruction: to be asked for right before it is emitted.
    pub fn operand(&mut self, id: Id) -> Operand {
        if let Some(register) = self.found(id) {
            return Operand::Register(register);
        }
        let home = self.home[id as usize].expect("a value that is used is somewhere");
        Operand::Memory(self.address(home, self.graph.kind(id)))
    }

    /// The register that holds a value, loaded if need be.
    pub fn register_of(&mut self, id: Id) -> u8 {
        self.pinned.push(id);
        if let Some(register) = self.found(id) {
            return register;
        }
        let register = self.hold(id);
        self.load(id, register);
        register
    }

    /// A copy of a value from its home.
    pub fn load(&mut self, id: Id, register: u8) {
        let home = self.home[id as usize].expect("a value that is used is somewhere");
        let kind = self.graph.kind(id);
        let from = Operand::Memory(self.address(home, kind));
        if self.is_mask(id) {
            self.asm.vex(insn(0, 1, 0x90, true), 0, register, 0, from, None);
        } else {
            self.asm
                .vector(moving(kind, 0x10), self.width(kind), register, 0, from, None);
        }
    }

    /// Not to be given up during the present instruction.
    pub fn pin(&mut self, id: Id) {
        self.pinned.push(id);
    }

    /// The register for the present instruction's result: after this its operands may be overwritten.
    pub fn result(&mut self, id: Id) -> u8 {
        self.release_operands();
        self.hold(id)
    }

    /// As [`Registers::result`], but apart from the operands.
    pub fn separate_result(&mut self, id: Id) -> u8 {
        let register = self.hold(id);
        self.release_operands();
        register
    }

    /// Gives the register of operand `from`, which is used no more, to the result `id`.
    pub fn take_over(&mut self, from: Id, id: Id) -> u8 {
        let register = self.register[from as usize]
            .take()
            .expect("an operand in a register");
        self.release_operands();
        self.vectors[register as usize] = Some(id);
        self.register[id as usize] = Some(register);
        register
    }

    /// Whether the value is in a register of the body and used no more after this instruction.
    pub fn dies(&self, id: Id) -> bool {
        let held = self
            .found(id)
            .is_some_and(|register| (register as usize) < self.vectors.len());
        held && self.uses.next(id).is_none()
    }

    /// Frees the registers of operands that are used no more, or that can as well be read at home.
    pub fn release_operands(&mut self) {
        for operand in std::mem::take(&mut self.pinned) {
            let fixed = matches!(self.home[operand as usize], Some(Home::Pool(_) | Home::Stream(_)));
            if fixed || self.uses.next(operand).is_none() {
                self.release(operand);
            }
        }
    }

    pub fn release(&mut self, id: Id) {
        let Some(register) = self.register[id as usize] else {
            return;
        };
        if self.is_mask(id) {
            self.masks[register as usize] = None;
        } else if let Some(value) = self.vectors.get_mut(register as usize) {
            *value = None;
        } else {
            return;
        }
        self.register[id as usize] = None;
    }

    /// A register for a value.
    fn hold(&mut self, id: Id) -> u8 {
        let register = if self.is_mask(id) {
            self.free_mask()
        } else {
            self.free_vector()
        };
        let file = if self.is_mask(id) {
            &mut self.masks[..]
        } else {
            &mut self.vectors[..]
        };
        file[register as usize] = Some(id);
        self.register[id as usize] = Some(register);
        register
    }

    /// A temporary vector register: the next call may return the same.
    pub fn free_vector(&mut self) -> u8 {
        let used = self.vectors.iter().flatten().count() + 1;
        self.most = self.most.max(used);
        if let Some(free) = self.vectors.iter().position(Option::is_none) {
            return free as u8;
        }
        self.give_up(false)
    }

    fn free_mask(&mut self) -> u8 {
        if let Some(free) = MASKS.clone().find(|&k| self.masks[k].is_none()) {
            return free as u8;
        }
        self.give_up(true)
    }

    /// Spills the value that is needed last, of those in mask registers or of the others.
    fn give_up(&mut self, masks: bool) -> u8 {
        let held = if masks { &self.masks[..] } else { &self.vectors[..] };
        let far = held.iter().flatten().copied();
        let far = far.filter(|id| !self.pinned.contains(id));
        let id = far
            .max_by_key(|&id| self.uses.next(id).unwrap_or(u32::MAX))
            .expect("an instruction has fewer operands than there are registers");
        let register = self.register[id as usize].expect("it is held");
        if self.home[id as usize].is_none() {
            let home = Home::Slot(self.slots);
            self.slots += 1;
            self.spilled = true;
            self.home[id as usize] = Some(home);
            self.spill(id, register, home);
        }
        self.release(id);
        register
    }

    /// Writes a register to a slot.
    pub fn spill(&mut self, id: Id, register: u8, home: Home) {
        let kind = self.graph.kind(id);
        let to = Operand::Memory(self.address(home, kind));
        if self.is_mask(id) {
            self.asm.vex(insn(0, 1, 0x91, true), 0, register, 0, to, None);
        } else {
            self.asm
                .vector(moving(kind, 0x11), self.width(kind), register, 0, to, None);
        }
    }

    /// A uniform argument in every element of a register.
    pub fn broadcast(&mut self, arg: usize, kind: Kind, register: u8) {
        let from = Operand::Memory(Address::Based(ARGUMENTS, (8 * (FIXED_ARGUMENTS + arg)) as i32));
        let insn = match kind {
            Kind::F64 => insn(1, 2, 0x19, self.graph.wide),
            _ => insn(1, 2, 0x18, false),
        };
        self.asm.vector(insn, self.width(kind), register, 0, from, None);
    }

    /// The instruction, on the tail of a vector only if `masked`.
    pub fn memory_move(&mut self, insn: Insn, width: Width, register: u8, at: Address, mask: Option<Masked>) {
        let at = Operand::Memory(at);
        if self.graph.wide {
            self.asm.evex(insn, width, register, 0, at, mask, None);
        } else {
            self.asm.vector(insn, width, register, 0, at, None);
        }
    }
}

/// vmovups or vmovupd: 0x10 loads, 0x11 stores, 0x2b stores past the caches.
pub(super) fn moving(kind: Kind, opcode: u8) -> Insn {
    let double = kind == Kind::F64;
    insn(u8::from(double), 1, opcode, double)
}
