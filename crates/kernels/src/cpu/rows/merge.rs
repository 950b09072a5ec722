//! Merges clusters of one phase over one index space: the results of one are registers of the next.

use hyperglow_core::plan::{Cluster, Instr, InstrKind, View};

/// Maximal number of instructions of a merged cluster.
const MAX_INSTRUCTIONS: usize = 64;

/// `first` followed by `second`, if they have the same index space and together at most [`MAX_INSTRUCTIONS`]. The second may read
/// the results of the first only element for element.
pub(super) fn merged(first: &Cluster, second: &Cluster) -> Option<Cluster> {
    if first.shape != second.shape || first.code.len() + second.code.len() > MAX_INSTRUCTIONS {
        return None;
    }
    let mut merged = first.clone();
    let mut registers: Vec<usize> = Vec::with_capacity(second.code.len());
    for instr in &second.code {
        let register = match instr.kind {
            InstrKind::Load(l) => merged.register_of(&second.loads[l], instr),
            InstrKind::Const(bits) => merged.register(InstrKind::Const(bits), instr),
            InstrKind::Unary(op, x) => merged.register(InstrKind::Unary(op, registers[x]), instr),
            InstrKind::Binary(op, x, y) => {
                merged.register(InstrKind::Binary(op, registers[x], registers[y]), instr)
            }
            InstrKind::Where(c, x, y) => {
                merged.register(InstrKind::Where(registers[c], registers[x], registers[y]), instr)
            }
            InstrKind::Cast(x) => merged.register(InstrKind::Cast(registers[x]), instr),
        };
        registers.push(register);
    }
    let stores = second
        .stores
        .iter()
        .map(|&(register, slot)| (registers[register], slot));
    merged.stores.extend(stores);
    Some(merged)
}

trait ClusterBuilder {
    fn register(&mut self, kind: InstrKind, like: &Instr) -> usize;
    fn register_of(&mut self, view: &View, like: &Instr) -> usize;
}

impl ClusterBuilder for Cluster {
    /// The register that holds an instruction's result; a new one if there is none.
    fn register(&mut self, kind: InstrKind, like: &Instr) -> usize {
        let instr = Instr {
            kind,
            dtype: like.dtype,
        };
        self.code
            .iter()
            .position(|known| *known == instr)
            .unwrap_or_else(|| {
                self.code.push(instr);
                self.code.len() - 1
            })
    }

    /// The register that holds the elements of a view.
    fn register_of(&mut self, view: &View, like: &Instr) -> usize {
        if let Some(&(register, _)) = self.stores.iter().find(|(_, slot)| *slot == view.slot) {
            return register;
        }
        let at = self
            .loads
            .iter()
            .position(|known| known == view)
            .unwrap_or_else(|| {
                self.loads.push(view.clone());
                self.loads.len() - 1
            });
        self.register(InstrKind::Load(at), like)
    }
}
