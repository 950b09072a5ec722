//! Graph built from primitives by other code of ours: derivative rules and the like.
//!
//! [`Build`] owns what it makes until [`Build::finish`], so that a rule can be written as a formula.
//! Its methods cannot refuse: a shape that does not fit there is a mistake of ours and panics, which the
//! boundary reports as an internal error.

use crate::dtype::DType;
use crate::elementwise::{BinaryOp, Formula, UnaryOp};
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::op::{Op, Reduction, Spec};
use crate::shape::Shape;

/// Builds graph with formulas.
pub struct Build<'g> {
    graph: &'g mut Graph,
    made: Vec<NodeId>,
}

impl<'g> Build<'g> {
    /// A builder on `graph`.
    pub fn new(graph: &'g mut Graph) -> Build<'g> {
        Build {
            graph,
            made: Vec::new(),
        }
    }

    /// Lets go of everything made but `keep`, of which the caller gets one handle each.
    pub fn finish(self, keep: &[NodeId]) {
        for &id in keep {
            self.graph.retain(id).expect("kept nodes live");
        }
        for id in self.made {
            self.graph.release(id).expect("made nodes live");
        }
    }

    /// The graph.
    pub fn graph(&mut self) -> &mut Graph {
        self.graph
    }
    /// The spec of a node.
    pub fn spec(&self, id: NodeId) -> Spec {
        self.graph.spec(id).expect("inputs of a rule live").clone()
    }
    /// The shape of a node.
    pub fn shape(&self, id: NodeId) -> Shape {
        self.spec(id).shape
    }
    /// A primitive.
    pub fn add_op(&mut self, op: Op, inputs: &[NodeId], target: Option<&Spec>) -> NodeId {
        let id = match self.graph.add(op, inputs, target) {
            Ok(id) => id,
            Err(e) => panic!("a rule built {e}"),
        };
        self.made.push(id);
        id
    }
    /// A tensor filled with `number`.
    pub fn constant(&mut self, number: f64, spec: &Spec) -> NodeId {
        let id = self.graph.constant(number, spec);
        self.made.push(id);
        id
    }
    /// Conversion.
    pub fn cast(&mut self, x: NodeId, dtype: DType) -> NodeId {
        if self.spec(x).dtype == dtype {
            x
        } else {
            self.add_op(Op::Cast(dtype), &[x], None)
        }
    }
    /// Other extents, same elements.
    pub fn reshape(&mut self, x: NodeId, shape: Shape) -> NodeId {
        let spec = self.spec(x);
        if spec.shape == shape {
            return x;
        }
        self.add_op(
            Op::Reshape,
            &[x],
            Some(&Spec {
                shape,
                dtype: spec.dtype,
            }),
        )
    }
    /// Stretches extents of 1 to those of `shape`, which has the same rank.
    pub fn broadcast(&mut self, x: NodeId, shape: Shape) -> NodeId {
        let spec = self.spec(x);
        if spec.shape == shape {
            return x;
        }
        self.add_op(
            Op::Broadcast,
            &[x],
            Some(&Spec {
                shape,
                dtype: spec.dtype,
            }),
        )
    }
    /// The sum over `axes`, which become extents of 1.
    pub fn sum_keep(&mut self, x: NodeId, axes: &[usize]) -> NodeId {
        if axes.is_empty() {
            return x;
        }
        let shape = self.shape(x).reduced(axes, true);
        let sum = self.add_op(
            Op::Reduce {
                kind: Reduction::Sum,
                axes: axes.into(),
            },
            &[x],
            None,
        );
        self.reshape(sum, shape)
    }
    /// A reduced tensor stretched back over `axes` of `shape`.
    pub fn unreduce(&mut self, x: NodeId, axes: &[usize], shape: &Shape) -> NodeId {
        let kept = self.reshape(x, shape.reduced(axes, true));
        self.broadcast(kept, shape.clone())
    }
    /// Axes in another order.
    pub fn permute(&mut self, x: NodeId, axes: &[usize]) -> NodeId {
        self.add_op(Op::Permute(axes.into()), &[x], None)
    }
    /// The last two axes exchanged.
    pub fn transpose(&mut self, x: NodeId) -> NodeId {
        let rank = self.shape(x).rank();
        let mut axes: Vec<usize> = (0..rank).collect();
        axes.swap(rank - 1, rank - 2);
        self.permute(x, &axes)
    }
    /// `count` elements per axis from `start`.
    pub fn slice(&mut self, x: NodeId, start: &[usize], step: &[usize], count: Shape) -> NodeId {
        let dtype = self.spec(x).dtype;
        let op = Op::Slice {
            start: start.into(),
            step: step.into(),
        };
        self.add_op(op, &[x], Some(&Spec { shape: count, dtype }))
    }
    /// Zeros around, so many per axis before and behind; `x` where there are none.
    pub fn pad(&mut self, x: NodeId, low: &[usize], high: &[usize]) -> NodeId {
        if low.iter().chain(high).all(|&width| width == 0) {
            return x;
        }
        let op = Op::Pad {
            low: low.into(),
            high: high.into(),
            interior: vec![0; low.len()].into(),
        };
        self.add_op(op, &[x], None)
    }
    /// One after the other along `axis`.
    pub fn concat(&mut self, parts: &[NodeId], axis: usize) -> NodeId {
        match parts {
            [only] => *only,
            _ => self.add_op(Op::Concat { axis }, parts, None),
        }
    }
    /// A matrix product; a flag transposes that operand.
    pub fn matmul(&mut self, a: NodeId, b: NodeId, ta: bool, tb: bool) -> NodeId {
        self.add_op(Op::MatMul { ta, tb }, &[a, b], None)
    }
    /// Row number minus column number, as a float tensor like the matrices `x`.
    pub fn diagonal_distance(&mut self, x: NodeId) -> NodeId {
        let spec = self.spec(x);
        let rank = spec.shape.rank();
        let rows = self.add_op(Op::Iota { axis: rank - 2 }, &[], Some(&spec));
        let columns = self.add_op(Op::Iota { axis: rank - 1 }, &[], Some(&spec));
        self.sub(rows, columns)
    }
    /// The lower (or upper) triangle of matrices, the other elements 0; the diagonal weighted.
    pub fn triangle(&mut self, x: NodeId, lower: bool, diagonal: f64) -> NodeId {
        let distance = self.diagonal_distance(x);
        let distance = if lower { distance } else { self.neg(distance) };
        let zero = self.scalar_like(0.0, x);
        let inside = self.binary(BinaryOp::Less, zero, distance);
        let on = self.binary(BinaryOp::Equal, distance, zero);
        let half = self.mul_scalar(x, diagonal);
        let edge = self.select(on, half, zero);
        self.select(inside, x, edge)
    }
    /// (x + x') / 2
    pub fn symmetrized(&mut self, x: NodeId) -> NodeId {
        let t = self.transpose(x);
        let sum = self.add(x, t);
        self.mul_scalar(sum, 0.5)
    }
}

impl Formula for Build<'_> {
    type Value = NodeId;

    fn scalar_like(&mut self, number: f64, x: NodeId) -> NodeId {
        let spec = self.spec(x);
        self.constant(number, &spec)
    }
    fn unary(&mut self, op: UnaryOp, x: NodeId) -> NodeId {
        self.add_op(Op::Unary(op), &[x], None)
    }
    fn binary(&mut self, op: BinaryOp, x: NodeId, y: NodeId) -> NodeId {
        self.add_op(Op::Binary(op), &[x, y], None)
    }
    fn select(&mut self, on: NodeId, x: NodeId, y: NodeId) -> NodeId {
        self.add_op(Op::Where, &[on, x, y], None)
    }
    fn number(&self, x: NodeId) -> Option<f64> {
        match self.graph.node(x).expect("inputs of a rule live").op {
            Op::Const(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }
}

// What a user's call adds to a primitive. Each result is one handle of the caller's.

/// `x` stretched to `shape` under NumPy's rule; axes are added on the left.
pub fn broadcast_to(graph: &mut Graph, op: &str, x: NodeId, shape: &Shape) -> Result<NodeId> {
    let spec = graph.spec(x)?.clone();
    if spec.shape == *shape {
        graph.retain(x)?;
        return Ok(x);
    }
    let rank = shape.rank();
    let Some(added) = rank.checked_sub(spec.shape.rank()) else {
        return Err(Error::shape(
            op,
            format!("{} has more axes than {shape}", spec.shape),
            "broadcasting adds axes on the left, it never removes any",
        ));
    };
    let lifted: Shape = (0..rank)
        .map(|i| if i < added { 1 } else { spec.shape[i - added] })
        .collect();
    let lifted = Spec {
        shape: lifted,
        dtype: spec.dtype,
    };
    let base = if added > 0 {
        graph.add(Op::Reshape, &[x], Some(&lifted))?
    } else {
        graph.retain(x)?;
        x
    };
    if lifted.shape == *shape {
        return Ok(base);
    }
    let target = Spec {
        shape: shape.clone(),
        dtype: spec.dtype,
    };
    let stretched = graph.add(Op::Broadcast, &[base], Some(&target));
    graph.release(base)?;
    stretched
}

/// Two operands stretched to their common shape.
pub fn broadcast_pair(graph: &mut Graph, op: &'static str, a: NodeId, b: NodeId) -> Result<[NodeId; 2]> {
    let common = Shape::broadcast(op, graph.shape(a)?, graph.shape(b)?)?;
    let x = broadcast_to(graph, op, a, &common)?;
    match broadcast_to(graph, op, b, &common) {
        Ok(y) => Ok([x, y]),
        Err(e) => {
            graph.release(x)?;
            Err(e)
        }
    }
}

/// A reduction over any axes, which stay as extents of 1 if `keep`.
pub fn reduce_axes(
    graph: &mut Graph,
    kind: Reduction,
    x: NodeId,
    axes: &[usize],
    keep: bool,
) -> Result<NodeId> {
    let spec = graph.spec(x)?.clone();
    let mut axes = axes.to_vec();
    axes.sort_unstable();
    axes.dedup();
    let reduced = if axes.is_empty() && (spec.dtype.is_float() || kind != Reduction::Sum) {
        graph.retain(x)?;
        x
    } else {
        graph.add(
            Op::Reduce {
                kind,
                axes: axes.as_slice().into(),
            },
            &[x],
            None,
        )?
    };
    if !keep || axes.is_empty() {
        return Ok(reduced);
    }
    let target = Spec {
        shape: spec.shape.reduced(&axes, true),
        dtype: graph.dtype(reduced)?,
    };
    let kept = graph.add(Op::Reshape, &[reduced], Some(&target));
    graph.release(reduced)?;
    kept
}
