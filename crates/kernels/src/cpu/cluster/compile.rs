//! Compiles a cluster to actions with fixed operands: the memory of each register, and the operands that are used in place.

use hyperglow_core::plan::{Cluster, InstrKind, Program, SlotId};
use hyperglow_core::{DType, Error, Result};

use super::blocks::{Action, Blocks, Fill, Kind, OperandLocation, Value};
use crate::cpu::element::{Element, for_dtype};
use crate::steps::walk::Reading;

/// Maximal bytes of registers and operands of a block: well within a first-level cache.
const CACHE_BYTES: usize = 24 << 10;
/// Bounds of a block, in elements.
const MIN_BLOCK_ELEMENTS: usize = 128;
const MAX_BLOCK_ELEMENTS: usize = 2048;
/// Elements times instructions for which another thread is worth waking.
const TASK_OPERATIONS: usize = 1 << 15;
/// Gap between registers, so that their addresses differ in the low bits (4K aliasing: a load would wait for an
/// unrelated store).
const GAP_BYTES: usize = 192;

impl Blocks {
    /// The cluster, with the `readings` of its views.
    pub fn new(cluster: &Cluster, program: &Program, readings: &[Reading]) -> Result<Blocks> {
        let bytes: usize = cluster.code.iter().map(|instr| instr.dtype.size()).sum();
        // Registers are reused, so that about half of them live at a time.
        let fitting = CACHE_BYTES / (bytes / 2 + 1).max(8);
        let block = (1 << fitting.max(1).ilog2()).clamp(MIN_BLOCK_ELEMENTS, MAX_BLOCK_ELEMENTS);
        let mut compiler = Compiler {
            cluster,
            program,
            block,
            locations: vec![None; cluster.code.len()],
            last_use: last_uses(cluster),
            free: Vec::new(),
            file: 0,
            fills: Vec::new(),
            code: Vec::new(),
        };
        for i in 0..cluster.code.len() {
            compiler.instruction(i, readings)?;
        }
        let late = compiler.late_stores();
        let Compiler {
            file,
            fills,
            mut code,
            ..
        } = compiler;
        code.extend(late);
        let work = block * code.len().max(1);
        Ok(Blocks {
            block,
            blocks_per_task: (TASK_OPERATIONS / work).max(1),
            file,
            fills: fills.into(),
            code: code.into(),
        })
    }
}

struct Compiler<'a> {
    cluster: &'a Cluster,
    program: &'a Program,
    block: usize,
    /// Where each register's value is.
    locations: Vec<Option<OperandLocation>>,
    /// The last instruction that reads each register.
    last_use: Vec<usize>,
    /// Registers of the file that hold nothing any more: byte, element size.
    free: Vec<(usize, usize)>,
    file: usize,
    fills: Vec<Fill>,
    code: Vec<Action>,
}

impl Compiler<'_> {
    fn instruction(&mut self, i: usize, readings: &[Reading]) -> Result<()> {
        let instr = &self.cluster.code[i];
        let size = instr.dtype.size();
        let unused = OperandLocation::Register(0);
        let (kind, operands) = match &instr.kind {
            InstrKind::Const(bits) => {
                let value = Value::Bits(constant(f64::from_bits(*bits), instr.dtype));
                self.fill(i, size, value);
                return Ok(());
            }
            InstrKind::Load(l) => {
                let slot = self.cluster.loads[*l].slot;
                match &readings[*l] {
                    Reading::Same(at) => {
                        self.fill(i, size, Value::Element(slot, at * size));
                        return Ok(());
                    }
                    Reading::Straight(at) => {
                        self.locations[i] = Some(OperandLocation::Memory {
                            slot,
                            start: at * size,
                            size,
                        });
                        return Ok(());
                    }
                    Reading::Strided(walker) => {
                        let whole = OperandLocation::Memory { slot, start: 0, size };
                        (Kind::Walk(walker.clone(), size), [whole, unused, unused])
                    }
                }
            }
            InstrKind::Unary(op, x) => (
                Kind::Unary(*op, instr.dtype),
                [self.location(*x)?, unused, unused],
            ),
            InstrKind::Binary(op, x, y) => (
                Kind::Binary(*op, self.cluster.code[*x].dtype),
                [self.location(*x)?, self.location(*y)?, unused],
            ),
            InstrKind::Where(c, x, y) => (
                Kind::Select(instr.dtype),
                [self.location(*c)?, self.location(*x)?, self.location(*y)?],
            ),
            InstrKind::Cast(x) => {
                let from = self.cluster.code[*x].dtype;
                if from == instr.dtype {
                    // The same register under another name: it lives until both are done with.
                    self.locations[i] = self.locations[*x];
                    return Ok(());
                }
                (
                    Kind::Cast(from, instr.dtype),
                    [self.location(*x)?, unused, unused],
                )
            }
        };
        let out = match self.direct_store(i) {
            Some(slot) => OperandLocation::Memory { slot, start: 0, size },
            None => self.register(size),
        };
        self.locations[i] = Some(out);
        self.code.push(Action { kind, out, operands });
        self.release(i);
        Ok(())
    }

    fn location(&self, register: usize) -> Result<OperandLocation> {
        let location = self.locations.get(register).copied().flatten();
        location.ok_or_else(|| {
            Error::internal(
                "cluster",
                format!("register {register} is read before it is written"),
            )
        })
    }

    fn fill(&mut self, i: usize, size: usize, value: Value) {
        let register = self.file;
        self.grow(size);
        self.fills.push(Fill {
            register,
            size,
            value,
        });
        // Never released: `release` frees only registers that an action wrote.
        self.locations[i] = Some(OperandLocation::Register(register));
    }

    fn grow(&mut self, size: usize) {
        self.file += (self.block * size + GAP_BYTES).next_multiple_of(64);
    }

    /// A register of the file for elements of `size` bytes.
    fn register(&mut self, size: usize) -> OperandLocation {
        if let Some(at) = self.free.iter().rposition(|&(_, s)| s == size) {
            return OperandLocation::Register(self.free.swap_remove(at).0);
        }
        let at = self.file;
        self.grow(size);
        OperandLocation::Register(at)
    }

    /// Frees the registers that instruction `now` reads last.
    fn release(&mut self, now: usize) {
        for i in 0..now {
            let Some(OperandLocation::Register(at)) = self.locations[i] else {
                continue;
            };
            let filled = self.fills.iter().any(|fill| fill.register == at);
            if self.last_use[i] == now && !filled && !self.free.iter().any(|&(free, _)| free == at) {
                self.free.push((at, self.cluster.code[i].dtype.size()));
            }
        }
    }

    /// The slot in which register `i` can be computed at once: its first store that no load of the cluster shares.
    fn direct_store(&self, i: usize) -> Option<SlotId> {
        let mut stores = self.cluster.stores.iter().filter(|(register, _)| *register == i);
        stores
            .find(|(_, slot)| !self.is_also_read(*slot))
            .map(|(_, slot)| *slot)
    }

    fn is_also_read(&self, slot: SlotId) -> bool {
        self.cluster
            .loads
            .iter()
            .any(|view| self.program.may_share(view.slot, slot))
    }

    /// The stores that no instruction made, at the end of the block. A value in memory that another of these stores
    /// overwrites is copied to a register first, so that their order does not matter.
    fn late_stores(&mut self) -> Vec<Action> {
        let unused = OperandLocation::Register(0);
        let mut late = Vec::new();
        for &(register, slot) in &self.cluster.stores {
            let size = self.cluster.code[register].dtype.size();
            let out = OperandLocation::Memory { slot, start: 0, size };
            match self.locations[register] {
                Some(from) if from != out => late.push((from, slot, size)),
                _ => {}
            }
        }
        let slots: Vec<SlotId> = late.iter().map(|&(_, slot, _)| slot).collect();
        let mut actions = Vec::new();
        for (from, _, size) in &mut late {
            if let OperandLocation::Memory { slot, .. } = *from
                && slots.iter().any(|&written| self.program.may_share(slot, written))
            {
                let saved = self.register(*size);
                actions.push(Action {
                    kind: Kind::Copy(*size),
                    out: saved,
                    operands: [*from, unused, unused],
                });
                *from = saved;
            }
        }
        for (from, slot, size) in late {
            let out = OperandLocation::Memory { slot, start: 0, size };
            actions.push(Action {
                kind: Kind::Copy(size),
                out,
                operands: [from, unused, unused],
            });
        }
        actions
    }
}

/// The last instruction that reads each register's memory: by the register itself or by a cast that only
/// gives it another name. Stored registers live on.
fn last_uses(cluster: &Cluster) -> Vec<usize> {
    // The register whose memory each register shares.
    let mut owner: Vec<usize> = Vec::with_capacity(cluster.code.len());
    for (i, instr) in cluster.code.iter().enumerate() {
        owner.push(match instr.kind {
            InstrKind::Cast(x) if cluster.code[x].dtype == instr.dtype => owner[x],
            _ => i,
        });
    }
    let mut last = vec![0; cluster.code.len()];
    for (i, instr) in cluster.code.iter().enumerate() {
        let mut used = |register: usize| last[owner[register]] = i;
        match instr.kind {
            InstrKind::Load(_) | InstrKind::Const(_) => {}
            InstrKind::Unary(_, x) | InstrKind::Cast(x) => used(x),
            InstrKind::Binary(_, x, y) => [x, y].into_iter().for_each(&mut used),
            InstrKind::Where(c, x, y) => [c, x, y].into_iter().for_each(&mut used),
        }
    }
    for &(register, _) in &cluster.stores {
        last[owner[register]] = usize::MAX;
    }
    owner.iter().map(|&i| last[i]).collect()
}

/// The bytes of a constant.
fn constant(value: f64, dtype: DType) -> [u8; 8] {
    let mut bytes = [0; 8];
    if dtype == DType::Bool {
        bytes[0] = u8::from(value != 0.0);
        return bytes;
    }
    for_dtype!(dtype, T => {
        let element = T::from_f64(value).to_ne_bytes();
        bytes[..element.len()].copy_from_slice(&element);
    });
    bytes
}
