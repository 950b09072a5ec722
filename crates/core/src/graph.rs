//! The graph: an arena of reference-counted nodes.
//!
//! A node is an operation, its inputs, shape and dtype, and a value once it has been computed. A pending node owns no buffer.
//! Nodes have two reference counts: `handles` from outside (JavaScript tensors, Variables) and `uses`, the edges from other
//! nodes. A node with neither is freed, then its inputs recursively.

mod placement;
mod retained;

use std::collections::HashMap;
use std::sync::Arc;

use crate::completion::Completion;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::infer::infer;
use crate::op::{Op, Spec};
use crate::placement::{DeviceId, Placement};
use crate::shape::Shape;
use crate::storage::Buffer;

/// Names a node: index in the arena, and generation, which tells a freed index from its reuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    index: u32,
    generation: u32,
}

/// Generations wrap at 2^20, so that an id fits the 53 integer bits of a JavaScript number.
const GENERATIONS: u32 = 1 << 20;

impl NodeId {
    /// The id as a JavaScript number.
    pub fn to_number(self) -> f64 {
        f64::from(self.generation) * 4_294_967_296.0 + f64::from(self.index)
    }
    /// The id from `to_number`; any other number gives an id that names no node.
    pub fn from_number(number: f64) -> NodeId {
        let bits = number as u64;
        NodeId {
            index: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }
}

/// A computed value, or the value that a queued run will write.
#[derive(Clone)]
pub struct Value {
    /// Its bytes.
    pub buffer: Buffer,
    /// The run that writes it; `None` for data from outside.
    pub completion: Option<Arc<Completion>>,
}

/// A node of the graph.
pub struct Node {
    /// The operation.
    pub op: Op,
    /// Its inputs.
    pub inputs: Vec<NodeId>,
    /// Shape and dtype.
    pub spec: Spec,
    /// Its device.
    pub placement: Placement,
    /// Index into the graph's scopes.
    pub scope: u32,
    /// The value, once a plan that computes it is queued.
    pub value: Option<Value>,
    /// References from outside the graph.
    pub handles: u32,
    /// Edges from other nodes.
    pub uses: u32,
}

struct Entry {
    generation: u32,
    node: Option<Node>,
}

/// The arena.
pub struct Graph {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Paths by number, shared with runs under way.
    scopes: Arc<Vec<Arc<str>>>,
    known_scopes: HashMap<Arc<str>, u32>,
    scope: Vec<u32>,
    /// Names of the devices, by number.
    devices: Vec<String>,
    /// The device of nodes without placed operands.
    default_device: DeviceId,
    /// Whether a node ever was on another device.
    is_divided: bool,
    pending: usize,
    unheld: usize,
    live: usize,
}

impl Default for Graph {
    fn default() -> Graph {
        Graph {
            entries: Vec::new(),
            free: Vec::new(),
            scopes: Arc::new(vec!["".into()]),
            known_scopes: HashMap::from_iter([("".into(), 0)]),
            scope: vec![0],
            devices: vec!["cpu".into()],
            default_device: DeviceId::default(),
            is_divided: false,
            pending: 0,
            unheld: 0,
            live: 0,
        }
    }
}

impl Graph {
    /// An empty graph, of one device.
    pub fn new() -> Graph {
        Graph::default()
    }

    /// Adds a node; the caller gets one handle. Errors name the operation and the current scope.
    pub fn add(&mut self, op: Op, inputs: &[NodeId], target: Option<&Spec>) -> Result<NodeId> {
        let (spec, placement) = {
            let specs = inputs
                .iter()
                .map(|&id| self.spec(id))
                .collect::<Result<Vec<_>>>()?;
            let placement = self.placement_of(&op, inputs);
            infer(&op, &specs, target)
                .and_then(|spec| Ok((spec, placement?)))
                .map_err(|e| e.within(self.scope_name(self.current_scope())))?
        };
        for &input in inputs {
            self.node_mut(input)?.uses += 1;
        }
        Ok(self.insert(op, inputs.to_vec(), spec, placement, None))
    }

    /// Adds a node that has a value; the caller gets one handle.
    pub fn add_value(&mut self, spec: Spec, placement: Placement, value: Value) -> NodeId {
        self.insert(Op::Input, Vec::new(), spec, placement, Some(value))
    }

    /// Adds an argument of a compiled function, whose value comes later; the caller gets one handle.
    pub fn argument(&mut self, spec: Spec, placement: Placement) -> NodeId {
        self.insert(Op::Input, Vec::new(), spec, placement, None)
    }

    /// Adds a constant tensor filled with `number`.
    pub fn constant(&mut self, number: f64, spec: &Spec) -> NodeId {
        let placement = Placement::free(self.default_device);
        self.insert(Op::constant(number), Vec::new(), spec.clone(), placement, None)
    }

    fn insert(
        &mut self,
        op: Op,
        inputs: Vec<NodeId>,
        spec: Spec,
        placement: Placement,
        value: Option<Value>,
    ) -> NodeId {
        self.is_divided |= placement.device != self.default_device;
        self.live += 1;
        self.pending += usize::from(value.is_none());
        let scope = self.current_scope();
        let node = Node {
            op,
            inputs,
            spec,
            placement,
            scope,
            value,
            handles: 1,
            uses: 0,
        };
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.entries.push(Entry {
                    generation: 1,
                    node: None,
                });
                (self.entries.len() - 1) as u32
            }
        };
        let entry = &mut self.entries[index as usize];
        entry.node = Some(node);
        NodeId {
            index,
            generation: entry.generation,
        }
    }

    /// The node of this id.
    ///
    /// # Errors
    /// A node that was disposed of.
    pub fn node(&self, id: NodeId) -> Result<&Node> {
        let entry = self.entries.get(id.index as usize);
        let entry = entry.filter(|entry| entry.generation == id.generation);
        entry.and_then(|entry| entry.node.as_ref()).ok_or_else(disposed)
    }

    /// The node of this id, mutable.
    ///
    /// # Errors
    /// A node that was disposed of.
    pub fn node_mut(&mut self, id: NodeId) -> Result<&mut Node> {
        let entry = self.entries.get_mut(id.index as usize);
        let entry = entry.filter(|entry| entry.generation == id.generation);
        entry.and_then(|entry| entry.node.as_mut()).ok_or_else(disposed)
    }

    /// Shape and dtype.
    pub fn spec(&self, id: NodeId) -> Result<&Spec> {
        Ok(&self.node(id)?.spec)
    }
    /// The shape.
    pub fn shape(&self, id: NodeId) -> Result<&Shape> {
        Ok(&self.node(id)?.spec.shape)
    }
    /// The dtype.
    pub fn dtype(&self, id: NodeId) -> Result<DType> {
        Ok(self.node(id)?.spec.dtype)
    }

    /// One more handle.
    pub fn retain(&mut self, id: NodeId) -> Result<()> {
        let node = self.node_mut(id)?;
        node.handles += 1;
        let is_held_anew = node.handles == 1 && node.value.is_none();
        self.unheld -= usize::from(is_held_anew);
        Ok(())
    }

    /// One handle less. Without handles and uses the node is freed, then its inputs recursively.
    pub fn release(&mut self, id: NodeId) -> Result<()> {
        let node = self.node_mut(id)?;
        if node.handles == 0 {
            return Err(disposed());
        }
        node.handles -= 1;
        let is_let_go = node.handles == 0 && node.value.is_none();
        self.unheld += usize::from(is_let_go);
        self.collect(id);
        Ok(())
    }

    /// Gives a node its value and cuts it from its history, unless `keep_history`.
    pub fn fulfill(&mut self, id: NodeId, value: Value, keep_history: bool) -> Result<()> {
        let node = self.node_mut(id)?;
        let was_pending = node.value.replace(value).is_none();
        let was_unheld = was_pending && node.handles == 0;
        let mut dropped = Vec::new();
        if !keep_history {
            node.op = Op::Input;
            dropped = std::mem::take(&mut node.inputs);
        }
        self.pending -= usize::from(was_pending);
        self.unheld -= usize::from(was_unheld);
        self.drop_edges(dropped);
        Ok(())
    }

    fn collect(&mut self, id: NodeId) {
        let unreferenced = |n: &Node| n.handles == 0 && n.uses == 0;
        if self.node(id).is_ok_and(unreferenced) {
            let inputs = self.free(id);
            self.drop_edges(inputs);
        }
    }

    /// Removes one use of each node in `edges`; frees nodes without references, recursively.
    fn drop_edges(&mut self, mut edges: Vec<NodeId>) {
        while let Some(id) = edges.pop() {
            let Ok(node) = self.node_mut(id) else { continue };
            node.uses -= 1;
            if node.handles == 0 && node.uses == 0 {
                edges.extend(self.free(id));
            }
        }
    }

    /// Frees a node; returns its edges.
    fn free(&mut self, id: NodeId) -> Vec<NodeId> {
        let entry = &mut self.entries[id.index as usize];
        entry.generation = (entry.generation + 1) % GENERATIONS;
        entry.generation = entry.generation.max(1);
        let Some(node) = entry.node.take() else {
            return Vec::new();
        };
        self.live -= 1;
        self.pending -= usize::from(node.value.is_none());
        self.unheld -= usize::from(node.value.is_none());
        self.free.push(id.index);
        node.inputs
    }

    /// Enters a named scope; nodes made inside carry its path.
    pub fn push_scope(&mut self, name: &str) {
        let outer = self.scope_name(self.current_scope());
        let path = if outer.is_empty() {
            name.to_string()
        } else {
            format!("{outer}/{name}")
        };
        let id = match self.known_scopes.get(path.as_str()) {
            Some(&known) => known,
            None => {
                let (id, path): (u32, Arc<str>) = (self.scopes.len() as u32, path.into());
                Arc::make_mut(&mut self.scopes).push(path.clone());
                self.known_scopes.insert(path, id);
                id
            }
        };
        self.scope.push(id);
    }

    /// Leaves the innermost scope.
    pub fn pop_scope(&mut self) {
        if self.scope.len() > 1 {
            self.scope.pop();
        }
    }

    /// Enters the scope of another node: derivatives have the scope of their forward node.
    pub fn enter_scope_of(&mut self, scope: u32) {
        self.scope.push(scope);
    }

    /// The path of a scope; empty for the resolve one.
    pub fn scope_name(&self, scope: u32) -> &str {
        self.scopes.get(scope as usize).map_or("", |s| s)
    }
    /// The paths of all scopes, by number.
    pub fn scope_names(&self) -> Arc<Vec<Arc<str>>> {
        self.scopes.clone()
    }
    fn current_scope(&self) -> u32 {
        self.scope.last().copied().unwrap_or(0)
    }
    /// Nodes that have no value yet.
    pub fn pending(&self) -> usize {
        self.pending
    }
    /// Pending nodes without a handle: the history of other nodes.
    pub fn unheld(&self) -> usize {
        self.unheld
    }
    /// Number of nodes.
    pub fn live(&self) -> usize {
        self.live
    }
}

fn disposed() -> Error {
    Error::new(
        ErrorKind::Disposed,
        "tensor",
        "it was disposed of",
        "keep it until its last use; values made inside jit or tidy live outside only if they are returned",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elementwise::{BinaryOp, UnaryOp};

    #[test]
    fn a_node_lives_as_long_as_anything_refers_to_it() {
        let mut g = Graph::new();
        let spec = Spec::new([2], DType::F32);
        let x = g.constant(1.0, &spec);
        let y = g.add(Op::Unary(UnaryOp::Exp), &[x], None).unwrap();
        let z = g.add(Op::Binary(BinaryOp::Mul), &[y, y], None).unwrap();
        g.release(x).unwrap();
        g.release(y).unwrap();
        assert_eq!(g.live(), 3);
        assert!(g.node(x).is_ok());
        g.release(z).unwrap();
        assert_eq!((g.live(), g.pending()), (0, 0));
        assert!(matches!(g.node(z), Err(e) if e.kind == ErrorKind::Disposed));
        let again = g.constant(1.0, &spec);
        assert_ne!(again, z);
        assert_eq!(NodeId::from_number(again.to_number()), again);
    }

    #[test]
    fn errors_carry_the_scope() {
        let mut g = Graph::new();
        let a = g.constant(1.0, &Spec::new([2, 3], DType::F32));
        g.push_scope("model");
        g.push_scope("layers.0");
        let e = g
            .add(Op::MatMul { ta: false, tb: false }, &[a, a], None)
            .unwrap_err();
        assert_eq!(
            e.to_string(),
            "[model/layers.0] matmul: inner sizes differ: (2, 3) x (2, 3); 3 is not 2; \
             make the last extent of the left equal the first of the right, or transpose one"
        );
        assert_eq!(g.node(a).unwrap().uses, 0);
    }
}
