//! Reads a module's text.

use hyperglow_core::hash::FastMap;

use super::Fault;
use super::table::{Function, Type, find};

/// A predicate register, and the value with which it lets the instruction run.
pub type Guard = (usize, bool);

/// A module.
#[derive(Debug)]
pub struct Module {
    pub(super) kernels: Vec<Kernel>,
    /// Tables of 64-bit words.
    pub(super) constants: Vec<Vec<u64>>,
}

/// A kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    pub name: String,
    pub parameters: usize,
    pub registers: Vec<Type>,
    /// Bytes of shared memory.
    pub shared: usize,
    pub code: Vec<Instruction>,
}

/// An instruction with its line, which runs if the guard has the value.
#[derive(Debug)]
pub(super) struct Instruction {
    pub line: usize,
    pub guard: Option<Guard>,
    pub action: Action,
}

/// A register or bits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand {
    Register(usize),
    Bits(u64),
    /// %tid.x, %ntid.x, %ctaid.x, %nctaid.x
    Special(usize),
}

/// State spaces of loads and stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Global,
    /// Global, through the read-only cache.
    Cached,
    Shared,
    Constant,
}

/// What an instruction does; registers are numbers.
#[derive(Debug)]
pub(super) enum Action {
    Value {
        function: Function,
        to: usize,
        from: Vec<Operand>,
    },
    Parameter {
        to: usize,
        number: usize,
    },
    Load {
        space: Space,
        size: usize,
        to: Vec<usize>,
        base: usize,
        offset: i64,
    },
    Store {
        space: Space,
        size: usize,
        from: Vec<usize>,
        base: usize,
        offset: i64,
    },
    /// Two halves, the low one first.
    Split {
        to: [usize; 2],
        from: usize,
    },
    Join {
        to: usize,
        from: [usize; 2],
    },
    Branch(usize),
    BlockBarrier,
    WarpBarrier,
    /// The value of the lane so many further.
    Shuffle {
        to: usize,
        from: usize,
        ahead: usize,
    },
    Return,
}

/// Addresses of constant tables are so far apart.
pub(super) const CONSTANT_SPACING_BITS: u32 = 32;
/// The address of shared memory.
pub(super) const SHARED_START: u64 = 1 << 16;
const SPECIAL: [&str; 4] = ["%tid.x", "%ntid.x", "%ctaid.x", "%nctaid.x"];

impl Module {
    /// The number of a kernel's parameters; `None`: there is no such kernel.
    pub fn parameters(&self, name: &str) -> Option<usize> {
        let kernel = self.kernels.iter().find(|kernel| kernel.name == name);
        kernel.map(|kernel| kernel.parameters)
    }

    /// Reads a module.
    ///
    /// # Errors
    /// Text that the writer does not write.
    pub fn parse(text: &str) -> Result<Module, Fault> {
        let mut module = Module {
            kernels: Vec::new(),
            constants: Vec::new(),
        };
        let mut names: FastMap<String, u64> = FastMap::default();
        let mut reader: Option<KernelReader> = None;
        let mut header = vec![".address_size 64", ".target sm_75", ".version 8.1"];
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.trim();
            let fault = |message: String| Fault::new(line, message);
            if content.is_empty() {
                continue;
            }
            if let Some(expected) = header.pop() {
                if content != expected {
                    return Err(fault(format!("{content}, where {expected} is expected")));
                }
                continue;
            }
            match &mut reader {
                None if content.starts_with(".const ") => {
                    let (name, words) = table(content).map_err(fault)?;
                    module.constants.push(words);
                    names.insert(name, (module.constants.len() as u64) << CONSTANT_SPACING_BITS);
                }
                None => reader = Some(KernelReader::new(content, &names).map_err(fault)?),
                Some(_) if content == "}" => {
                    let kernel = reader.take().map(|reader| reader.finish(line)).transpose()?;
                    module.kernels.extend(kernel);
                }
                Some(kernel) => kernel.line(line, content).map_err(fault)?,
            }
        }
        if reader.is_some() || !header.is_empty() {
            return Err(Fault::new(0, "the text ends too early"));
        }
        Ok(module)
    }
}

/// A table of constants: its name and words.
fn table(content: &str) -> Result<(String, Vec<u64>), String> {
    let wrong = || format!("not a table of constants: {content}");
    let rest = content.strip_prefix(".const .align 8 .b64 ").ok_or_else(wrong)?;
    let (name, rest) = rest.split_once('[').ok_or_else(wrong)?;
    let (count, rest) = rest.split_once("] = {").ok_or_else(wrong)?;
    let words = rest.strip_suffix("};").ok_or_else(wrong)?;
    let words: Option<Vec<u64>> = words
        .split(", ")
        .map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok())
        .collect();
    let words = words.ok_or_else(wrong)?;
    if count.parse() != Ok(words.len()) {
        return Err(wrong());
    }
    Ok((name.to_string(), words))
}

/// A kernel of which the text is being read.
struct KernelReader {
    kernel: Kernel,
    names: FastMap<String, usize>,
    /// Addresses that `mov` gives.
    addresses: FastMap<String, u64>,
    labels: FastMap<String, usize>,
    /// Branches to labels: instruction, label.
    branches: Vec<(usize, String)>,
    is_open: bool,
}

impl KernelReader {
    fn new(content: &str, addresses: &FastMap<String, u64>) -> Result<KernelReader, String> {
        let wrong = || format!("not a kernel: {content}");
        let rest = content.strip_prefix(".visible .entry ").ok_or_else(wrong)?;
        let (name, parameters) = rest.split_once('(').ok_or_else(wrong)?;
        let parameters = parameters.strip_suffix(')').ok_or_else(wrong)?;
        let all: Vec<&str> = parameters.split(", ").filter(|p| !p.is_empty()).collect();
        if all
            .iter()
            .enumerate()
            .any(|(i, p)| *p != format!(".param .u64 p{i}"))
        {
            return Err(wrong());
        }
        Ok(KernelReader {
            kernel: Kernel {
                name: name.to_string(),
                parameters: all.len(),
                registers: Vec::new(),
                shared: 0,
                code: Vec::new(),
            },
            names: FastMap::default(),
            addresses: addresses.clone(),
            labels: FastMap::default(),
            branches: Vec::new(),
            is_open: false,
        })
    }

    fn line(&mut self, line: usize, content: &str) -> Result<(), String> {
        if !self.is_open {
            self.is_open = content == "{";
            return if self.is_open { Ok(()) } else { Err("no {".into()) };
        }
        if let Some(label) = content.strip_suffix(':') {
            let known = self.labels.insert(label.to_string(), self.kernel.code.len());
            return known.map_or(Ok(()), |_| Err(format!("{label} is placed twice")));
        }
        let content = content.strip_suffix(';').ok_or("no ; at the end")?;
        if let Some(registers) = content.strip_prefix(".reg .") {
            return self.declare(registers);
        }
        if let Some(bytes) = content.strip_prefix(".shared .align 16 .b8 row_memory[") {
            let bytes = bytes.strip_suffix(']').and_then(|bytes| bytes.parse().ok());
            self.kernel.shared = bytes.ok_or("a wrong extent of shared memory")?;
            self.addresses.insert("row_memory".into(), SHARED_START);
            return Ok(());
        }
        let (guard, instruction) = self.guarded(content)?;
        let (mnemonic, rest) = instruction.split_once(' ').unwrap_or((instruction, ""));
        let action = self.action(mnemonic, &split(rest))?;
        if guard.is_some() && !matches!(action, Action::Branch(_)) {
            return Err("a guard on what is no branch".into());
        }
        self.kernel.code.push(Instruction { line, guard, action });
        Ok(())
    }

    fn declare(&mut self, content: &str) -> Result<(), String> {
        let wrong = || format!("not a declaration of registers: {content}");
        let (class, rest) = content.split_once(' ').ok_or_else(wrong)?;
        let class = match class {
            "pred" => Type::P,
            "b32" => Type::W,
            "b64" => Type::D,
            "f32" => Type::F,
            "f64" => Type::G,
            _ => return Err(wrong()),
        };
        let (prefix, count) = rest.split_once('<').ok_or_else(wrong)?;
        let count: usize = count
            .strip_suffix('>')
            .and_then(|n| n.parse().ok())
            .ok_or_else(wrong)?;
        for i in 0..count {
            self.names
                .insert(format!("{prefix}{i}"), self.kernel.registers.len());
            self.kernel.registers.push(class);
        }
        Ok(())
    }

    fn guarded<'t>(&self, content: &'t str) -> Result<(Option<Guard>, &'t str), String> {
        let Some(rest) = content.strip_prefix('@') else {
            return Ok((None, content));
        };
        let (guard, instruction) = rest.split_once(' ').ok_or("a guard alone")?;
        let (name, on) = match guard.strip_prefix('!') {
            Some(name) => (name, false),
            None => (guard, true),
        };
        Ok((Some((self.register(name, Type::P)?, on)), instruction))
    }

    fn register(&self, name: &str, wanted: Type) -> Result<usize, String> {
        let number = *self
            .names
            .get(name)
            .ok_or_else(|| format!("no register {name}"))?;
        let class = self.kernel.registers[number];
        if wanted.takes(class) {
            Ok(number)
        } else {
            Err(format!("{name} is {class:?}, where {wanted:?} is expected"))
        }
    }

    /// Registers in braces, or one.
    fn registers(&self, text: &str, wanted: Type) -> Result<Vec<usize>, String> {
        let inside = text.trim_matches(['{', '}']);
        inside
            .split(", ")
            .map(|name| self.register(name, wanted))
            .collect()
    }

    fn operand(&self, text: &str, wanted: Type) -> Result<Operand, String> {
        let wrong = || format!("{text}, where {wanted:?} is expected");
        if let Some(special) = SPECIAL.iter().position(|name| *name == text) {
            return if wanted == Type::W {
                Ok(Operand::Special(special))
            } else {
                Err(wrong())
            };
        }
        if text.starts_with('%') {
            return Ok(Operand::Register(self.register(text, wanted)?));
        }
        if let Some(&address) = self.addresses.get(text) {
            return if wanted == Type::D {
                Ok(Operand::Bits(address))
            } else {
                Err(wrong())
            };
        }
        let bits = match wanted {
            Type::F => text
                .strip_prefix("0f")
                .filter(|hex| hex.len() == 8)
                .and_then(hexadecimal),
            Type::G => text
                .strip_prefix("0d")
                .filter(|hex| hex.len() == 16)
                .and_then(hexadecimal),
            Type::W | Type::Any32 => {
                integer(text, i128::from(i32::MIN), i128::from(u32::MAX)).map(|x| u64::from(x as u32))
            }
            Type::D | Type::Any64 => integer(text, i128::from(i64::MIN), i128::from(u64::MAX)),
            Type::P => None,
        };
        bits.map(Operand::Bits).ok_or_else(wrong)
    }

    /// The register and the constant of an address.
    fn address(&self, text: &str) -> Result<(usize, i64), String> {
        let wrong = || format!("not an address: {text}");
        let inside = text
            .strip_prefix('[')
            .and_then(|t| t.strip_suffix(']'))
            .ok_or_else(wrong)?;
        let (base, offset) = inside.split_once('+').unwrap_or((inside, "0"));
        let offset: i32 = offset.parse().map_err(|_| wrong())?;
        Ok((self.register(base, Type::D)?, i64::from(offset)))
    }

    fn action(&mut self, mnemonic: &str, operands: &[&str]) -> Result<Action, String> {
        let parts: Vec<&str> = mnemonic.split('.').collect();
        match (mnemonic, operands) {
            ("ret", []) => Ok(Action::Return),
            ("bra", [label]) => {
                self.branches.push((self.kernel.code.len(), label.to_string()));
                Ok(Action::Branch(0))
            }
            ("bar.sync", ["0"]) => Ok(Action::BlockBarrier),
            ("bar.warp.sync", ["-1"]) => Ok(Action::WarpBarrier),
            ("shfl.sync.down.b32", [to, from, ahead, "31", "-1"]) => Ok(Action::Shuffle {
                to: self.register(to, Type::Any32)?,
                from: self.register(from, Type::Any32)?,
                ahead: ahead.parse().ok().filter(|&n| n < 32).ok_or("a wrong distance")?,
            }),
            ("ld.param.u64", [to, parameter]) => {
                let number = parameter
                    .strip_prefix("[p")
                    .and_then(|p| p.strip_suffix(']')?.parse().ok());
                let number = number.filter(|&n: &usize| n < self.kernel.parameters);
                Ok(Action::Parameter {
                    to: self.register(to, Type::D)?,
                    number: number.ok_or("no such parameter")?,
                })
            }
            ("mov.b64", [to, from]) if to.starts_with('{') => Ok(Action::Split {
                to: self
                    .registers(to, Type::W)?
                    .try_into()
                    .map_err(|_| "not two registers")?,
                from: self.register(from, Type::Any64)?,
            }),
            ("mov.b64", [to, from]) if from.starts_with('{') => Ok(Action::Join {
                to: self.register(to, Type::Any64)?,
                from: self
                    .registers(from, Type::W)?
                    .try_into()
                    .map_err(|_| "not two registers")?,
            }),
            (_, [first, second]) if matches!(parts[0], "ld" | "st") => self.access(&parts, first, second),
            _ => self.value(mnemonic, operands),
        }
    }

    fn access(&self, parts: &[&str], first: &str, second: &str) -> Result<Action, String> {
        let wrong = || format!("no such instruction: {}", parts.join("."));
        let (space, rest) = match parts {
            ["ld", "global", "nc", rest @ ..] => (Space::Cached, rest),
            ["ld" | "st", "global", rest @ ..] => (Space::Global, rest),
            ["ld" | "st", "shared", rest @ ..] => (Space::Shared, rest),
            ["ld", "const", rest @ ..] => (Space::Constant, rest),
            _ => return Err(wrong()),
        };
        let (count, name) = match rest {
            ["v4", name] => (4, name),
            ["v2", name] => (2, name),
            [name] => (1, name),
            _ => return Err(wrong()),
        };
        let (size, class) = match *name {
            "u8" => (1, Type::W),
            "b32" => (4, Type::W),
            "b64" | "u64" => (8, Type::D),
            "f32" => (4, Type::F),
            "f64" => (8, Type::G),
            _ => return Err(wrong()),
        };
        let (registers, address) = if parts[0] == "ld" {
            (first, second)
        } else {
            (second, first)
        };
        let registers = self.registers(registers, class)?;
        if registers.len() != count || count * size > 16 {
            return Err(format!("{} registers", registers.len()));
        }
        let (base, offset) = self.address(address)?;
        Ok(if parts[0] == "ld" {
            Action::Load {
                space,
                size,
                to: registers,
                base,
                offset,
            }
        } else {
            Action::Store {
                space,
                size,
                from: registers,
                base,
                offset,
            }
        })
    }

    fn value(&self, mnemonic: &str, operands: &[&str]) -> Result<Action, String> {
        let row = find(mnemonic).ok_or_else(|| format!("no such instruction: {mnemonic}"))?;
        if operands.len() != 1 + row.operands.len() {
            return Err(format!("{} operands of {mnemonic}", operands.len()));
        }
        let from = operands[1..].iter().zip(row.operands);
        let from: Vec<Operand> = from
            .map(|(text, &wanted)| self.operand(text, wanted))
            .collect::<Result<_, _>>()?;
        if mnemonic != "mov.u32" && from.iter().any(|x| matches!(x, Operand::Special(_))) {
            return Err("a special register can only be moved".into());
        }
        Ok(Action::Value {
            function: row.value,
            to: self.register(operands[0], row.result)?,
            from,
        })
    }

    fn finish(mut self, line: usize) -> Result<Kernel, Fault> {
        for (instruction, label) in std::mem::take(&mut self.branches) {
            let target = self.labels.get(&label);
            let at = &mut self.kernel.code[instruction];
            let target = target.ok_or_else(|| Fault::new(at.line, format!("no label {label}")))?;
            at.action = Action::Branch(*target);
        }
        if !matches!(
            self.kernel.code.last().map(|last| &last.action),
            Some(Action::Return)
        ) {
            return Err(Fault::new(line, "a kernel without a return at its end"));
        }
        Ok(self.kernel)
    }
}

/// Operands between commas that are not in braces.
fn split(text: &str) -> Vec<&str> {
    let (mut found, mut start, mut depth) = (Vec::new(), 0, 0);
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(text[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    if !text[start..].trim().is_empty() {
        found.push(text[start..].trim());
    }
    found
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

fn integer(text: &str, low: i128, high: i128) -> Option<u64> {
    let value: i128 = text.parse().ok()?;
    (low <= value && value <= high).then_some(value as u64)
}
