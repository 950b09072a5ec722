//! The graph: an arena of nodes with counted references.
//!
//! A node is an operation, its inputs, shape and dtype, and a value once it has been computed. A
//! pending node owns no memory but itself. Nodes are counted twice: `handles` are references from
//! outside (JavaScript tensors, Variables), `uses` are edges from other nodes; a node with neither is
//! freed, and so are its inputs in turn.

mod homes;

use std::collections::HashMap;
use std::sync::Arc;

use crate::completion::Completion;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::home::{DeviceId, Home};
use crate::infer::infer;
use crate::op::{Op, Spec};
use crate::shape::Shape;
use crate::storage::Buffer;

/// Names a node. The generation tells a freed index from its reuse.
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
    /// The id that `to_number` wrote; numbers that no id has give one that names nothing.
    pub fn from_number(number: f64) -> NodeId {
        let bits = number as u64;
        NodeId {
            index: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }
}

/// A computed value, or one that a queued plan will have computed.
#[derive(Clone)]
pub struct Value {
    /// Where it is.
    pub buffer: Buffer,
    /// The run that writes it; `None` for data that was there from the start.
    pub completion: Option<Arc<Completion>>,
}

/// A node of the graph.
pub struct Node {
    /// What it computes.
    pub op: Op,
    /// From what.
    pub inputs: Vec<NodeId>,
    /// Shape and dtype.
    pub spec: Spec,
    /// Where it is.
    pub home: Home,
    /// Index into the graph's scopes.
    pub scope: u32,
    /// The value, once a plan that computes it is queued.
    pub value: Option<Value>,
    /// References from outside the graph.
    pub handles: u32,
    /// Edges from other nodes.
    pub uses: u32,
}

impl Node {
    /// How many nodes that nobody holds wait for this one, of which each input gives its part.
    fn burden(&self, parts: &[Option<f64>]) -> f64 {
        if self.value.is_some() {
            return 0.0;
        }
        if self.op == Op::Input {
            return f64::INFINITY;
        }
        self.inputs.iter().filter_map(|id| parts[id.index as usize]).sum()
    }
    /// What each of its users gets of that and, if nobody holds it, of itself.
    fn part(&self, burden: f64) -> f64 {
        if burden.is_infinite() {
            burden
        } else if self.handles > 0 || self.value.is_some() {
            0.0
        } else {
            (burden + 1.0) / f64::from(self.uses.max(1))
        }
    }
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
    /// Where what is made of nothing is computed, unless it is told otherwise.
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
        let (spec, home) = {
            let specs = inputs
                .iter()
                .map(|&id| self.spec(id))
                .collect::<Result<Vec<_>>>()?;
            let home = self.home_of(&op, inputs);
            infer(&op, &specs, target)
                .and_then(|spec| Ok((spec, home?)))
                .map_err(|e| e.within(self.scope_name(self.current_scope())))?
        };
        for &input in inputs {
            self.node_mut(input)?.uses += 1;
        }
        Ok(self.insert(op, inputs.to_vec(), spec, home, None))
    }

    /// Adds a node that has a value; the caller gets one handle.
    pub fn add_value(&mut self, spec: Spec, home: Home, value: Value) -> NodeId {
        self.insert(Op::Input, Vec::new(), spec, home, Some(value))
    }

    /// Adds an argument, whose value is given later; the caller gets one handle.
    pub fn argument(&mut self, spec: Spec, home: Home) -> NodeId {
        self.insert(Op::Input, Vec::new(), spec, home, None)
    }

    /// Adds a constant tensor filled with `number`.
    pub fn constant(&mut self, number: f64, spec: &Spec) -> NodeId {
        let home = Home::free(self.default_device);
        self.insert(Op::constant(number), Vec::new(), spec.clone(), home, None)
    }

    fn insert(
        &mut self,
        op: Op,
        inputs: Vec<NodeId>,
        spec: Spec,
        home: Home,
        value: Option<Value>,
    ) -> NodeId {
        self.is_divided |= home.device != self.default_device;
        self.live += 1;
        self.pending += usize::from(value.is_none());
        let scope = self.current_scope();
        let node = Node {
            op,
            inputs,
            spec,
            home,
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

    /// The node of this id, or an error if it was disposed of.
    pub fn node(&self, id: NodeId) -> Result<&Node> {
        match self.entries.get(id.index as usize) {
            Some(Entry {
                generation,
                node: Some(node),
            }) if *generation == id.generation => Ok(node),
            _ => Err(disposed()),
        }
    }

    /// The node of this id, to be changed.
    pub fn node_mut(&mut self, id: NodeId) -> Result<&mut Node> {
        match self.entries.get_mut(id.index as usize) {
            Some(Entry {
                generation,
                node: Some(node),
            }) if *generation == id.generation => Ok(node),
            _ => Err(disposed()),
        }
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

    /// One handle less; the node and what only it used are freed when none is left.
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
    pub fn fulfil(&mut self, id: NodeId, value: Value, keep_history: bool) -> Result<()> {
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

    /// Takes one use from each of `edges`; what is left without references is freed, and so on.
    fn drop_edges(&mut self, mut edges: Vec<NodeId>) {
        while let Some(id) = edges.pop() {
            let Ok(node) = self.node_mut(id) else { continue };
            node.uses -= 1;
            if node.handles == 0 && node.uses == 0 {
                edges.extend(self.free(id));
            }
        }
    }

    /// Frees a node and gives back its edges.
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

    /// Enters the scope in which another node was made: derivatives belong where the forward node does.
    pub fn enter_scope_of(&mut self, scope: u32) {
        self.scope.push(scope);
    }

    /// The path of a scope; empty for the outermost one.
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
    /// The nodes without a value that are held from outside, each with its part of the nodes that nobody holds and that
    /// wait for it alone or with others, who share them evenly. Left out is what cannot be computed: what needs an argument
    /// of a compiled function.
    pub fn burdens(&self) -> Vec<(NodeId, f64)> {
        // What a node hands on to those who use it; nothing can be computed of infinitely much.
        let mut parts: Vec<Option<f64>> = vec![None; self.entries.len()];
        let mut burdens = Vec::new();
        let mut stack = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            if !entry
                .node
                .as_ref()
                .is_some_and(|n| n.handles > 0 && n.value.is_none())
            {
                continue;
            }
            stack.push(index);
            while let Some(&at) = stack.last() {
                let Some(node) = self.entries[at].node.as_ref().filter(|_| parts[at].is_none()) else {
                    stack.pop();
                    continue;
                };
                let before = stack.len();
                if node.value.is_none() {
                    let inputs = node.inputs.iter().map(|id| id.index as usize);
                    stack.extend(inputs.filter(|&input| parts[input].is_none()));
                }
                if stack.len() > before {
                    continue;
                }
                stack.pop();
                let burden = node.burden(&parts);
                if node.handles > 0 && node.value.is_none() && burden.is_finite() {
                    let (index, generation) = (at as u32, self.entries[at].generation);
                    burdens.push((NodeId { index, generation }, burden));
                }
                parts[at] = Some(node.part(burden));
            }
        }
        burdens
    }
    /// Nodes that have no value yet.
    pub fn pending(&self) -> usize {
        self.pending
    }
    /// Those of them that nobody outside holds: the history of others.
    pub fn unheld(&self) -> usize {
        self.unheld
    }
    /// Nodes in all.
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
    fn a_history_that_nobody_holds_burdens_those_who_need_it() {
        let mut g = Graph::new();
        let spec = Spec::new([2], DType::F32);
        let exp = |g: &mut Graph, x| g.add(Op::Unary(UnaryOp::Exp), &[x], None).unwrap();
        let x = g.constant(1.0, &spec);
        let shared = exp(&mut g, x);
        let (y, z) = (exp(&mut g, shared), exp(&mut g, shared));
        let last = exp(&mut g, z);
        for id in [x, shared, z] {
            g.release(id).unwrap();
        }
        let argument = g.add(Op::Input, &[], Some(&spec)).unwrap();
        let unknown = exp(&mut g, argument);
        assert_eq!(g.unheld(), 3);
        let mut burdens = g.burdens();
        burdens.sort_by(|a, b| a.1.total_cmp(&b.1));
        assert_eq!(burdens, [(y, 1.0), (last, 2.0)]);
        g.retain(shared).unwrap();
        assert_eq!(g.unheld(), 2);
        for id in [shared, y, last, argument, unknown] {
            g.release(id).unwrap();
        }
        assert_eq!((g.live(), g.unheld(), g.pending()), (0, 0, 0));
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
