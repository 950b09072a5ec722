//! A trace: the subgraph that a plan computes, with nodes numbered from 0 in topological order. Equal traces have equal plans,
//! whatever nodes they were cut from; a trace is the key of its plan.

use std::hash::{Hash, Hasher};
use std::ops::Range;

use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::hash::FastMap;
use crate::op::{Op, Spec};
use crate::placement::DeviceId;

/// One node of a trace.
#[derive(Clone, Debug)]
pub struct TraceNode {
    /// What it computes; `Op::Input` takes the next input.
    pub op: Op,
    /// Positions of its inputs, all smaller than its own.
    pub inputs: Vec<u32>,
    /// Shape and dtype.
    pub spec: Spec,
    /// The scope it was made in; part of the key only if a run-time error would name it.
    pub scope: u32,
}

impl TraceNode {
    /// The scope, if an error of the node would name it.
    fn named(&self) -> u32 {
        if self.op.can_fail() { self.scope } else { 0 }
    }
}

/// A subgraph, ready to be planned.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Nodes in topological order.
    pub nodes: Vec<TraceNode>,
    /// Positions of the inputs, in order of first appearance.
    pub inputs: Vec<u32>,
    /// Per input: its buffer is dead after this run.
    pub expendable: Vec<bool>,
    /// Positions of the outputs.
    pub outputs: Vec<u32>,
}

impl PartialEq for Trace {
    fn eq(&self, other: &Trace) -> bool {
        self.inputs == other.inputs
            && self.outputs == other.outputs
            && self.expendable == other.expendable
            && self.nodes.len() == other.nodes.len()
            && self.nodes.iter().zip(&other.nodes).all(|(a, b)| {
                a.op == b.op && a.inputs == b.inputs && a.spec == b.spec && a.named() == b.named()
            })
    }
}
impl Eq for Trace {}
impl Hash for Trace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inputs.hash(state);
        self.outputs.hash(state);
        self.expendable.hash(state);
        for node in &self.nodes {
            node.op.hash(state);
            node.inputs.hash(state);
            node.spec.hash(state);
            node.named().hash(state);
        }
    }
}

impl Trace {
    /// The trace of some of the outputs, without expendable inputs; and the numbers of the inputs that it keeps.
    pub fn for_outputs(&self, outputs: Range<usize>) -> (Trace, Vec<usize>) {
        let mut needed = vec![false; self.nodes.len()];
        for &output in &self.outputs[outputs.clone()] {
            needed[output as usize] = true;
        }
        for (i, node) in self.nodes.iter().enumerate().rev() {
            if needed[i] {
                for &input in &node.inputs {
                    needed[input as usize] = true;
                }
            }
        }
        let mut position = vec![0; self.nodes.len()];
        let mut nodes = Vec::new();
        for (i, node) in self.nodes.iter().enumerate().filter(|&(i, _)| needed[i]) {
            position[i] = nodes.len() as u32;
            nodes.push(TraceNode {
                inputs: node
                    .inputs
                    .iter()
                    .map(|&input| position[input as usize])
                    .collect(),
                ..node.clone()
            });
        }
        let renumbered = |of: &[u32]| of.iter().map(|&i| position[i as usize]).collect::<Vec<u32>>();
        let kept: Vec<usize> = (0..self.inputs.len())
            .filter(|&k| needed[self.inputs[k] as usize])
            .collect();
        let inputs = renumbered(&kept.iter().map(|&k| self.inputs[k]).collect::<Vec<u32>>());
        let trace = Trace {
            expendable: vec![false; inputs.len()],
            outputs: renumbered(&self.outputs[outputs]),
            nodes,
            inputs,
        };
        (trace, kept)
    }
}

/// A trace and the graph nodes of its inputs.
pub struct Cut {
    /// The device that computes it.
    pub device: DeviceId,
    /// The trace.
    pub trace: Trace,
    /// The node behind each input of the trace.
    pub sources: Vec<NodeId>,
    /// The node behind each node of the trace.
    pub ids: Vec<NodeId>,
}

/// Cuts out the subgraph of `targets`, which are on one device. Nodes with a value, nodes of other devices and `leaves` become
/// inputs. Inputs are numbered `leaves` first (used or not), then by first appearance.
pub fn cut(graph: &Graph, targets: &[NodeId], leaves: &[NodeId]) -> Result<Cut> {
    cut_on(graph, graph.device_of(targets)?, targets, leaves)
}

/// As [`cut`], for a device on which all targets are placed or free.
pub fn cut_on(graph: &Graph, device: DeviceId, targets: &[NodeId], leaves: &[NodeId]) -> Result<Cut> {
    let mut cutter = Cutter {
        graph,
        device,
        position: FastMap::with_capacity_and_hasher(512, Default::default()),
        nodes: Vec::with_capacity(64),
        ids: Vec::with_capacity(64),
        inputs: Vec::new(),
        sources: Vec::new(),
    };
    for &id in leaves {
        cutter.add_input(id)?;
    }
    let mut stack: Vec<(NodeId, bool)> = targets.iter().rev().map(|&id| (id, false)).collect();
    while let Some((id, expanded)) = stack.pop() {
        cutter.visit(id, expanded, &mut stack)?;
    }
    let outputs = targets.iter().map(|id| cutter.position[id]).collect();
    let expendable = vec![false; cutter.inputs.len()];
    Ok(Cut {
        device,
        trace: Trace {
            nodes: cutter.nodes,
            inputs: cutter.inputs,
            expendable,
            outputs,
        },
        sources: cutter.sources,
        ids: cutter.ids,
    })
}

/// A trace in the making.
struct Cutter<'g> {
    graph: &'g Graph,
    device: DeviceId,
    /// The node of the trace that stands for a node of the graph.
    position: FastMap<NodeId, u32>,
    nodes: Vec<TraceNode>,
    ids: Vec<NodeId>,
    inputs: Vec<u32>,
    sources: Vec<NodeId>,
}

impl Cutter<'_> {
    /// Adds a node of the trace that stands for `id`.
    fn add(&mut self, id: NodeId, node: TraceNode) {
        self.position.insert(id, self.nodes.len() as u32);
        self.nodes.push(node);
        self.ids.push(id);
    }

    fn add_input(&mut self, id: NodeId) -> Result<()> {
        let node = self.graph.node(id)?;
        self.inputs.push(self.nodes.len() as u32);
        self.sources.push(id);
        self.add(
            id,
            TraceNode {
                op: Op::Input,
                inputs: Vec::new(),
                spec: node.spec.clone(),
                scope: node.scope,
            },
        );
        Ok(())
    }

    /// Adds `id` if its operands are there (`expanded`) or it has none; else asks for the operands first.
    fn visit(&mut self, id: NodeId, expanded: bool, stack: &mut Vec<(NodeId, bool)>) -> Result<()> {
        if self.position.contains_key(&id) {
            return Ok(());
        }
        let node = self.graph.node(id)?;
        if node.value.is_some()
            || node.op == Op::Input
            || !node.placement.fits(self.device)
            || self.graph.is_transfer(node)
        {
            self.add_input(id)?;
        } else if let (true, Op::To(_)) = (expanded, &node.op) {
            // Its input is free, and computed on the device of its consumer.
            self.position.insert(id, self.position[&node.inputs[0]]);
        } else if expanded || node.inputs.is_empty() {
            let inputs = node.inputs.iter().map(|i| self.position[i]).collect();
            self.add(
                id,
                TraceNode {
                    op: node.op.clone(),
                    inputs,
                    spec: node.spec.clone(),
                    scope: node.scope,
                },
            );
        } else {
            stack.push((id, true));
            let missing = node.inputs.iter().rev();
            stack.extend(
                missing
                    .filter(|i| !self.position.contains_key(i))
                    .map(|&i| (i, false)),
            );
        }
        Ok(())
    }
}
