//! The order in which a graph's values are computed.

use super::graph::{Graph, Id, NONE, Op, argument_of, stream};

/// The values that the stores need, in order: loads and constants right before their first use, a store right
/// after its value. Late stores write where loads of the same vector read, so they come last of all.
pub(super) fn order(graph: &Graph, stores: &[Id], late: &[Id]) -> Vec<Id> {
    let mut needed = vec![false; graph.values.len()];
    for &store in stores.iter().chain(late) {
        needed[store as usize] = true;
    }
    for id in (0..graph.values.len())
        .rev()
        .filter(|&id| needed[id])
        .collect::<Vec<_>>()
    {
        needed[id] = true;
    }
    for id in (0..graph.values.len()).rev() {
        if needed[id] {
            graph.values[id]
                .operands()
                .for_each(|x| needed[x as usize] = true);
        }
    }
    let mut plan = Plan {
        graph,
        stores,
        placed: vec![false; graph.values.len()],
        order: Vec::new(),
    };
    for (id, value) in graph.values.iter().enumerate() {
        if needed[id] && !is_leaf(value.op) && !is_store(value.op) {
            plan.add(id as Id);
        }
    }
    for &store in stores {
        plan.add(store);
    }
    for &store in late {
        plan.place_operands(store);
    }
    for &store in late {
        plan.add(store);
    }
    plan.order
}

/// Several vectors side by side, operation by operation, which hides the latency of each operation.
pub(super) struct Interleaved {
    pub graph: Graph,
    /// All vectors.
    pub all: Vec<Id>,
    /// The first of them alone.
    pub first: Vec<Id>,
}

/// `copies` vectors of a graph.
pub(super) fn interleave(graph: &Graph, order: &[Id], copies: usize) -> Interleaved {
    let mut out = Interleaved {
        graph: Graph::new(graph.wide, graph.lanes),
        all: Vec::with_capacity(order.len() * copies),
        first: Vec::with_capacity(order.len()),
    };
    let mut images = vec![vec![0; graph.values.len()]; copies];
    for (id, &value) in graph.values.iter().enumerate() {
        if is_invariant(value.op) {
            let image = out.graph.push(value);
            images.iter_mut().for_each(|images| images[id] = image);
        }
    }
    for &id in order {
        for (ahead, images) in images.iter_mut().enumerate() {
            let mut value = *graph.value(id);
            for operand in value.args.iter_mut().filter(|operand| **operand != NONE) {
                *operand = images[*operand as usize];
            }
            if is_store(value.op) || is_leaf(value.op) {
                value.imm = stream(argument_of(value.imm).0, ahead);
            }
            let image = out.graph.push(value);
            images[id as usize] = image;
            out.all.push(image);
            if ahead == 0 {
                out.first.push(image);
            }
        }
    }
    out
}

/// Values without computation: scheduled at their first use.
pub(super) fn is_leaf(op: Op) -> bool {
    matches!(op, Op::Load | Op::LoadBytes) || is_invariant(op)
}

/// Values that are the same in every vector.
pub(super) fn is_invariant(op: Op) -> bool {
    matches!(op, Op::Constant | Op::Uniform)
}

pub(super) fn is_store(op: Op) -> bool {
    matches!(op, Op::Store | Op::StorePast | Op::StoreBytes)
}

struct Plan<'a> {
    graph: &'a Graph,
    stores: &'a [Id],
    placed: Vec<bool>,
    order: Vec<Id>,
}

impl Plan<'_> {
    fn add(&mut self, id: Id) {
        if self.placed[id as usize] || is_invariant(self.graph.value(id).op) {
            return;
        }
        self.placed[id as usize] = true;
        self.place_operands(id);
        self.order.push(id);
        for &store in self.stores {
            if self.graph.value(store).args[0] == id {
                self.add(store);
            }
        }
    }

    /// The loads that it uses; other operands have smaller numbers and are placed.
    fn place_operands(&mut self, id: Id) {
        for operand in self.graph.value(id).operands() {
            if is_leaf(self.graph.value(operand).op) {
                self.add(operand);
            }
        }
    }
}
