//! From a cluster to actions with fixed operands: where each register lies, and what is used in place.

use hyperglow_core::plan::{Cluster, InstrKind, Program, SlotId};
use hyperglow_core::{DType, Error, Result};

use super::blocks::{Action, Blocks, Fill, Kind, Place, Value};
use super::walk::Reading;
use crate::cpu::element::{Element, for_dtype};

/// Bytes of registers and streams that a block may fill: well within a first-level cache.
const CACHE: usize = 24 << 10;
/// Bounds of a block, in elements.
const BLOCK: (usize, usize) = (128, 2048);
/// Elements times instructions for which another thread is worth waking.
const TASK_WORK: usize = 1 << 15;
/// Between registers, so that two of them never share their low address bits (a load would wait for an
/// unrelated store).
const GAP: usize = 192;

impl Blocks {
    /// The cluster, whose views are read as `readings` says.
    pub fn new(cluster: &Cluster, program: &Program, readings: &[Reading]) -> Result<Blocks> {
        let bytes: usize = cluster.code.iter().map(|instr| instr.dtype.size()).sum();
        // Registers are reused, so that about half of them live at a time.
        let fitting = CACHE / (bytes / 2 + 1).max(8);
        let block = (1 << fitting.max(1).ilog2()).clamp(BLOCK.0, BLOCK.1);
        let mut compiler = Compiler {
            cluster,
            program,
            block,
            places: vec![None; cluster.code.len()],
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
            blocks_per_task: (TASK_WORK / work).max(1),
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
    places: Vec<Option<Place>>,
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
        let nowhere = Place::Register(0);
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
                        self.places[i] = Some(Place::Memory {
                            slot,
                            start: at * size,
                            size,
                        });
                        return Ok(());
                    }
                    Reading::Strided(walker) => {
                        let whole = Place::Memory { slot, start: 0, size };
                        (Kind::Walk(walker.clone(), size), [whole, nowhere, nowhere])
                    }
                }
            }
            InstrKind::Unary(op, x) => (Kind::Unary(*op, instr.dtype), [self.place(*x)?, nowhere, nowhere]),
            InstrKind::Binary(op, x, y) => (
                Kind::Binary(*op, self.cluster.code[*x].dtype),
                [self.place(*x)?, self.place(*y)?, nowhere],
            ),
            InstrKind::Where(c, x, y) => (
                Kind::Select(instr.dtype),
                [self.place(*c)?, self.place(*x)?, self.place(*y)?],
            ),
            InstrKind::Cast(x) => {
                let from = self.cluster.code[*x].dtype;
                if from == instr.dtype {
                    // The same register under another name: it lives until both are done with.
                    self.places[i] = self.places[*x];
                    return Ok(());
                }
                (Kind::Cast(from, instr.dtype), [self.place(*x)?, nowhere, nowhere])
            }
        };
        let out = match self.direct_store(i) {
            Some(slot) => Place::Memory { slot, start: 0, size },
            None => self.register(size),
        };
        self.places[i] = Some(out);
        self.code.push(Action { kind, out, operands });
        self.release(i);
        Ok(())
    }

    fn place(&self, register: usize) -> Result<Place> {
        let place = self.places.get(register).copied().flatten();
        place.ok_or_else(|| {
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
        // Never released: `release` frees only what an action wrote.
        self.places[i] = Some(Place::Register(register));
    }

    fn grow(&mut self, size: usize) {
        self.file += (self.block * size + GAP).next_multiple_of(64);
    }

    /// A register of the file for elements of `size` bytes.
    fn register(&mut self, size: usize) -> Place {
        if let Some(at) = self.free.iter().rposition(|&(_, s)| s == size) {
            return Place::Register(self.free.swap_remove(at).0);
        }
        let at = self.file;
        self.grow(size);
        Place::Register(at)
    }

    /// Frees the registers that instruction `now` reads last.
    fn release(&mut self, now: usize) {
        for i in 0..now {
            let Some(Place::Register(at)) = self.places[i] else {
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

    /// The stores that no instruction made, at the end of the block. A value that still lies in a place which one
    /// of them overwrites goes through a register, so that their order does not matter.
    fn late_stores(&mut self) -> Vec<Action> {
        let nowhere = Place::Register(0);
        let mut late = Vec::new();
        for &(register, slot) in &self.cluster.stores {
            let size = self.cluster.code[register].dtype.size();
            let out = Place::Memory { slot, start: 0, size };
            match self.places[register] {
                Some(from) if from != out => late.push((from, slot, size)),
                _ => {}
            }
        }
        let slots: Vec<SlotId> = late.iter().map(|&(_, slot, _)| slot).collect();
        let mut actions = Vec::new();
        for (from, _, size) in &mut late {
            if let Place::Memory { slot, .. } = *from
                && slots.iter().any(|&written| self.program.may_share(slot, written))
            {
                let saved = self.register(*size);
                actions.push(Action {
                    kind: Kind::Copy(*size),
                    out: saved,
                    operands: [*from, nowhere, nowhere],
                });
                *from = saved;
            }
        }
        for (from, slot, size) in late {
            let out = Place::Memory { slot, start: 0, size };
            actions.push(Action {
                kind: Kind::Copy(size),
                out,
                operands: [from, nowhere, nowhere],
            });
        }
        actions
    }
}

/// The last instruction that reads each register's place: that of the register itself or of any cast that only
/// gives it another name. Stored registers live on.
fn last_uses(cluster: &Cluster) -> Vec<usize> {
    // The register whose place each one shares.
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
