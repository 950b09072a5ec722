//! Every derivative, first and second order, against central differences in double precision, evaluated by
//! the reference interpreter.

mod contraction;
mod elementwise;
#[path = "../support/graphs.rs"]
mod graphs;
mod linear_algebra;
mod movement;
mod similarity;
mod zeros;

use graphs::{evaluated, gradients, numbers, sample, tensor, weighted};
use hyperglow_core::compose::Build;
use hyperglow_core::elementwise::Formula;
use hyperglow_core::op::{Op, Reduction, Spec};
use hyperglow_core::reference::Value;
use hyperglow_core::{DType, Graph, NodeId};

type Function<'a> = &'a dyn Fn(&mut Build<'_>, &[NodeId]) -> NodeId;

/// A function and the arguments at which it is checked.
struct Case<'a> {
    name: String,
    function: Function<'a>,
    shapes: Vec<Vec<usize>>,
    domain: (f64, f64),
}

/// The numbers of `target` with the leaves given.
fn value_of(graph: &Graph, target: NodeId, leaves: &[NodeId], values: &[Value]) -> Vec<f64> {
    numbers(&evaluated(graph, target, leaves, values))
}

fn compare(
    what: &str,
    got: &[f64],
    graph: &Graph,
    scalar: NodeId,
    leaves: &[NodeId],
    values: &[Value],
    which: usize,
) {
    let base = numbers(&values[which]);
    let shape: Vec<usize> = values[which].spec().shape.dims().to_vec();
    for i in 0..base.len() {
        let h = 2e-5 * base[i].abs().max(1.0);
        let at = |x: f64| {
            let mut moved = base.clone();
            moved[i] = x;
            let mut values = values.to_vec();
            values[which] = tensor(&shape, &moved);
            value_of(graph, scalar, leaves, &values)[0]
        };
        // Fourth-order central difference.
        let (x, d) = (base[i], h);
        let slope = (8.0 * (at(x + d) - at(x - d)) - (at(x + 2.0 * d) - at(x - 2.0 * d))) / (12.0 * d);
        let scale = slope.abs().max(got[i].abs()).max(1.0);
        assert!(
            (slope - got[i]).abs() <= 2e-7 * scale,
            "{what}: d/d{which}[{i}] is {} by rule, {slope} by difference",
            got[i]
        );
    }
}

fn check(case: &Case<'_>) {
    let mut graph = Graph::new();
    let mut b = Build::new(&mut graph);
    let leaves: Vec<NodeId> = case
        .shapes
        .iter()
        .map(|s| b.add_op(Op::Input, &[], Some(&Spec::new(s.as_slice(), DType::F64))))
        .collect();
    let values: Vec<Value> = case
        .shapes
        .iter()
        .enumerate()
        .map(|(i, s)| tensor(s, &sample(s.iter().product(), case.domain, i)))
        .collect();
    let y = (case.function)(&mut b, &leaves);
    let scalar = weighted(&mut b, y, 0);
    let first = gradients(&mut b, scalar, &leaves);
    let mut second_scalar = b.scalar_like(0.0, scalar);
    for (i, &g) in first.iter().enumerate() {
        let part = weighted(&mut b, g, i + 1);
        second_scalar = b.add(second_scalar, part);
    }
    let second = gradients(&mut b, second_scalar, &leaves);
    let g = b.graph();
    for k in 0..leaves.len() {
        let got = value_of(g, first[k], &leaves, &values);
        compare(
            &format!("{} first", case.name),
            &got,
            g,
            scalar,
            &leaves,
            &values,
            k,
        );
        let got = value_of(g, second[k], &leaves, &values);
        compare(
            &format!("{} second", case.name),
            &got,
            g,
            second_scalar,
            &leaves,
            &values,
            k,
        );
    }
}

fn run(name: &str, shapes: &[&[usize]], domain: (f64, f64), function: Function<'_>) {
    let shapes = shapes.iter().map(|s| s.to_vec()).collect();
    check(&Case {
        name: name.into(),
        function,
        shapes,
        domain,
    });
}

/// The derivatives of `f`, first and second, at single numbers.
fn at_numbers(numbers_in: &[f64], f: Function<'_>) -> [Vec<f64>; 2] {
    let mut graph = Graph::new();
    let mut b = Build::new(&mut graph);
    let spec = Spec::new([numbers_in.len()], DType::F64);
    let x = b.add_op(Op::Input, &[], Some(&spec));
    let y = f(&mut b, &[x]);
    let total = |b: &mut Build<'_>, x: NodeId| {
        let op = Op::Reduce {
            kind: Reduction::Sum,
            axes: [0].into(),
        };
        b.add_op(op, &[x], None)
    };
    let scalar = total(&mut b, y);
    let first = gradients(&mut b, scalar, &[x])[0];
    let scalar = total(&mut b, first);
    let second = gradients(&mut b, scalar, &[x])[0];
    let values = [tensor(&[numbers_in.len()], numbers_in)];
    [first, second].map(|d| value_of(b.graph(), d, &[x], &values))
}
