//! The text of one kernel under construction: registers without limit, instructions, labels.
//!
//! Equal instructions without side effects are one register, as long as the first of them was computed on every way to the
//! second: what was computed inside a branch or a loop is forgotten at its end.

use std::cell::RefCell;
use std::fmt::{Display, Write};

use hyperglow_core::DType;
use hyperglow_core::hash::FastMap;

/// Class of a register, as declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// A truth value.
    Pred,
    /// 32 bits: integers of at most 32 bits.
    B32,
    /// 64 bits: int64, and addresses.
    B64,
    F32,
    F64,
}

impl Class {
    const ALL: [Class; 5] = [Class::Pred, Class::B32, Class::B64, Class::F32, Class::F64];

    /// The class of a register with an element of a dtype.
    pub fn of(dtype: DType) -> Class {
        match dtype {
            DType::F32 => Class::F32,
            DType::F64 => Class::F64,
            DType::I64 => Class::B64,
            DType::I32 | DType::U32 | DType::U8 => Class::B32,
            DType::Bool => Class::Pred,
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Class::Pred => "%p",
            Class::B32 => "%r",
            Class::B64 => "%d",
            Class::F32 => "%f",
            Class::F64 => "%g",
        }
    }

    /// The suffix of instructions that only move it.
    pub const fn suffix(self) -> &'static str {
        match self {
            Class::Pred => "pred",
            Class::B32 => "b32",
            Class::B64 => "b64",
            Class::F32 => "f32",
            Class::F64 => "f64",
        }
    }
}

/// A register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reg {
    pub class: Class,
    number: u32,
}

impl Display for Reg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.class.prefix(), self.number)
    }
}

/// A place in the code.
#[derive(Clone, Copy)]
pub(super) struct Label(u32);

impl Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$L{}", self.0)
    }
}

/// The code of a kernel so far.
#[derive(Default)]
pub(super) struct Code {
    body: String,
    registers: [u32; Class::ALL.len()],
    labels: u32,
    instructions: usize,
    /// The register of each instruction, and the order in which instructions became known.
    known: FastMap<String, Reg>,
    order: Vec<String>,
    /// The names of variables: what is computed from one is never known, since the variable may change.
    variables: FastMap<String, ()>,
    /// Bytes of shared memory.
    shared: usize,
    /// Whether the code reads the digits of 2 / pi.
    pub reads_two_over_pi: bool,
}

/// Writes code; every value of a traced function refers to it.
#[derive(Default)]
pub(super) struct Emitter {
    code: RefCell<Code>,
}

/// Operands of an instruction.
pub(super) type Operands<'a> = &'a [&'a dyn Display];

impl Emitter {
    /// A register that nothing has written.
    pub fn fresh(&self, class: Class) -> Reg {
        let mut code = self.code.borrow_mut();
        let count = &mut code.registers[class as usize];
        *count += 1;
        Reg {
            class,
            number: *count,
        }
    }

    /// Writes an instruction.
    pub fn line(&self, instruction: impl Display) {
        let mut code = self.code.borrow_mut();
        code.instructions += 1;
        writeln!(code.body, "\t{instruction};").expect("a string takes all text");
    }

    /// The result of an instruction without side effects.
    pub fn op(&self, class: Class, mnemonic: &str, operands: Operands<'_>) -> Reg {
        let names: Vec<String> = operands.iter().map(|operand| operand.to_string()).collect();
        let text = names.join(", ");
        let key = format!("{mnemonic} {text}");
        if let Some(&reg) = self.code.borrow().known.get(&key) {
            return reg;
        }
        let reg = self.fresh(class);
        self.line(format_args!("{mnemonic} {reg}, {text}"));
        let mut code = self.code.borrow_mut();
        if names.iter().any(|name| code.variables.contains_key(name)) {
            return reg;
        }
        code.order.push(key.clone());
        code.known.insert(key, reg);
        reg
    }

    /// Writes an instruction into a register that exists.
    pub fn set(&self, reg: Reg, mnemonic: &str, operands: Operands<'_>) {
        let mut text = String::new();
        for operand in operands {
            write!(text, ", {operand}").expect("a string takes all text");
        }
        self.line(format_args!("{mnemonic} {reg}{text}"));
    }

    /// Copies a value into a register that exists.
    pub fn assign(&self, reg: Reg, value: impl Display) {
        self.set(reg, &format!("mov.{}", reg.class.suffix()), &[&value]);
    }

    /// A new variable with a value, which code may change.
    pub fn variable(&self, class: Class, value: impl Display) -> Reg {
        let reg = self.copy(class, value);
        self.code.borrow_mut().variables.insert(reg.to_string(), ());
        reg
    }

    /// A new register with a value.
    fn copy(&self, class: Class, value: impl Display) -> Reg {
        let reg = self.fresh(class);
        self.assign(reg, value);
        reg
    }

    /// A register with a constant: an immediate.
    pub fn constant(&self, class: Class, immediate: impl Display) -> Reg {
        self.op(class, &format!("mov.{}", class.suffix()), &[&immediate])
    }

    /// A label to be placed.
    pub fn label(&self) -> Label {
        let mut code = self.code.borrow_mut();
        code.labels += 1;
        Label(code.labels)
    }

    /// Places a label here.
    pub fn place(&self, label: Label) {
        let mut code = self.code.borrow_mut();
        writeln!(code.body, "{label}:").expect("a string takes all text");
    }

    /// Goes to a label.
    pub fn jump(&self, label: Label) {
        self.line(format_args!("bra {label}"));
    }

    /// Goes to a label if the truth value is `on`.
    pub fn jump_if(&self, truth: Reg, on: bool, label: Label) {
        let not = if on { "" } else { "!" };
        self.line(format_args!("@{not}{truth} bra {label}"));
    }

    /// Writes code that may not run: what it computes is forgotten after it.
    pub fn scope<R>(&self, write: impl FnOnce() -> R) -> R {
        let known = self.code.borrow().order.len();
        let result = write();
        let mut code = self.code.borrow_mut();
        for key in code.order.split_off(known) {
            code.known.remove(&key);
        }
        result
    }

    /// Writes code that runs only if the truth value is `on`.
    pub fn when(&self, truth: Reg, on: bool, write: impl FnOnce()) {
        let end = self.label();
        self.jump_if(truth, !on, end);
        self.scope(write);
        self.place(end);
    }

    /// `value` where `truth` holds, else what `other` writes code for, which runs only then.
    pub fn otherwise(&self, truth: Reg, value: Reg, other: impl FnOnce() -> Reg) -> Reg {
        let result = self.copy(value.class, value);
        self.when(truth, false, || {
            let other = other();
            self.assign(result, other);
        });
        result
    }

    /// A loop `for i = start; i < end; i += step` over an integer register of the class of `end`.
    pub fn count(
        &self,
        start: impl Display,
        end: impl Display,
        step: impl Display,
        class: Class,
        write: impl FnOnce(Reg),
    ) {
        let bits = if class == Class::B64 { 64 } else { 32 };
        let i = self.copy(class, start);
        let (again, done) = (self.label(), self.label());
        self.place(again);
        self.scope(|| {
            let over = self.fresh(Class::Pred);
            self.set(over, &format!("setp.ge.u{bits}"), &[&i, &end]);
            self.jump_if(over, true, done);
            write(i);
            self.set(i, &format!("add.u{bits}"), &[&i, &step]);
        });
        self.jump(again);
        self.place(done);
    }

    /// Gives the kernel so many bytes of shared memory.
    pub fn take_shared(&self, bytes: usize) {
        self.code.borrow_mut().shared = bytes;
    }

    /// Number of instructions so far.
    pub fn instructions(&self) -> usize {
        self.code.borrow().instructions
    }

    /// Says that the code reads the digits of 2 / pi.
    pub fn read_two_over_pi(&self) {
        self.code.borrow_mut().reads_two_over_pi = true;
    }

    /// Whether the code reads the digits of 2 / pi.
    pub fn reads_two_over_pi(&self) -> bool {
        self.code.borrow().reads_two_over_pi
    }

    /// The text of the kernel, with parameters that are addresses.
    pub fn finish(self, name: &str, parameters: usize) -> String {
        let code = self.code.into_inner();
        let mut text = format!(".visible .entry {name}(");
        for i in 0..parameters {
            let comma = if i > 0 { ", " } else { "" };
            write!(text, "{comma}.param .u64 p{i}").expect("a string takes all text");
        }
        text.push_str(")\n{\n");
        for class in Class::ALL {
            let count = code.registers[class as usize];
            if count > 0 {
                let (prefix, suffix) = (class.prefix(), class.suffix());
                writeln!(text, "\t.reg .{suffix} {prefix}<{}>;", count + 1).expect("a string takes all text");
            }
        }
        if code.shared > 0 {
            writeln!(text, "\t.shared .align 16 .b8 row_memory[{}];", code.shared)
                .expect("a string takes all text");
        }
        text + &code.body + "\tret;\n}\n"
    }
}
