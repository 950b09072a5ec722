//! Along axes, and from place to place.

use hyperglow_core::compose::Build;
use hyperglow_core::elementwise::{BinaryOp, Formula};
use hyperglow_core::op::{Op, Reduction, Spec};
use hyperglow_core::{DType, Graph, NodeId, Shape};

use crate::{gradients, run, weighted};

/// int32 indices 0, 2, 1, 0, 2, 1, ... below 3.
fn indices(b: &mut Build<'_>, shape: &[usize]) -> NodeId {
    let spec = Spec::new(shape, DType::I32);
    let mut sum = b.add_op(Op::Iota { axis: 0 }, &[], Some(&spec));
    for axis in 1..shape.len() {
        let at = b.add_op(Op::Iota { axis }, &[], Some(&spec));
        sum = b.add(sum, at);
    }
    let twice = b.mul_scalar(sum, 2.0);
    let three = b.scalar_like(3.0, twice);
    b.binary(BinaryOp::Rem, twice, three)
}

#[test]
fn reductions() {
    for kind in [Reduction::Sum, Reduction::Max, Reduction::Min] {
        for axes in [vec![0], vec![1, 2], vec![0, 1, 2]] {
            run("reduce", &[&[2, 3, 2]], (-2.0, 2.0), &|b, x| {
                let square = b.mul(x[0], x[0]);
                let cube = b.mul(square, x[0]);
                b.add_op(
                    Op::Reduce {
                        kind,
                        axes: axes.as_slice().into(),
                    },
                    &[cube],
                    None,
                )
            });
        }
    }
    for reverse in [false, true] {
        run("cumsum", &[&[3, 4]], (-2.0, 2.0), &|b, x| {
            let square = b.mul(x[0], x[0]);
            b.add_op(Op::CumSum { axis: 1, reverse }, &[square], None)
        });
    }
}

#[test]
fn movement() {
    let shaped = |s: &[usize]| Spec::new(s, DType::F64);
    let squared = |b: &mut Build<'_>, x: NodeId| b.mul(x, x);
    run("broadcast", &[&[2, 1, 3]], (-2.0, 2.0), &|b, x| {
        let y = squared(b, x[0]);
        b.add_op(Op::Broadcast, &[y], Some(&shaped(&[2, 4, 3])))
    });
    run("reshape permute flip", &[&[2, 6]], (-2.0, 2.0), &|b, x| {
        let y = squared(b, x[0]);
        let y = b.add_op(Op::Reshape, &[y], Some(&shaped(&[2, 3, 2])));
        let y = b.permute(y, &[2, 0, 1]);
        b.add_op(Op::Flip([0, 2].into()), &[y], None)
    });
    run("slice with steps", &[&[5, 4]], (-2.0, 2.0), &|b, x| {
        let y = squared(b, x[0]);
        b.slice(y, &[1, 0], &[2, 3], Shape::from([2, 2]))
    });
    run("pad with interior", &[&[2, 3]], (-2.0, 2.0), &|b, x| {
        let y = squared(b, x[0]);
        b.add_op(
            Op::Pad {
                low: [1, 0].into(),
                high: [0, 2].into(),
                interior: [1, 2].into(),
            },
            &[y],
            None,
        )
    });
    // Parts that follow one another, a gap, parts that overlap, and a part along another axis.
    run("many slices of one tensor", &[&[7, 3]], (-2.0, 2.0), &|b, x| {
        let y = squared(b, x[0]);
        let mut rows = |from: usize, count: usize| b.slice(y, &[from, 0], &[1, 1], Shape::from([count, 3]));
        let parts = [rows(2, 1), rows(0, 2), rows(4, 1), rows(5, 2), rows(6, 1)];
        let column = b.slice(y, &[0, 1], &[1, 1], Shape::from([7, 1]));
        let column = b.add_op(Op::Broadcast, &[column], Some(&shaped(&[7, 3])));
        let product = b.mul(column, y);
        b.add_op(
            Op::Concat { axis: 0 },
            &[parts[0], parts[1], parts[2], parts[3], parts[4], product],
            None,
        )
    });
    // Products that share a factor: in both places, with and without transposition.
    run(
        "shared factors",
        &[&[5, 6], &[1, 6], &[2, 5]],
        (-2.0, 2.0),
        &|b, x| {
            let w = squared(b, x[0]);
            let products = [
                b.matmul(x[1], w, false, true),
                b.matmul(x[2], w, false, false),
                b.matmul(w, x[1], false, true),
                b.matmul(w, x[2], true, true),
            ];
            let twice = b.matmul(products[1], w, false, true);
            let flat: Vec<NodeId> = products
                .into_iter()
                .chain([twice])
                .map(|p| {
                    let size = b.shape(p).size();
                    b.reshape(p, Shape::from([size]))
                })
                .collect();
            b.add_op(Op::Concat { axis: 0 }, &flat, None)
        },
    );
    run("concat", &[&[2, 3], &[2, 1]], (-2.0, 2.0), &|b, x| {
        let y = squared(b, x[0]);
        b.add_op(Op::Concat { axis: 1 }, &[y, x[1], y], None)
    });
}

#[test]
fn cotangents_of_parts_are_put_side_by_side() {
    let mut graph = Graph::new();
    let mut b = Build::new(&mut graph);
    let x = b.add_op(Op::Input, &[], Some(&Spec::new([6, 2].as_slice(), DType::F64)));
    let halves = [3, 0].map(|from| b.slice(x, &[from, 0], &[1, 1], Shape::from([3, 2])));
    let product = b.mul(halves[0], halves[1]);
    let y = weighted(&mut b, product, 0);
    let slope = gradients(&mut b, y, &[x])[0];
    let op = &b.graph().node(slope).expect("live").op;
    assert_eq!(*op, Op::Concat { axis: 0 });
}

#[test]
fn products_with_a_shared_weight_become_one() {
    let mut graph = Graph::new();
    let mut b = Build::new(&mut graph);
    let [x, y, w] = [[1, 9], [2, 9], [8, 9]]
        .map(|s| b.add_op(Op::Input, &[], Some(&Spec::new(s.as_slice(), DType::F64))));
    let once = b.matmul(x, w, false, true);
    let again = b.matmul(y, w, false, true);
    let both = b.add_op(Op::Concat { axis: 0 }, &[once, again], None);
    let scalar = weighted(&mut b, both, 0);
    let slope = gradients(&mut b, scalar, &[w])[0];
    let op = &b.graph().node(slope).expect("live").op;
    assert!(matches!(op, Op::MatMul { .. }), "{op:?}");
}

#[test]
fn indexing() {
    run("take", &[&[3, 2]], (-2.0, 2.0), &|b, x| {
        let i = indices(b, &[4]);
        let y = b.mul(x[0], x[0]);
        b.add_op(Op::Take { axis: 0 }, &[y, i], None)
    });
    run("indexAdd", &[&[4, 2]], (-2.0, 2.0), &|b, x| {
        let i = indices(b, &[4]);
        let y = b.mul(x[0], x[0]);
        b.add_op(
            Op::IndexAdd { axis: 0 },
            &[i, y],
            Some(&Spec::new([3, 2], DType::F64)),
        )
    });
    run("takeAlong", &[&[3, 4]], (-2.0, 2.0), &|b, x| {
        let i = indices(b, &[2, 4]);
        let y = b.mul(x[0], x[0]);
        b.add_op(Op::Gather { axis: 0 }, &[y, i], None)
    });
    run("scatterAdd", &[&[2, 4]], (-2.0, 2.0), &|b, x| {
        let i = indices(b, &[2, 4]);
        let y = b.mul(x[0], x[0]);
        b.add_op(
            Op::ScatterAdd { axis: 0 },
            &[i, y],
            Some(&Spec::new([3, 4], DType::F64)),
        )
    });
}
