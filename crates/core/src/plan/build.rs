//! From a trace to a program.

use std::collections::HashMap;
use std::sync::Arc;

use crate::device::Kernel;
use crate::error::{Error, Result};
use crate::op::{Op, Spec};
use crate::plan::context::Context;
use crate::plan::draft::Draft;
use crate::plan::lower::{Lowered, lower};
use crate::plan::schedule;
use crate::plan::simplify::SimplifiedTrace;
use crate::plan::trace::Trace;
use crate::plan::view;
use crate::plan::{Cluster, Instr, InstrKind, Location, Program, Slot, SlotId, Step, StepKind, View};
use crate::shape::Shape;
use crate::traits::{ElementwiseOp, Form, ViewOp};

/// Plans a trace.
///
/// # Errors
/// Operations for which the device has neither a kernel nor a [lowering](crate::lower).
pub fn build(trace: &Trace, context: &Context<'_>) -> Result<Program> {
    let limits = context.device.limits();
    let Lowered { simplified, kernels } = lower(trace, context)?;
    let clusters = clusters(&simplified, limits.cluster);
    let mut planner = Planner::new(&simplified, kernels, context);
    planner.emit(&clusters)?;
    planner.write_outputs();
    Ok(schedule::finish(
        planner.draft,
        &trace.expendable,
        trace.outputs.len(),
        limits,
    ))
}

/// Per node, the last node of its cluster, for elementwise nodes.
///
/// An elementwise node joins the cluster of its first consumer, if that consumer is elementwise. The clusters of several
/// consumers are merged if no reader of the earlier cluster comes before the later one. Outputs may be merged too: no step
/// reads an output through another path.
fn clusters(simplified: &SimplifiedTrace, limit: usize) -> Vec<Option<usize>> {
    let mut clusters = Clusters {
        simplified,
        limit,
        root: vec![None; simplified.nodes.len()],
        members: HashMap::new(),
    };
    for i in (0..simplified.nodes.len()).rev() {
        if simplified.live[i] && simplified.nodes[i].op.is_elementwise() {
            let joined = clusters.of_consumers(i).unwrap_or(i);
            clusters.root[i] = Some(joined);
            clusters.members.entry(joined).or_default().push(i);
        }
    }
    clusters.root
}

/// Clusters under construction, by their last nodes (roots).
struct Clusters<'a> {
    simplified: &'a SimplifiedTrace,
    /// Maximal number of instructions of a cluster.
    limit: usize,
    root: Vec<Option<usize>>,
    members: HashMap<usize, Vec<usize>>,
}

impl Clusters<'_> {
    /// The cluster that computes a node: the merged clusters of as many of its consumers as possible, before which no consumer
    /// reads the node. Later consumers read the stored result.
    fn of_consumers(&mut self, node: usize) -> Option<usize> {
        let position = |&consumer: &usize| self.root[consumer].unwrap_or(consumer);
        let mut positions: Vec<usize> = self.simplified.consumers[node].iter().map(position).collect();
        positions.sort_unstable();
        positions.dedup();
        let together = (1..=positions.len())
            .rev()
            .find(|&count| self.can_join(&positions[..count]))?;
        let (&last, earlier) = positions[..together].split_last()?;
        for root in earlier {
            let moved = self.members.remove(root).unwrap_or_default();
            for &member in &moved {
                self.root[member] = Some(last);
            }
            self.members.entry(last).or_default().extend(moved);
        }
        Some(last)
    }

    /// Whether the nodes at `positions` are roots of clusters that can be merged, with room for another node.
    fn can_join(&self, positions: &[usize]) -> bool {
        let Some((&last, earlier)) = positions.split_last() else {
            return false;
        };
        let size: Option<usize> = positions
            .iter()
            .map(|root| self.members.get(root).map(Vec::len))
            .sum();
        size.is_some_and(|size| size < self.limit) && earlier.iter().all(|&root| self.may_wait(root, last))
    }

    /// Whether a cluster can be computed as late as another: all its readers come later still.
    fn may_wait(&self, root: usize, last: usize) -> bool {
        let inside = |node: usize| self.root[node] == Some(root) || self.root[node] == Some(last);
        let mut readers = self.members[&root]
            .iter()
            .flat_map(|&m| &self.simplified.consumers[m]);
        readers.all(|&reader| inside(reader) || self.root[reader].unwrap_or(reader).min(reader) > last)
    }
}

/// The value of a node while steps are emitted: a constant or a view of a slot.
#[derive(Clone)]
enum Known {
    Const(u64),
    View(View),
}

struct Planner<'a> {
    simplified: &'a SimplifiedTrace,
    /// Per node, its kernel until its step is emitted.
    kernels: Vec<Option<Arc<dyn Kernel>>>,
    context: &'a Context<'a>,
    draft: Draft,
    known: Vec<Option<Known>>,
    /// Per node, the slot of its contiguous copy.
    copies: HashMap<usize, SlotId>,
}

impl<'a> Planner<'a> {
    fn new(
        simplified: &'a SimplifiedTrace,
        kernels: Vec<Option<Arc<dyn Kernel>>>,
        context: &'a Context<'a>,
    ) -> Planner<'a> {
        let known = vec![None; simplified.nodes.len()];
        Planner {
            simplified,
            kernels,
            context,
            draft: Draft::default(),
            known,
            copies: HashMap::new(),
        }
    }

    fn emit(&mut self, clusters: &[Option<usize>]) -> Result<()> {
        let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
        for (i, root) in clusters.iter().enumerate() {
            if let Some(root) = root {
                members.entry(*root).or_default().push(i);
            }
        }
        for i in 0..self.simplified.nodes.len() {
            let node = &self.simplified.nodes[i];
            if !self.simplified.live[i] && node.op != Op::Input {
                continue;
            }
            match node.op.traits().form {
                Form::Input => {
                    let slot = self.slot(node.spec.clone(), Some(Location::Input(self.draft.inputs.len())));
                    self.draft.inputs.push(slot);
                    self.know(i, slot);
                }
                Form::Constant(bits) => self.known[i] = Some(Known::Const(bits)),
                Form::View(how) => self.known[i] = Some(self.moved(i, how)),
                Form::Elementwise(_) => {
                    if clusters[i] == Some(i) {
                        self.cluster(&members[&i], clusters);
                    }
                }
                Form::Step => self.primitive(i)?,
            }
        }
        Ok(())
    }

    fn slot(&mut self, spec: Spec, location: Option<Location>) -> SlotId {
        self.draft.slots.push((spec, location));
        self.draft.slots.len() - 1
    }
    fn know(&mut self, node: usize, slot: SlotId) {
        let shape = self.simplified.nodes[node].spec.shape.clone();
        self.known[node] = Some(Known::View(View::contiguous(slot, shape)));
    }
    fn value(&self, node: usize) -> Known {
        self.known[node]
            .clone()
            .expect("inputs come before their consumers")
    }
    fn push(&mut self, node: usize, kind: StepKind) {
        let scope = (self.context.scope)(self.simplified.nodes[node].scope);
        self.draft.steps.push(Step { kind, scope });
    }

    /// The value of a movement node, as a view of its input's slot.
    fn moved(&mut self, i: usize, how: ViewOp<'_>) -> Known {
        let node = &self.simplified.nodes[i];
        let input = node.inputs[0] as usize;
        let from = match self.value(input) {
            Known::Const(bits) => return Known::Const(bits),
            Known::View(from) => from,
        };
        let shape = &node.spec.shape;
        Known::View(match how {
            ViewOp::Permute(axes) => view::permute(&from, axes),
            ViewOp::Slice { start, step } => view::slice(&from, start, step, shape),
            ViewOp::Flip(axes) => view::flip(&from, axes),
            ViewOp::Broadcast => view::broadcast(&from, shape),
            ViewOp::Reshape => match view::reshape(&from, shape) {
                Some(view) => view,
                None => View::contiguous(self.contiguous(input), shape.clone()),
            },
        })
    }

    /// A slot that holds the node's elements row-major from its start; copies them if necessary.
    fn contiguous(&mut self, node: usize) -> SlotId {
        if let Known::View(view) = self.value(node)
            && view.offset == 0
            && view.is_contiguous()
        {
            return view.slot;
        }
        if let Some(&slot) = self.copies.get(&node) {
            return slot;
        }
        let slot = self.slot(self.simplified.nodes[node].spec.clone(), None);
        self.copy(node, slot);
        self.copies.insert(node, slot);
        slot
    }

    /// Emits a step that writes the node's elements to `slot`.
    fn copy(&mut self, node: usize, slot: SlotId) {
        let spec = &self.simplified.nodes[node].spec;
        let (kind, loads) = match self.value(node) {
            Known::Const(bits) => (InstrKind::Const(bits), vec![]),
            Known::View(view) => (InstrKind::Load(0), vec![view]),
        };
        let code = vec![Instr {
            kind,
            dtype: spec.dtype,
        }];
        let cluster = Cluster {
            shape: spec.shape.clone(),
            loads,
            code,
            stores: vec![(0, slot)],
        };
        self.push(node, StepKind::Cluster(cluster));
    }

    fn primitive(&mut self, i: usize) -> Result<()> {
        let simplified = self.simplified;
        let node = &simplified.nodes[i];
        let inputs: Vec<(SlotId, Spec)> = node
            .inputs
            .iter()
            .map(|&n| {
                (
                    self.contiguous(n as usize),
                    simplified.nodes[n as usize].spec.clone(),
                )
            })
            .collect();
        let kernel = self.kernels[i].take();
        let kernel = kernel.ok_or_else(|| Error::internal(node.op.name(), "a step without a kernel"))?;
        let bytes = kernel.needs().scratch;
        let output = self.slot(node.spec.clone(), None);
        self.push(
            i,
            StepKind::Op {
                op: node.op.clone(),
                inputs,
                output,
                kernel,
                scratch: (0, bytes),
            },
        );
        self.know(i, output);
        Ok(())
    }

    fn cluster(&mut self, members: &[usize], clusters: &[Option<usize>]) {
        let simplified = self.simplified;
        let root = *members.last().expect("a cluster has its root");
        let mut code = Code::default();
        for &i in members {
            let node = &simplified.nodes[i];
            let Form::Elementwise(each) = node.op.traits().form else {
                continue;
            };
            let r: Vec<usize> = node
                .inputs
                .iter()
                .map(|&n| code.operand(n as usize, simplified, &self.known))
                .collect();
            let kind = match each {
                ElementwiseOp::Unary(op) => InstrKind::Unary(op, r[0]),
                ElementwiseOp::Binary(op) => InstrKind::Binary(op, r[0], r[1]),
                ElementwiseOp::Where => InstrKind::Where(r[0], r[1], r[2]),
                ElementwiseOp::Cast => InstrKind::Cast(r[0]),
            };
            let register = code.push(kind, &node.spec);
            code.registers.insert(i, register);
        }
        let mut stores = Vec::new();
        for &i in members {
            let read_outside = simplified.consumers[i].iter().any(|&c| clusters[c] != Some(root));
            if read_outside || simplified.outputs.contains(&i) {
                let slot = self.slot(simplified.nodes[i].spec.clone(), None);
                stores.push((code.registers[&i], slot));
                self.know(i, slot);
            }
        }
        let shape: Shape = simplified.nodes[root].spec.shape.clone();
        let cluster = Cluster {
            shape,
            loads: code.loads,
            code: code.code,
            stores,
        };
        self.push(root, StepKind::Cluster(cluster));
    }

    /// Gives every output its own slot; copies views, inputs, constants and repeated outputs.
    fn write_outputs(&mut self) {
        for (j, &node) in self.simplified.outputs.iter().enumerate() {
            let whole = match self.value(node) {
                Known::View(v) if v.offset == 0 && v.is_contiguous() => {
                    let (spec, location) = &self.draft.slots[v.slot];
                    (location.is_none() && spec.shape.size() == v.shape.size()).then_some(v.slot)
                }
                Known::View(_) | Known::Const(_) => None,
            };
            let slot = match whole {
                Some(slot) => slot,
                None => {
                    let slot = self.slot(self.simplified.nodes[node].spec.clone(), None);
                    self.copy(node, slot);
                    slot
                }
            };
            self.draft.slots[slot].1 = Some(Location::Output(j));
            self.draft.outputs.push(slot);
        }
    }
}

/// The code of a cluster under construction.
#[derive(Default)]
struct Code {
    code: Vec<Instr>,
    loads: Vec<View>,
    registers: HashMap<usize, usize>,
}

impl Code {
    fn push(&mut self, kind: InstrKind, spec: &Spec) -> usize {
        let instr = Instr {
            kind,
            dtype: spec.dtype,
        };
        if let Some(same) = self.code.iter().position(|i| *i == instr) {
            return same;
        }
        self.code.push(instr);
        self.code.len() - 1
    }

    /// The register of an operand: a member's, a constant's or a load's.
    fn operand(&mut self, node: usize, simplified: &SimplifiedTrace, known: &[Option<Known>]) -> usize {
        if let Some(&register) = self.registers.get(&node) {
            return register;
        }
        let kind = match known[node].as_ref().expect("operands come before the cluster") {
            Known::Const(bits) => InstrKind::Const(*bits),
            Known::View(view) => {
                let at = self.loads.iter().position(|v| v == view).unwrap_or_else(|| {
                    self.loads.push(view.clone());
                    self.loads.len() - 1
                });
                InstrKind::Load(at)
            }
        };
        self.push(kind, &simplified.nodes[node].spec)
    }
}

impl From<(Spec, Location)> for Slot {
    fn from((spec, location): (Spec, Location)) -> Slot {
        Slot { spec, location }
    }
}
