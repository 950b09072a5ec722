//! Derivatives. ElementwiseOp rule builds graph from the same primitives, so a gradient can be differentiated
//! again, fused and planned like anything else.

mod conv;
pub(crate) mod fused;
mod sum;

use crate::Shape;
use crate::compose::Build;
use crate::elementwise::{BinaryOp, Formula};
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::hash::FastMap;
use crate::op::{Op, Reduction};
use crate::placement::Placement;
use sum::sum;

/// The vector-Jacobian product: cotangents of `wrt` when those of `outputs` are `seeds`.
///
/// The caller gets one handle on each result. `None`: no path, the derivative is zero everywhere.
pub fn vjp(
    graph: &mut Graph,
    outputs: &[NodeId],
    seeds: &[NodeId],
    wrt: &[NodeId],
) -> Result<Vec<Option<NodeId>>> {
    for (&y, &dy) in outputs.iter().zip(seeds) {
        let (spec, seed) = (graph.spec(y)?, graph.spec(dy)?);
        if spec != seed {
            return Err(Error::shape(
                "grad",
                format!(
                    "a cotangent {} {} for an output {} {}",
                    seed.dtype, seed.shape, spec.dtype, spec.shape
                ),
                "give one of the output's shape and dtype",
            ));
        }
        let (of_y, of_dy) = (graph.node(y)?.placement, graph.node(dy)?.placement);
        if !(of_y.is_free || of_dy.fits(of_y.device)) {
            return Err(graph.on_two_devices("grad", of_y.device, of_dy.device));
        }
        if !spec.dtype.is_float() {
            return Err(Error::dtype(
                "grad",
                format!("the output is {}", spec.dtype),
                "differentiate a float tensor",
            ));
        }
    }
    for &w in wrt {
        let spec = graph.spec(w)?;
        if !spec.dtype.is_float() {
            return Err(Error::dtype(
                "grad",
                format!(
                    "cannot differentiate with respect to {} {}",
                    spec.dtype, spec.shape
                ),
                "cast the argument to float32 or float64",
            ));
        }
    }
    let mut build = Build::new(graph);
    let found = pull_back(&mut build, outputs, seeds, wrt, false)?;
    let keep: Vec<NodeId> = found.iter().flatten().copied().collect();
    build.finish(&keep);
    Ok(found)
}

/// The partial derivatives of `y` in `wrt`, each node independent of the others, for the cotangent `dy` of `y`. If a node occurs
/// twice in `wrt`, its first entry has the derivative and the others have none.
pub(crate) fn partials(build: &mut Build<'_>, y: NodeId, dy: NodeId, wrt: &[NodeId]) -> Vec<Option<NodeId>> {
    let mut found = pull_back(build, &[y], &[dy], wrt, true).expect("nodes of a rule live");
    for i in 0..wrt.len() {
        if wrt[..i].contains(&wrt[i]) {
            found[i] = None;
        }
    }
    found
}

/// Cotangents of `wrt`. If `independent`, no cotangent is propagated through a node of `wrt`.
fn pull_back(
    build: &mut Build<'_>,
    outputs: &[NodeId],
    seeds: &[NodeId],
    wrt: &[NodeId],
    independent: bool,
) -> Result<Vec<Option<NodeId>>> {
    let (order, depends) = dependent_order(build.graph(), outputs, wrt, independent)?;
    let mut cotangents: FastMap<NodeId, NodeId> = FastMap::default();
    let mut terms: FastMap<NodeId, Vec<NodeId>> = FastMap::default();
    for (&y, &dy) in outputs.iter().zip(seeds) {
        terms.entry(y).or_default().push(dy);
    }
    for &id in order.iter().rev() {
        let Some(arrived) = terms.remove(&id) else {
            continue;
        };
        let arrived = on_one_device(build, id, arrived);
        let dy = sum(build, &arrived);
        cotangents.insert(id, dy);
        let node = build.graph().node(id)?;
        let (op, inputs, scope) = (node.op.clone(), node.inputs.clone(), node.scope);
        if inputs.is_empty() || (independent && wrt.contains(&id)) {
            continue;
        }
        build.graph().enter_scope_of(scope);
        let wanted = |i: usize| depends.get(&inputs[i]) == Some(&true);
        let contributions = rule(build, &op, &inputs, id, dy, &wanted);
        build.graph().pop_scope();
        for (i, contribution) in contributions.into_iter().enumerate() {
            if let Some(d) = contribution
                && wanted(i)
            {
                terms.entry(inputs[i]).or_default().push(d);
            }
        }
    }
    Ok(wrt.iter().map(|w| cotangents.get(w).copied()).collect())
}

/// Cotangents on the device of their node; those of a free node stay on their device if they have one in common.
fn on_one_device(build: &mut Build<'_>, id: NodeId, mut arrived: Vec<NodeId>) -> Vec<NodeId> {
    if !build.graph().is_divided() {
        return arrived;
    }
    let placement = |build: &mut Build<'_>, id| build.graph().node(id).expect("cotangents live").placement;
    let to = placement(build, id);
    let fixed: Vec<Placement> = arrived
        .iter()
        .map(|&dy| placement(build, dy))
        .filter(|dy| !dy.is_free)
        .collect();
    if to.is_free && fixed.iter().all(|dy| *dy == fixed[0]) {
        return arrived;
    }
    for dy in &mut arrived {
        if !placement(build, *dy).fits(to.device) {
            *dy = build.add_op(Op::To(to.device), &[*dy], None);
        }
    }
    arrived
}

/// The nodes between `wrt` and `outputs` in topological order, and which nodes depend on `wrt`. If `independent`, nodes of
/// `wrt` depend on themselves alone.
fn dependent_order(
    graph: &Graph,
    outputs: &[NodeId],
    wrt: &[NodeId],
    independent: bool,
) -> Result<(Vec<NodeId>, FastMap<NodeId, bool>)> {
    let mut depends: FastMap<NodeId, bool> = FastMap::default();
    let mut order = Vec::new();
    let mut stack: Vec<(NodeId, bool)> = outputs.iter().rev().map(|&y| (y, false)).collect();
    while let Some((id, expanded)) = stack.pop() {
        if depends.contains_key(&id) {
            continue;
        }
        let node = graph.node(id)?;
        if expanded {
            let flows = node.op.traits().differentiable;
            let through = flows && node.inputs.iter().any(|i| depends.get(i) == Some(&true));
            let yes = through || wrt.contains(&id);
            depends.insert(id, yes);
            if yes {
                order.push(id);
            }
        } else {
            stack.push((id, true));
            if independent && wrt.contains(&id) {
                continue;
            }
            stack.extend(
                node.inputs
                    .iter()
                    .filter(|i| !depends.contains_key(i))
                    .map(|&i| (i, false)),
            );
        }
    }
    Ok((order, depends))
}

/// The cotangents of an operation's inputs. Expensive cotangents that are not `wanted` may be left out.
fn rule(
    b: &mut Build<'_>,
    op: &Op,
    inputs: &[NodeId],
    y: NodeId,
    dy: NodeId,
    wanted: &dyn Fn(usize) -> bool,
) -> Vec<Option<NodeId>> {
    let spec = |b: &Build<'_>, i: usize| b.spec(inputs[i]);
    match op {
        Op::Unary(u) => vec![u.vjp(b, dy, inputs[0], y)],
        Op::Binary(o) => o.vjp(b, dy, inputs[0], inputs[1], y).to_vec(),
        Op::Where => {
            let zero = b.scalar_like(0.0, dy);
            vec![
                None,
                Some(b.select(inputs[0], dy, zero)),
                Some(b.select(inputs[0], zero, dy)),
            ]
        }
        Op::Cast(_) => {
            let (from, to) = (spec(b, 0).dtype, b.spec(dy).dtype);
            vec![(from.is_float() && to.is_float()).then(|| b.cast(dy, from))]
        }
        Op::Reduce {
            kind: Reduction::Sum,
            axes,
        } => {
            let shape = b.shape(inputs[0]);
            vec![Some(b.unreduce(dy, axes, &shape))]
        }
        Op::Reduce {
            kind: Reduction::Max | Reduction::Min,
            axes,
        } => {
            // Ties share the gradient equally.
            let x = spec(b, 0);
            let extremum = b.unreduce(y, axes, &x.shape);
            let hits = b.binary(BinaryOp::Equal, inputs[0], extremum);
            let hits = b.cast(hits, x.dtype);
            let count = b.sum_keep(hits, axes);
            let kept = b.reshape(dy, x.shape.reduced(axes, true));
            let share = b.pass_div(kept, count);
            let share = b.broadcast(share, x.shape);
            vec![Some(b.pass(share, hits))]
        }
        Op::Broadcast => {
            let (from, to) = (b.shape(inputs[0]), b.shape(y));
            let axes: Vec<usize> = (0..to.rank()).filter(|&i| from[i] == 1 && to[i] != 1).collect();
            vec![Some(b.sum_keep(dy, &axes))]
        }
        Op::Reshape => {
            let shape = b.shape(inputs[0]);
            vec![Some(b.reshape(dy, shape))]
        }
        Op::Permute(axes) => {
            let mut inverse = vec![0; axes.len()];
            for (i, &a) in axes.iter().enumerate() {
                inverse[a] = i;
            }
            vec![Some(b.permute(dy, &inverse))]
        }
        Op::Slice { start, step } => {
            let (from, to) = (b.shape(inputs[0]), b.shape(y));
            if to.size() == 0 {
                return vec![Some(b.scalar_like(0.0, inputs[0]))];
            }
            let high = (0..from.rank())
                .map(|i| from[i] - start[i] - ((to[i] - 1) * step[i] + 1))
                .collect();
            let interior = step.iter().map(|s| s - 1).collect();
            vec![Some(b.add_op(
                Op::Pad {
                    low: start.clone(),
                    high,
                    interior,
                },
                &[dy],
                None,
            ))]
        }
        Op::Pad { low, interior, .. } => {
            let shape = b.shape(inputs[0]);
            let step: Vec<usize> = interior.iter().map(|i| i + 1).collect();
            vec![Some(b.slice(dy, low, &step, shape))]
        }
        Op::Flip(axes) => vec![Some(b.add_op(Op::Flip(axes.clone()), &[dy], None))],
        Op::Concat { axis } => {
            let mut at = 0;
            inputs
                .iter()
                .map(|&x| {
                    let shape = b.shape(x);
                    let mut start = vec![0; shape.rank()];
                    start[*axis] = at;
                    at += shape[*axis];
                    let ones = vec![1; shape.rank()];
                    Some(b.slice(dy, &start, &ones, shape))
                })
                .collect()
        }
        Op::MatMul { ta, tb } => {
            let (p, q) = (inputs[0], inputs[1]);
            let dp = if *ta {
                b.matmul(q, dy, *tb, true)
            } else {
                b.matmul(dy, q, false, !tb)
            };
            let dq = if *tb {
                b.matmul(dy, p, true, *ta)
            } else {
                b.matmul(p, dy, !ta, false)
            };
            vec![Some(dp), Some(dq)]
        }
        Op::Conv { .. }
        | Op::ConvInputGrad { .. }
        | Op::ConvWeightGrad { .. }
        | Op::LocalConv { .. }
        | Op::LocalConvInputGrad { .. }
        | Op::LocalConvWeightGrad { .. } => conv::cotangents(b, op, inputs, dy),
        Op::WindowSum { window, kernel } => {
            let input = spec(b, 0).shape.dims()[2..].into();
            let op = Op::WindowSumGrad {
                window: window.clone(),
                kernel: kernel.clone(),
                input,
            };
            vec![Some(b.add_op(op, &[dy], None))]
        }
        Op::WindowSumGrad { window, kernel, .. } => {
            let op = Op::WindowSum {
                window: window.clone(),
                kernel: kernel.clone(),
            };
            vec![Some(b.add_op(op, &[dy], None))]
        }
        Op::WindowMax { window, kernel } => {
            let positions = Op::WindowArgMax {
                window: window.clone(),
                kernel: kernel.clone(),
            };
            let op = Op::WindowMaxGrad {
                window: window.clone(),
                kernel: kernel.clone(),
                input: spec(b, 0).shape.dims()[2..].into(),
            };
            let positions = b.add_op(positions, &[inputs[0]], None);
            vec![Some(b.add_op(op, &[positions, dy], None))]
        }
        Op::WindowMaxGrad { .. } => vec![None, Some(gather_spatial(b, dy, inputs[0]))],
        Op::Take { axis } => {
            let x = spec(b, 0);
            vec![
                Some(b.add_op(Op::IndexAdd { axis: *axis }, &[inputs[1], dy], Some(&x))),
                None,
            ]
        }
        Op::IndexAdd { axis } => vec![
            None,
            Some(b.add_op(Op::Take { axis: *axis }, &[dy, inputs[0]], None)),
        ],
        Op::Gather { axis } => {
            let x = spec(b, 0);
            vec![
                Some(b.add_op(Op::ScatterAdd { axis: *axis }, &[inputs[1], dy], Some(&x))),
                None,
            ]
        }
        Op::ScatterAdd { axis } => vec![
            None,
            Some(b.add_op(Op::Gather { axis: *axis }, &[dy, inputs[0]], None)),
        ],
        Op::CumSum { axis, reverse } => {
            let op = Op::CumSum {
                axis: *axis,
                reverse: !reverse,
            };
            vec![Some(b.add_op(op, &[dy], None))]
        }
        Op::Cholesky => vec![Some(cholesky(b, y, dy))],
        Op::TriangularSolve { lower, transpose } => {
            let op = Op::TriangularSolve {
                lower: *lower,
                transpose: !transpose,
            };
            let db = b.add_op(op, &[inputs[0], dy], None);
            let outer = if *transpose {
                b.matmul(y, db, false, true)
            } else {
                b.matmul(db, y, false, true)
            };
            let da = b.neg(outer);
            vec![Some(b.triangle(da, *lower, 1.0)), Some(db)]
        }
        Op::Solve => {
            let t = b.transpose(inputs[0]);
            let db = b.add_op(Op::Solve, &[t, dy], None);
            let outer = b.matmul(db, y, false, true);
            vec![Some(b.neg(outer)), Some(db)]
        }
        // Of the lower triangle alone, symmetrized as that of Cholesky is.
        Op::PositiveInverse => {
            let dy = b.symmetrized(dy);
            let both = b.add_op(Op::Congruence, &[y, dy], None);
            vec![Some(b.neg(both))]
        }
        // In a: dy a s and its transpose, in s as forward; both symmetric, as the operands are.
        Op::Congruence => {
            let dy = b.symmetrized(dy);
            let left = b.matmul(dy, inputs[0], false, false);
            let one = b.matmul(left, inputs[1], false, false);
            let other = b.transpose(one);
            let ds = b.add_op(Op::Congruence, &[inputs[0], dy], None);
            vec![Some(b.add(one, other)), Some(ds)]
        }
        Op::Det => {
            let shape = b.shape(inputs[0]);
            let (rank, cofactors) = (shape.rank(), b.add_op(Op::Cofactors, inputs, None));
            let dy = b.unreduce(dy, &[rank - 2, rank - 1], &shape);
            vec![Some(b.pass(dy, cofactors))]
        }
        // The derivatives of the determinant of all orders are symmetric in their directions, of which dy becomes one.
        Op::Cofactors => (0..inputs.len())
            .map(|i| {
                wanted(i).then(|| {
                    let others = (1..inputs.len()).filter(|&j| j != i).map(|j| inputs[j]);
                    let operands: Vec<NodeId> = [inputs[0]].into_iter().chain(others).chain([dy]).collect();
                    b.add_op(Op::Cofactors, &operands, None)
                })
            })
            .collect(),
        Op::Eigh => vec![Some(eigh(b, y, dy))],
        Op::CenteredProducts(products) => fused::centered_products(b, products, inputs, dy, wanted),
        Op::CenteredProductsGrad { products, of } => {
            fused::centered_products_grad(b, products, *of, inputs, dy)
        }
        Op::SimilaritySums { products, groups } => fused::similarity_sums(b, products, groups, inputs, dy),
        // A cotangent is copied to the device of its node before it is added.
        Op::To(_) => vec![Some(dy)],
        without_derivative!() => vec![None; inputs.len()],
    }
}

/// The elements of x (N, C, in..) at flat spatial positions (N, C, out..).
fn gather_spatial(b: &mut Build<'_>, x: NodeId, positions: NodeId) -> NodeId {
    let flat = |shape: &Shape| -> Shape {
        let spatial = shape.dims()[2..].iter().product();
        [shape[0], shape[1], spatial].into()
    };
    let (from, to) = (flat(&b.shape(x)), flat(&b.shape(positions)));
    let (x, index) = (b.reshape(x, from), b.reshape(positions, to));
    let found = b.add_op(Op::Gather { axis: 2 }, &[x, index], None);
    let shape = b.shape(positions);
    b.reshape(found, shape)
}

/// Murray 2016 (arXiv 1602.07527), eq. 9: dA = L^-T Phi(L' dL) L^-1, symmetrized; Phi takes the lower
/// triangle and half the diagonal.
fn cholesky(b: &mut Build<'_>, l: NodeId, dl: NodeId) -> NodeId {
    let inner = b.matmul(l, dl, true, false);
    let phi = b.triangle(inner, true, 0.5);
    let solve = Op::TriangularSolve {
        lower: true,
        transpose: true,
    };
    let left = b.add_op(solve.clone(), &[l, phi], None);
    let left = b.transpose(left);
    let both = b.add_op(solve, &[l, left], None);
    b.symmetrized(both)
}

/// dA = V (diag(dw) + F o (V' dV)) V', F_ij = 1 / (w_j - w_i) off the diagonal; pairs of equal eigenvalues,
/// whose vectors have no derivative, contribute nothing. Symmetrized.
fn eigh(b: &mut Build<'_>, y: NodeId, dy: NodeId) -> NodeId {
    let packed = b.spec(y);
    let rank = packed.shape.rank();
    let n = packed.shape[rank - 1];
    let ones = vec![1; rank];
    let (top, mut below) = (vec![0; rank], vec![0; rank]);
    below[rank - 2] = 1;
    let row = packed.shape.with(rank - 2, 1);
    let square = packed.shape.with(rank - 2, n);
    let w = b.slice(y, &top, &ones, row.clone());
    let v = b.slice(y, &below, &ones, square.clone());
    let dw = b.slice(dy, &top, &ones, row);
    let dv = b.slice(dy, &below, &ones, square.clone());
    let columns = b.broadcast(w, square.clone());
    let rows = b.transpose(columns);
    let gap = b.sub(columns, rows);
    let zero = b.scalar_like(0.0, gap);
    let one = b.scalar_like(1.0, gap);
    let equal = b.binary(BinaryOp::Equal, gap, zero);
    let safe = b.select(equal, one, gap);
    let turn = b.matmul(v, dv, true, false);
    let turn = b.div(turn, safe);
    let turn = b.select(equal, zero, turn);
    let distance = b.diagonal_distance(gap);
    let on = b.binary(BinaryOp::Equal, distance, zero);
    let dw = b.broadcast(dw, square);
    let inner = b.select(on, dw, turn);
    let left = b.matmul(v, inner, false, false);
    let full = b.matmul(left, v, false, true);
    b.symmetrized(full)
}
