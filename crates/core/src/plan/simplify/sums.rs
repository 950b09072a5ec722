//! Sums of factors that are constant along the summed axes, and of squared outer products.

use super::Simplifier;
use crate::elementwise::{BinaryOp, UnaryOp};
use crate::op::{Op, Reduction, Spec};
use crate::plan::trace::TraceNode;
use crate::shape::Shape;

impl Simplifier {
    /// The sum of `x`. Signs and factors that are constant along `axes` are applied to the sum, so that the product need not be
    /// materialized; unless the other factor would be materialized for the sum alone.
    pub(super) fn sum(&mut self, x: u32, axes: &[usize], node: &TraceNode) -> u32 {
        let TraceNode { op, inputs, spec, .. } = self.nodes[x as usize].clone();
        let [a, b] = [inputs.first(), inputs.get(1)].map(|input| input.copied().unwrap_or(x));
        if op == Op::Binary(BinaryOp::Mul)
            && spec.dtype.is_float()
            && a == b
            && let Some(sum) = self.sum_of_squared_products(a, axes, node)
        {
            return sum;
        }
        match op {
            Op::Unary(UnaryOp::Neg) => {
                let sum = self.sum(a, axes, node);
                self.like(op, vec![sum], node)
            }
            Op::Binary(BinaryOp::Add) if a == b && spec.dtype.is_float() => {
                let sum = self.sum(a, axes, node);
                self.like(op, vec![sum, sum], node)
            }
            Op::Binary(BinaryOp::Mul | BinaryOp::Div | BinaryOp::GatedMul | BinaryOp::GatedDiv)
                if spec.dtype.is_float() =>
            {
                let constant = |factor: u32| self.is_constant_along(factor, axes);
                let (terms, factor, is_left) = match op {
                    _ if constant(b) && self.is_materialized(a) => (a, b, false),
                    Op::Binary(BinaryOp::Mul) if constant(a) && self.is_materialized(b) => (b, a, false),
                    Op::Binary(BinaryOp::GatedMul) if constant(a) && self.is_materialized(b) => (b, a, true),
                    _ => return self.plain_sum(x, axes, node),
                };
                let sum = self.sum(terms, axes, node);
                let factor = self.at_any_index(factor, axes, node);
                let inputs = if is_left { [factor, sum] } else { [sum, factor] };
                self.like(op, inputs.to_vec(), node)
            }
            _ => self.plain_sum(x, axes, node),
        }
    }

    /// The sum of the squares of outer products x y', one for each sample: over the samples it is a product of squares (Goodfellow 2015,
    /// arXiv 1510.01799), over rows and columns it is |x|^2 |y|^2. The outer products, such as the gradients that each sample gives a
    /// dense layer, are not computed.
    fn sum_of_squared_products(&mut self, x: u32, axes: &[usize], node: &TraceNode) -> Option<u32> {
        let is_transposed = |node: &TraceNode| matches!(&node.op, Op::Permute(axes) if **axes == [0, 2, 1]);
        let given = &self.nodes[x as usize];
        let (product, transposed) = if is_transposed(given) {
            (&self.nodes[given.inputs[0] as usize], true)
        } else {
            (given, false)
        };
        let TraceNode { op, inputs, spec, .. } = product;
        let (Op::Binary(BinaryOp::Mul), [samples, rows, columns]) = (op, spec.shape.dims()) else {
            return None;
        };
        let factor = |operand: u32| match &self.nodes[operand as usize] {
            TraceNode {
                op: Op::Broadcast,
                inputs,
                ..
            } => Some((inputs[0], self.nodes[inputs[0] as usize].spec.shape.dims())),
            _ => None,
        };
        let (one, other) = (factor(inputs[0])?, factor(inputs[1])?);
        let (samples, rows, columns) = (*samples, *rows, *columns);
        let is_column = |dims: &[usize]| *dims == [samples, rows, 1];
        let (column, row) = if is_column(one.1) {
            (one, other)
        } else {
            (other, one)
        };
        if !is_column(column.1) || *row.1 != [samples, 1, columns] || rows == 1 || columns == 1 {
            return None;
        }
        let dtype = spec.dtype;
        let mut vectors = [(column.0, rows), (row.0, columns)];
        if transposed {
            vectors.reverse();
        }
        let squares = vectors.map(|(vectors, extent)| {
            let flat = Spec::new([samples, extent], dtype);
            let vectors = self.add(Op::Reshape, vec![vectors], flat.clone(), node.scope);
            self.add(Op::Binary(BinaryOp::Mul), vec![vectors; 2], flat, node.scope)
        });
        match axes {
            [0] => Some(self.like(Op::MatMul { ta: true, tb: false }, squares.to_vec(), node)),
            [1, 2] => {
                let norms = squares.map(|squares| self.plain_sum(squares, &[1], node));
                Some(self.like(Op::Binary(BinaryOp::Mul), norms.to_vec(), node))
            }
            _ => None,
        }
    }

    fn plain_sum(&mut self, x: u32, axes: &[usize], node: &TraceNode) -> u32 {
        let op = Op::Reduce {
            kind: Reduction::Sum,
            axes: axes.into(),
        };
        self.like(op, vec![x], node)
    }

    /// Whether the node is in memory anyway: it has several uses or is not elementwise.
    fn is_materialized(&self, node: u32) -> bool {
        self.uses[node as usize] > 1 || !self.nodes[node as usize].op.is_elementwise()
    }

    /// Whether a tensor is constant along `axes`.
    fn is_constant_along(&self, node: u32, axes: &[usize]) -> bool {
        let TraceNode { op, inputs, .. } = &self.nodes[node as usize];
        match op {
            Op::Const(_) => true,
            Op::Broadcast => {
                let from = &self.nodes[inputs[0] as usize].spec.shape;
                axes.iter().all(|&axis| from[axis] == 1)
            }
            _ => false,
        }
    }

    /// A tensor that is constant along `axes`, without these axes, in the shape of `node`.
    fn at_any_index(&mut self, x: u32, axes: &[usize], node: &TraceNode) -> u32 {
        let TraceNode { op, inputs, .. } = self.nodes[x as usize].clone();
        if let Op::Const(_) = op {
            return self.like(op, Vec::new(), node);
        }
        let given = self.nodes[inputs[0] as usize].spec.clone();
        let kept = given
            .shape
            .dims()
            .iter()
            .enumerate()
            .filter(|(axis, _)| !axes.contains(axis));
        let shape: Shape = kept.map(|(_, &extent)| extent).collect();
        let mut at = inputs[0];
        if shape != given.shape {
            at = self.add(
                Op::Reshape,
                vec![at],
                Spec::new(shape.clone(), given.dtype),
                node.scope,
            );
        }
        if shape == node.spec.shape {
            at
        } else {
            self.like(Op::Broadcast, vec![at], node)
        }
    }
}
