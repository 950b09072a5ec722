//! Retained history: the pending nodes without a handle that live only because a held node needs them. The engine evaluates
//! held nodes that retain much history.

use crate::graph::{Graph, Node, NodeId};
use crate::op::Op;

impl Node {
    /// Nodes without a handle that this one retains, from the shares of its inputs, by index.
    fn retained(&self, shares: &[Option<f64>]) -> f64 {
        if self.value.is_some() {
            return 0.0;
        }
        if self.op == Op::Input {
            return f64::INFINITY;
        }
        self.inputs
            .iter()
            .filter_map(|id| shares[id.index as usize])
            .sum()
    }
    /// The share of each consumer in the nodes that this one retains and, if it has no handle, in this one.
    fn share(&self, retained: f64) -> f64 {
        if retained.is_infinite() {
            retained
        } else if self.handles > 0 || self.value.is_some() {
            0.0
        } else {
            (retained + 1.0) / f64::from(self.uses.max(1))
        }
    }
}

impl Graph {
    /// The held nodes without a value, each with the number of nodes that it retains; consumers of a node share it evenly.
    /// Nodes that need an argument of a compiled function are left out: they cannot be computed.
    pub fn retained_history(&self) -> Vec<(NodeId, f64)> {
        // Infinite for nodes that cannot be computed.
        let mut shares: Vec<Option<f64>> = vec![None; self.entries.len()];
        let mut found = Vec::new();
        let mut stack = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let is_held_pending = |node: &Node| node.handles > 0 && node.value.is_none();
            if !entry.node.as_ref().is_some_and(is_held_pending) {
                continue;
            }
            stack.push(index);
            while let Some(&at) = stack.last() {
                let Some(node) = self.entries[at].node.as_ref().filter(|_| shares[at].is_none()) else {
                    stack.pop();
                    continue;
                };
                let before = stack.len();
                if node.value.is_none() {
                    let inputs = node.inputs.iter().map(|id| id.index as usize);
                    stack.extend(inputs.filter(|&input| shares[input].is_none()));
                }
                if stack.len() > before {
                    continue;
                }
                stack.pop();
                let retained = node.retained(&shares);
                if is_held_pending(node) && retained.is_finite() {
                    let (index, generation) = (at as u32, self.entries[at].generation);
                    found.push((NodeId { index, generation }, retained));
                }
                shares[at] = Some(node.share(retained));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::elementwise::UnaryOp;
    use crate::op::Spec;

    #[test]
    fn history_without_handles_is_shared_among_the_nodes_that_need_it() {
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
        let mut found = g.retained_history();
        found.sort_by(|a, b| a.1.total_cmp(&b.1));
        assert_eq!(found, [(y, 1.0), (last, 2.0)]);
        g.retain(shared).unwrap();
        assert_eq!(g.unheld(), 2);
        for id in [shared, y, last, argument, unknown] {
            g.release(id).unwrap();
        }
        assert_eq!((g.live(), g.unheld(), g.pending()), (0, 0, 0));
    }
}
