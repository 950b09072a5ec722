//! Every derivative, first and second order, against central differences in double precision, evaluated by
//! the reference interpreter.

use hyperglow_core::compose::Build;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::grad::vjp;
use hyperglow_core::op::{Op, Reduction, Spec, Window};
use hyperglow_core::plan::trace::cut;
use hyperglow_core::reference::{Value, evaluate};
use hyperglow_core::{DType, Graph, NodeId, Shape};

type Function<'a> = &'a dyn Fn(&mut Build<'_>, &[NodeId]) -> NodeId;

/// A function and the arguments at which it is checked.
struct Case<'a> {
    name: String,
    function: Function<'a>,
    shapes: Vec<Vec<usize>>,
    domain: (f64, f64),
}

/// Numbers in the domain, far enough from each other for differences not to cross a kink.
fn sample(count: usize, (low, high): (f64, f64), salt: usize) -> Vec<f64> {
    (0..count)
        .map(|i| {
            let k = (i * 48_271 + salt * 7_919 + 11) % 65_537;
            low + (high - low) * (k as f64 + 0.5) / 65_537.0
        })
        .collect()
}

fn tensor(shape: &[usize], data: &[f64]) -> Value {
    let spec = Spec::new(shape, DType::F64);
    Value::from_bytes(
        &spec,
        &data.iter().flat_map(|x| x.to_ne_bytes()).collect::<Vec<u8>>(),
    )
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .to_bytes()
        .chunks_exact(8)
        .map(|b| f64::from_ne_bytes(b.try_into().expect("eight bytes")))
        .collect()
}

/// Evaluates `target` with the leaves given.
fn value_of(graph: &Graph, target: NodeId, leaves: &[NodeId], values: &[Value]) -> Vec<f64> {
    let cut = cut(graph, &[target], leaves).expect("nodes live");
    let mut done: Vec<Value> = Vec::new();
    for (i, node) in cut.trace.nodes.iter().enumerate() {
        let value = if node.op == Op::Input {
            let k = cut
                .trace
                .inputs
                .iter()
                .position(|&p| p as usize == i)
                .expect("an input");
            values[k].clone()
        } else {
            let inputs: Vec<&Value> = node.inputs.iter().map(|&n| &done[n as usize]).collect();
            evaluate(&node.op, &inputs, &node.spec).expect("evaluates")
        };
        done.push(value);
    }
    numbers(&done[cut.trace.outputs[0] as usize])
}

/// sum(x * w) with fixed weights w, as a scalar node.
fn weighted(b: &mut Build<'_>, x: NodeId, salt: usize) -> NodeId {
    let spec = b.spec(x);
    let mut shape = spec.shape.dims().to_vec();
    if shape.is_empty() {
        shape.push(1);
    }
    let x = b.reshape(x, shape.clone().into());
    let target = Spec {
        shape: shape.clone().into(),
        dtype: DType::F64,
    };
    // Weights that differ along every axis: 0.4 + sum over axes of sin-like integer patterns.
    let mut w = b.scalar_like(0.4 + salt as f64 * 0.1, x);
    for axis in 0..shape.len() {
        let at = b.add_op(Op::Iota { axis }, &[], Some(&target));
        let turn = b.mul_scalar(at, 1.3 + axis as f64);
        let wave = b.unary(UnaryOp::Sin, turn);
        w = b.add(w, wave);
    }
    let product = b.mul(x, w);
    let axes: Box<[usize]> = (0..shape.len()).collect();
    b.add_op(
        Op::Reduce {
            kind: Reduction::Sum,
            axes,
        },
        &[product],
        None,
    )
}

fn gradients(b: &mut Build<'_>, scalar: NodeId, leaves: &[NodeId]) -> Vec<NodeId> {
    let one = b.scalar_like(1.0, scalar);
    let found = vjp(b.graph(), &[scalar], &[one], leaves).expect("differentiable");
    leaves
        .iter()
        .zip(found)
        .map(|(&leaf, d)| d.unwrap_or_else(|| b.scalar_like(0.0, leaf)))
        .collect()
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

fn window(stride: usize, low: usize, high: usize, dilation: usize, rank: usize) -> Window {
    Window {
        stride: vec![stride; rank].into(),
        pad_low: vec![low; rank].into(),
        pad_high: vec![high; rank].into(),
        dilation: vec![dilation; rank].into(),
    }
}

/// a a' + 2 I for square matrices a.
fn positive(b: &mut Build<'_>, a: NodeId) -> NodeId {
    let square = b.matmul(a, a, false, true);
    let distance = b.diagonal_distance(square);
    let zero = b.scalar_like(0.0, square);
    let on = b.binary(BinaryOp::Equal, distance, zero);
    let moved = b.add_scalar(square, 2.0);
    b.select(on, moved, square)
}

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
fn unary_operations() {
    for &op in UnaryOp::ALL {
        run(op.name(), &[&[2, 3]], op.domain(), &move |b, x| b.unary(op, x[0]));
    }
}

#[test]
fn binary_operations() {
    for &op in BinaryOp::ALL {
        if op.is_compare() || op == BinaryOp::Polygamma {
            continue;
        }
        run(op.name(), &[&[2, 3], &[2, 3]], op.domain(), &move |b, x| {
            b.binary(op, x[0], x[1])
        });
    }
    for order in 0..3 {
        run("polygamma", &[&[3]], (1.0, 3.0), &move |b, x| {
            b.polygamma(f64::from(order), x[0])
        });
    }
    for exponent in [0.0, 1.0, 2.0, 3.0, 0.5, -1.5] {
        run(
            "pow with a constant exponent",
            &[&[4]],
            (0.25, 3.0),
            &move |b, x| {
                let e = b.scalar_like(exponent, x[0]);
                b.binary(BinaryOp::Pow, x[0], e)
            },
        );
    }
}

#[test]
fn selection_and_conversion() {
    run("where", &[&[6], &[6]], (-2.0, 2.0), &|b, x| {
        let on = b.binary(BinaryOp::Less, x[0], x[1]);
        let p = b.mul(x[0], x[0]);
        b.select(on, p, x[1])
    });
    run("stopGradient", &[&[4]], (-2.0, 2.0), &|b, x| {
        let fixed = b.add_op(Op::Cast(DType::F64), &[x[0]], None);
        b.mul(fixed, x[0])
    });
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
fn contractions() {
    for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
        let a: &[usize] = if ta { &[2, 4, 3] } else { &[2, 3, 4] };
        let c: &[usize] = if tb { &[2, 2, 4] } else { &[2, 4, 2] };
        run("matmul", &[a, c], (-1.0, 1.0), &|b, x| {
            b.matmul(x[0], x[1], ta, tb)
        });
    }
    let conv = |w: Window, groups: usize| {
        move |b: &mut Build<'_>, x: &[NodeId]| {
            b.add_op(
                Op::Conv {
                    window: w.clone(),
                    groups,
                },
                &[x[0], x[1]],
                None,
            )
        }
    };
    run(
        "conv1d",
        &[&[2, 2, 7], &[4, 1, 3]],
        (-1.0, 1.0),
        &conv(window(2, 1, 2, 1, 1), 2),
    );
    run(
        "conv2d",
        &[&[1, 2, 5, 4], &[2, 2, 2, 3]],
        (-1.0, 1.0),
        &conv(window(2, 1, 0, 1, 2), 1),
    );
    run(
        "conv2d dilated",
        &[&[1, 1, 5, 6], &[2, 1, 2, 2]],
        (-1.0, 1.0),
        &conv(window(1, 0, 1, 2, 2), 1),
    );
    run(
        "conv3d",
        &[&[1, 1, 3, 3, 3], &[1, 1, 2, 2, 2]],
        (-1.0, 1.0),
        &conv(window(1, 0, 0, 1, 3), 1),
    );
    run(
        "convTranspose",
        &[&[1, 2, 3, 2], &[2, 3, 3, 3]],
        (-1.0, 1.0),
        &|b, x| {
            let op = Op::ConvInputGrad {
                window: window(2, 1, 1, 1, 2),
                groups: 1,
                input: [6, 4].into(),
            };
            b.add_op(op, x, None)
        },
    );
    run(
        "convWeightGrad",
        &[&[2, 1, 4, 4], &[2, 2, 3, 3]],
        (-1.0, 1.0),
        &|b, x| {
            let op = Op::ConvWeightGrad {
                window: window(1, 0, 0, 1, 2),
                groups: 1,
                kernel: [2, 2].into(),
            };
            b.add_op(op, x, None)
        },
    );
}

#[test]
fn local_convolutions() {
    run(
        "localConv",
        &[&[2, 2, 5, 4], &[2, 2, 2, 3, 3, 2]],
        (-1.0, 1.0),
        &|b, x| {
            let op = Op::LocalConv {
                window: window(2, 1, 0, 1, 2),
            };
            b.add_op(op, x, None)
        },
    );
    run(
        "localConvInputGrad",
        &[&[1, 2, 3], &[2, 1, 2, 3]],
        (-1.0, 1.0),
        &|b, x| {
            let op = Op::LocalConvInputGrad {
                window: window(1, 0, 0, 2, 1),
                input: [5].into(),
            };
            b.add_op(op, x, None)
        },
    );
    run(
        "localConvWeightGrad",
        &[&[2, 1, 4, 4], &[2, 2, 3, 3]],
        (-1.0, 1.0),
        &|b, x| {
            let op = Op::LocalConvWeightGrad {
                window: window(1, 0, 0, 1, 2),
                kernel: [2, 2].into(),
            };
            b.add_op(op, x, None)
        },
    );
}

#[test]
fn windows() {
    run("windowSum", &[&[2, 1, 5, 5]], (-1.0, 1.0), &|b, x| {
        let y = b.mul(x[0], x[0]);
        b.add_op(
            Op::WindowSum {
                window: window(2, 1, 0, 1, 2),
                kernel: [2, 3].into(),
            },
            &[y],
            None,
        )
    });
    run("windowSumGrad", &[&[1, 1, 3, 2]], (-1.0, 1.0), &|b, x| {
        let y = b.mul(x[0], x[0]);
        let op = Op::WindowSumGrad {
            window: window(2, 1, 0, 1, 2),
            kernel: [2, 3].into(),
            input: [5, 5].into(),
        };
        b.add_op(op, &[y], None)
    });
}

#[test]
fn maxima_of_windows() {
    let (window, kernel): (_, Box<[usize]>) = (window(2, 1, 0, 1, 2), [2, 3].into());
    let geometry = (window.clone(), kernel.clone());
    run("windowMax", &[&[2, 1, 5, 5]], (-1.0, 1.0), &|b, x| {
        let (window, kernel) = geometry.clone();
        let y = b.add_op(Op::WindowMax { window, kernel }, &[x[0]], None);
        b.mul(y, y)
    });
    run("windowMaxGrad", &[&[2, 1, 5, 5]], (-1.0, 1.0), &|b, x| {
        let (window, kernel) = (window.clone(), kernel.clone());
        let op = Op::WindowMax {
            window: window.clone(),
            kernel: kernel.clone(),
        };
        let y = b.add_op(op, &[x[0]], None);
        let dy = b.mul(y, y);
        let places = Op::WindowArgMax {
            window: window.clone(),
            kernel: kernel.clone(),
        };
        let places = b.add_op(places, &[x[0]], None);
        let op = Op::WindowMaxGrad {
            window,
            kernel,
            input: [5, 5].into(),
        };
        b.add_op(op, &[places, dy], None)
    });
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

#[test]
fn linear_algebra() {
    let domain = (-1.0, 1.0);
    run("cholesky", &[&[2, 3, 3]], domain, &|b, x| {
        let a = positive(b, x[0]);
        b.add_op(Op::Cholesky, &[a], None)
    });
    for (lower, transpose) in [(true, false), (true, true), (false, false), (false, true)] {
        run("triangularSolve", &[&[3, 3], &[3, 2]], domain, &|b, x| {
            let a = positive(b, x[0]);
            b.add_op(Op::TriangularSolve { lower, transpose }, &[a, x[1]], None)
        });
    }
    run("solve", &[&[3, 3], &[3, 2]], domain, &|b, x| {
        let distance = b.diagonal_distance(x[0]);
        let zero = b.scalar_like(0.0, x[0]);
        let on = b.binary(BinaryOp::Equal, distance, zero);
        let moved = b.add_scalar(x[0], 3.0);
        let a = b.select(on, moved, x[0]);
        b.add_op(Op::Solve, &[a, x[1]], None)
    });
    run("det of singular matrices", &[&[2, 3, 2]], domain, &|b, x| {
        // Products of (3, 2) and (2, 3), of rank 2.
        let wide = b.matmul(x[0], x[0], false, true);
        b.add_op(Op::Det, &[wide], None)
    });
    run("det", &[&[2, 3, 3]], domain, &|b, x| {
        let a = positive(b, x[0]);
        b.add_op(Op::Det, &[a], None)
    });
    run("eigh", &[&[3, 3]], domain, &|b, x| {
        let a = positive(b, x[0]);
        let packed = b.add_op(Op::Eigh, &[a], None);
        // Squared vectors do not depend on the sign convention.
        b.mul(packed, packed)
    });
}

#[test]
fn centered_products() {
    use hyperglow_core::similarity::{Products, Similarity};
    let kinds = [
        Similarity::Gaussian { widths: 1 },
        Similarity::Gaussian { widths: 2 },
        Similarity::Laplacian { widths: 1 },
        Similarity::Linear,
        Similarity::Polynomial { degree: 3 },
        Similarity::InverseMultiquadric,
    ];
    // Samples of two sets, then as many scalar parameters as these need.
    for (i, &left) in kinds.iter().enumerate() {
        for hollow in [false, true] {
            let right = kinds[(i + 1) % kinds.len()];
            let products = Products {
                similarities: [left, right].into(),
                hollow,
            };
            let mut shapes: Vec<&[usize]> = vec![&[5, 3], &[5, 2]];
            shapes.resize(products.operands(), &[]);
            run(
                &format!("{left:?} {right:?} {hollow}"),
                &shapes,
                (0.5, 1.5),
                &|b, x| b.add_op(Op::CenteredProducts(products.clone()), x, None),
            );
        }
    }
    // The same samples and width on both sides, which also depend on each other.
    let similarities = [Similarity::Gaussian { widths: 1 }; 3].into();
    let products = Products {
        similarities,
        hollow: false,
    };
    run("one set thrice", &[&[4, 2], &[]], (0.5, 1.5), &|b, x| {
        let square = b.mul(x[0], x[0]);
        let inputs = [x[0], x[0], square, x[1], x[1], x[1]];
        b.add_op(Op::CenteredProducts(products.clone()), &inputs, None)
    });
}

#[test]
fn similarity_sums() {
    use hyperglow_core::similarity::{Products, Similarity};
    let kinds = [
        Similarity::Gaussian { widths: 1 },
        Similarity::Gaussian { widths: 2 },
        Similarity::Laplacian { widths: 1 },
        Similarity::InverseMultiquadric,
    ];
    for (i, &left) in kinds.iter().enumerate() {
        for hollow in [false, true] {
            let right = kinds[(i + 1) % kinds.len()];
            let products = Products {
                similarities: [left, right].into(),
                hollow,
            };
            let groups: [Box<[usize]>; 3] = [[0].into(), [0, 1].into(), [1, 1].into()];
            let op = Op::SimilaritySums {
                products: products.clone(),
                groups: groups.into(),
            };
            let mut shapes: Vec<&[usize]> = vec![&[5, 3], &[5, 2]];
            shapes.resize(products.operands(), &[]);
            run(
                &format!("{left:?} {right:?} {hollow}"),
                &shapes,
                (0.5, 1.5),
                &|b, x| b.add_op(op.clone(), x, None),
            );
        }
    }
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

#[test]
fn a_branch_not_taken_has_no_derivative_of_any_order() {
    type Branch = fn(&mut Build<'_>, NodeId) -> NodeId;
    let with = |number: f64, op: BinaryOp| {
        move |b: &mut Build<'_>, x: NodeId| {
            let c = b.scalar_like(number, x);
            b.binary(op, c, x)
        }
    };
    let over = with(1.0, BinaryOp::Div);
    let remainder = with(1.0, BinaryOp::Rem);
    let power = with(0.5, BinaryOp::Pow);
    let branches: [(&str, Branch); 4] = [
        ("x^0.5", |b, x| {
            let half = b.scalar_like(0.5, x);
            b.binary(BinaryOp::Pow, x, half)
        }),
        ("x^x", |b, x| b.binary(BinaryOp::Pow, x, x)),
        ("x / x", |b, x| b.div(x, x)),
        ("sqrt(x)^3 / ln(x)", |b, x| {
            let root = b.unary(UnaryOp::Sqrt, x);
            let log = b.unary(UnaryOp::Log, x);
            let square = b.mul(root, root);
            let cube = b.mul(square, root);
            b.div(cube, log)
        }),
    ];
    let bad = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300];
    let check = |name: &str, branch: Function<'_>| {
        let masked = |b: &mut Build<'_>, x: &[NodeId]| {
            let value = branch(b, x);
            let half = b.scalar_like(0.5, x[0]);
            let one = b.scalar_like(1.0, x[0]);
            let above = b.binary(BinaryOp::Less, half, x[0]);
            let below = b.binary(BinaryOp::Less, x[0], one);
            let zero = b.scalar_like(0.0, x[0]);
            let square = b.mul(x[0], x[0]);
            let some = b.select(below, value, zero);
            // Products after the selection, so that the second derivative meets the branch again.
            let some = b.mul(some, some);
            let chosen = b.select(above, some, zero);
            let finite = b.binary(BinaryOp::Equal, square, square);
            let kept = b.select(finite, chosen, zero);
            b.unary(UnaryOp::Expm1, kept)
        };
        for derivative in at_numbers(&bad, &masked) {
            assert_eq!(derivative, [0.0; 6], "{name}");
        }
    };
    for &op in UnaryOp::ALL {
        check(op.name(), &|b, x| b.unary(op, x[0]));
    }
    for (name, branch) in branches {
        check(name, &|b, x| branch(b, x[0]));
    }
    check("1 / x", &|b, x| over(b, x[0]));
    check("1 rem x", &|b, x| remainder(b, x[0]));
    check("0.5^x", &|b, x| power(b, x[0]));
}

#[test]
fn a_gradient_of_zero_keeps_its_own_derivative() {
    // (e^x - 1)^2 / 2 at 0: the cotangent of e^x is 0 there, and the second derivative 1.
    let [first, second] = at_numbers(&[0.0], &|b, x| {
        let e = b.unary(UnaryOp::Exp, x[0]);
        let off = b.add_scalar(e, -1.0);
        let square = b.mul(off, off);
        b.mul_scalar(square, 0.5)
    });
    assert_eq!((first, second), (vec![0.0], vec![1.0]));
    // 1 / (1 + (x - 2)^2) at 2, where the cotangent of the square is not 0 but that of x - 2 is: -2.
    let [first, second] = at_numbers(&[2.0], &|b, x| {
        let off = b.add_scalar(x[0], -2.0);
        let square = b.mul(off, off);
        let below = b.add_scalar(square, 1.0);
        b.unary(UnaryOp::Recip, below)
    });
    assert_eq!((first, second), (vec![0.0], vec![-2.0]));
}

#[test]
fn ties_share_the_gradient() {
    for op in [BinaryOp::Max, BinaryOp::Min] {
        // x^2 / 2 and x are both 2 at 2, with slopes 2 and 1.
        let [first, _] = at_numbers(&[2.0], &|b, x| {
            let square = b.mul(x[0], x[0]);
            let half = b.mul_scalar(square, 0.5);
            b.binary(op, half, x[0])
        });
        assert_eq!(first, [1.5]);
    }
}
