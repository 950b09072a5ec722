//! Printed plans of small programs, compared with the files beside this one: what the planner decides is seen, and a
//! change of it is meant. `UPDATE_PLANS=1` writes the files anew.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use hyperglow_core::compose::{Build, broadcast_to, reduce_axes};
use hyperglow_core::device::{Device, Kernel, Limits, Needs, OuterProducts, RowLimits};
use hyperglow_core::elementwise::{BinaryOp, Formula, UnaryOp};
use hyperglow_core::grad::vjp;
use hyperglow_core::op::{Op, Reduction, Spec};
use hyperglow_core::plan::Program;
use hyperglow_core::plan::build::build;
use hyperglow_core::plan::concat::is_in_place_concat;
use hyperglow_core::plan::context::Context;
use hyperglow_core::plan::print::print;
use hyperglow_core::plan::trace::cut;
use hyperglow_core::{DType, Graph, NodeId, Result};

/// A device whose kernels take no scratch; decompositions are for one thread.
struct Plain {
    limits: Limits,
}

impl Default for Plain {
    fn default() -> Plain {
        Plain {
            limits: Limits {
                cluster: 64,
                alignment: 64,
                outer: Some(OuterProducts {
                    terms: 8,
                    elements: 1 << 18,
                }),
                rows: Some(RowLimits {
                    few: 16,
                    small_bytes: 1 << 18,
                    segment: 16,
                    pooling: true,
                }),
            },
        }
    }
}

#[derive(Debug)]
struct PlainKernel(Needs);

impl Kernel for PlainKernel {
    fn needs(&self) -> Needs {
        self.0
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Device for Plain {
    fn name(&self) -> &str {
        "plain"
    }
    fn limits(&self) -> &Limits {
        &self.limits
    }
    fn kernel(&self, op: &Op, _: &[&Spec], _: &Spec) -> Result<Option<Arc<dyn Kernel>>> {
        Ok(Some(Arc::new(PlainKernel(Needs {
            scratch: 0,
            serial: matches!(op, Op::Cholesky | Op::Eigh | Op::Det | Op::Solve),
            epilogue: matches!(op, Op::MatMul { .. }),
        }))))
    }
}

fn input(graph: &mut Graph, shape: &[usize]) -> NodeId {
    let id = graph
        .add(Op::Input, &[], Some(&Spec::new(shape, DType::F32)))
        .expect("an input has any spec");
    graph.retain(id).expect("it was just made");
    id
}

/// The plan of `targets`, whose inputs are `leaves`, in order; those in `replaced` may be overwritten.
fn plan(graph: &Graph, targets: &[NodeId], leaves: &[NodeId], replaced: &[NodeId]) -> Program {
    let mut cut = cut(graph, targets, leaves).expect("the nodes live");
    for (k, source) in cut.sources.iter().enumerate() {
        cut.trace.expendable[k] = replaced.contains(source);
    }
    let device = Plain::default();
    let context = Context {
        scope: &|_| String::new(),
        device: &device,
    };
    build(&cut.trace, &context).expect("a plan")
}

/// Compares a plan with its file.
fn check(name: &str, program: &Program) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/plans/{name}.txt"));
    let printed = print(program);
    if std::env::var_os("UPDATE_PLANS").is_some() {
        std::fs::write(&path, &printed).expect("the file can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("the plan was printed once");
    assert_eq!(
        printed, expected,
        "the plan {name} has changed; UPDATE_PLANS=1 accepts it"
    );
}

fn softmax(b: &mut Build<'_>, x: NodeId) -> NodeId {
    let shape = b.shape(x);
    let last = shape.rank() - 1;
    let largest = reduce_axes(b.graph(), Reduction::Max, x, &[last], true).expect("an axis");
    let largest = b.broadcast(largest, shape.clone());
    let shifted = b.sub(x, largest);
    let e = b.unary(UnaryOp::Exp, shifted);
    let sum = b.sum_keep(e, &[last]);
    let sum = b.broadcast(sum, shape);
    b.div(e, sum)
}

/// Products read what is transposed for them as it lies, and are transposed by exchanging their operands.
#[test]
fn transpositions_beside_products_cost_nothing() {
    let mut graph = Graph::new();
    let leaves = [[64, 30], [20, 30], [64, 20]].map(|shape| input(&mut graph, &shape));
    let [x, w, dy] = leaves;
    let mut b = Build::new(&mut graph);
    let product = |ta, tb| Op::MatMul { ta, tb };
    let turned = b.add_op(Op::Permute([1, 0].into()), &[w], None);
    let y = b.add_op(product(false, false), &[x, turned], None);
    let gradient = b.add_op(product(true, false), &[x, dy], None);
    let gradient = b.add_op(Op::Permute([1, 0].into()), &[gradient], None);
    b.finish(&[y, gradient]);
    check("transposed", &plan(&graph, &[y, gradient], &leaves, &[]));
}

#[test]
fn a_softmax_goes_row_by_row() {
    let mut graph = Graph::new();
    let x = input(&mut graph, &[32, 10]);
    let mut b = Build::new(&mut graph);
    let y = softmax(&mut b, x);
    b.finish(&[y]);
    let program = plan(&graph, &[y], &[x], &[]);
    assert_eq!(program.groups.len(), 1);
    assert_eq!(
        (program.groups[0].rows, program.groups[0].steps.len()),
        (32, program.steps.len())
    );
    check("softmax", &program);
}

#[test]
fn a_column_sum_ends_a_group() {
    let mut graph = Graph::new();
    let x = input(&mut graph, &[32, 10]);
    let mut b = Build::new(&mut graph);
    let y = softmax(&mut b, x);
    let total = b.sum_keep(y, &[0]);
    let total = b.broadcast(total, [32, 10].into());
    let z = b.div(y, total);
    b.finish(&[z]);
    let program = plan(&graph, &[z], &[x], &[]);
    for group in &program.groups {
        assert!(program.steps[group.steps.clone()].iter().all(|step| {
            !matches!(&step.kind, hyperglow_core::plan::StepKind::Op { op: Op::Reduce { axes, .. }, .. } if axes[0] == 0)
        }));
    }
    check("column-sum", &program);
}

#[test]
fn a_training_step_overwrites_its_weights() {
    let mut graph = Graph::new();
    let (x, w, velocity, rate) = (
        input(&mut graph, &[64, 20]),
        input(&mut graph, &[20, 10]),
        input(&mut graph, &[20, 10]),
        input(&mut graph, &[]),
    );
    let mut b = Build::new(&mut graph);
    let y = b.matmul(x, w, false, false);
    let p = softmax(&mut b, y);
    let squares = b.mul(p, p);
    let loss = b.sum_keep(squares, &[0, 1]);
    b.finish(&[loss]);
    let mut b = Build::new(&mut graph);
    let seed = b.scalar_like(1.0, loss);
    b.finish(&[seed]);
    let gradient = vjp(&mut graph, &[loss], &[seed], &[w]).expect("a derivative")[0].expect("a path");
    let mut b = Build::new(&mut graph);
    // Two constants that are one.
    let half = b.scalar_like(0.5, velocity);
    let momentum = b.add_scalar(half, 0.4);
    let kept = b.binary(BinaryOp::Mul, velocity, momentum);
    let next = b.add(kept, gradient);
    let rates = broadcast_to(b.graph(), "mul", rate, &[20, 10].into()).expect("a scalar stretches");
    let step = b.mul(next, rates);
    let moved = b.sub(w, step);
    b.finish(&[next, moved]);
    let program = plan(
        &graph,
        &[loss, next, moved],
        &[x, w, velocity, rate],
        &[w, velocity],
    );
    assert_eq!(program.donations.iter().flatten().count(), 2);
    check("training-step", &program);
}

#[test]
fn a_product_of_one_term_is_arithmetic() {
    let mut graph = Graph::new();
    let (w, x, dy) = (
        input(&mut graph, &[30, 40]),
        input(&mut graph, &[1, 40]),
        input(&mut graph, &[1, 30]),
    );
    let mut b = Build::new(&mut graph);
    let gradient = b.matmul(dy, x, true, false);
    let step = b.mul_scalar(gradient, 0.1);
    let next = b.sub(w, step);
    b.finish(&[next]);
    let program = plan(&graph, &[next], &[w, x, dy], &[w]);
    assert_eq!(program.steps.len(), 1);
    check("outer-product", &program);
}

#[test]
fn a_value_and_its_gradient_are_one_cluster() {
    let mut graph = Graph::new();
    let (x, dy) = (input(&mut graph, &[1000]), input(&mut graph, &[1000]));
    let mut b = Build::new(&mut graph);
    let inner = b.unary(UnaryOp::Tanh, x);
    let y = b.mul(inner, x);
    b.finish(&[y]);
    let dx = vjp(&mut graph, &[y], &[dy], &[x]).expect("a derivative")[0].expect("a path");
    let program = plan(&graph, &[y, dx], &[x, dy], &[]);
    assert_eq!(program.steps.len(), 1);
    check("value-and-gradient", &program);
}

#[test]
fn a_cluster_does_not_wait_for_what_its_readers_make() {
    let mut graph = Graph::new();
    let x = input(&mut graph, &[8, 8]);
    let mut b = Build::new(&mut graph);
    let e = b.unary(UnaryOp::Exp, x);
    let left = b.unary(UnaryOp::Tanh, e);
    let product = b.matmul(left, left, false, false);
    let right = b.mul(product, e);
    b.finish(&[right]);
    let program = plan(&graph, &[right], &[x], &[]);
    assert_eq!(program.steps.len(), 3);
    check("readers-between", &program);
}

/// h <- tanh(h w), three times, from `x`; all states one behind the other.
fn recurrence(graph: &mut Graph, rows: usize) -> (NodeId, [NodeId; 2]) {
    let (x, w) = (input(graph, &[rows, 16]), input(graph, &[16, 16]));
    let mut b = Build::new(graph);
    let mut states = vec![];
    for _ in 0..3 {
        let h = b.matmul(states.last().copied().unwrap_or(x), w, false, false);
        states.push(b.unary(UnaryOp::Tanh, h));
    }
    b.finish(&states);
    let all = graph
        .add(Op::Concat { axis: 0 }, &states, None)
        .expect("equal shapes");
    let mut b = Build::new(graph);
    let y = b.sum_keep(all, &[0]);
    b.finish(&[y]);
    (y, [x, w])
}

#[test]
fn parts_of_a_concatenation_are_written_where_they_belong() {
    let mut graph = Graph::new();
    let (y, leaves) = recurrence(&mut graph, 8);
    let program = plan(&graph, &[y], &leaves, &[]);
    let in_place = (0..program.steps.len())
        .filter(|&i| is_in_place_concat(&program, i))
        .count();
    assert_eq!(in_place, 1);
    check("concat", &program);
}

#[test]
fn the_result_of_a_program_is_put_together_by_copying() {
    let mut graph = Graph::new();
    let x = input(&mut graph, &[4, 16]);
    let mut b = Build::new(&mut graph);
    let parts = [b.unary(UnaryOp::Tanh, x), b.unary(UnaryOp::Sin, x)];
    b.finish(&parts);
    let both = graph
        .add(Op::Concat { axis: 0 }, &parts, None)
        .expect("equal shapes");
    let program = plan(&graph, &[both], &[x], &[]);
    assert!((0..program.steps.len()).all(|i| !is_in_place_concat(&program, i)));
}

#[test]
fn the_same_parts_are_put_together_once() {
    let mut graph = Graph::new();
    let x = input(&mut graph, &[4, 16]);
    let mut b = Build::new(&mut graph);
    let parts = [b.unary(UnaryOp::Tanh, x), b.unary(UnaryOp::Sin, x)];
    let layers = parts.map(|part| b.reshape(part, [1, 4, 16].into()));
    b.finish(&[parts, layers].concat());
    let rows = graph
        .add(Op::Concat { axis: 0 }, &parts, None)
        .expect("equal shapes");
    let stacked = graph
        .add(Op::Concat { axis: 0 }, &layers, None)
        .expect("equal shapes");
    let mut b = Build::new(&mut graph);
    let sums = [b.sum_keep(rows, &[0]), b.sum_keep(stacked, &[0])];
    b.finish(&sums);
    let program = plan(&graph, &sums, &[x], &[]);
    let in_place = (0..program.steps.len())
        .filter(|&i| is_in_place_concat(&program, i))
        .count();
    assert_eq!(in_place, 2);
}

#[test]
fn decompositions_of_several_matrices_go_beside_each_other() {
    let mut graph = Graph::new();
    let inputs = [5, 7, 9].map(|n| input(&mut graph, &[n, n]));
    let values = inputs.map(|x| {
        let mut b = Build::new(&mut graph);
        let half = b.mul_scalar(x, 0.5);
        b.finish(&[half]);
        let eigen = graph.add(Op::Eigh, &[half], None).expect("square");
        let mut b = Build::new(&mut graph);
        let y = b.unary(UnaryOp::Abs, eigen);
        b.finish(&[y]);
        y
    });
    let program = plan(&graph, &values, &inputs, &[]);
    assert_eq!(program.independent.len(), 1);
    assert_eq!(program.independent[0].len(), 3);
    check("beside", &program);
}

#[test]
fn what_is_needed_again_much_later_is_stored_by_its_first_reader() {
    let mut graph = Graph::new();
    let (x, w) = (input(&mut graph, &[16, 16]), input(&mut graph, &[16, 16]));
    let mut b = Build::new(&mut graph);
    // As in a gated cell: the gate is for the next product, and for the gradient after that.
    let gate = b.unary(UnaryOp::Sigmoid, x);
    let h = b.mul(gate, x);
    let y = b.matmul(h, w, false, false);
    let z = b.mul(y, gate);
    b.finish(&[z]);
    let program = plan(&graph, &[z], &[x, w], &[]);
    assert_eq!(program.steps.len(), 3);
    check("stored-for-later", &program);
}

#[test]
fn gates_are_computed_where_they_are_used() {
    let mut graph = Graph::new();
    let inputs = [[16, 32], [16, 32], [1, 32]].map(|shape| input(&mut graph, &shape));
    let mut b = Build::new(&mut graph);
    let sum = b.add(inputs[0], inputs[1]);
    let bias = b.broadcast(inputs[2], [16, 32].into());
    let gates = b.add(sum, bias);
    let halves = [0, 16].map(|start| {
        let op = Op::Slice {
            start: [0, start].into(),
            step: [1, 1].into(),
        };
        b.add_op(op, &[gates], Some(&Spec::new([16, 16], DType::F32)))
    });
    let open = b.unary(UnaryOp::Sigmoid, halves[0]);
    let content = b.unary(UnaryOp::Tanh, halves[1]);
    let cell = b.mul(open, content);
    b.finish(&[cell]);
    let program = plan(&graph, &[cell], &inputs, &[]);
    assert_eq!(program.steps.len(), 1);
    check("gates", &program);
}

#[test]
fn slices_of_what_changes_nothing_are_of_the_input() {
    let mut graph = Graph::new();
    let x = input(&mut graph, &[8]);
    let mut b = Build::new(&mut graph);
    let same = b.mul_scalar(x, 1.0);
    let op = Op::Slice {
        start: [4].into(),
        step: [1].into(),
    };
    let half = b.add_op(op, &[same], Some(&Spec::new([4], DType::F32)));
    b.finish(&[half]);
    let program = plan(&graph, &[half], &[x], &[]);
    assert_eq!((program.inputs.len(), program.steps.len()), (1, 1));
}

/// Numbers of rows, as one column, are numbered by themselves; as one row they are not.
#[test]
fn rows_are_numbered_once() {
    let mut graph = Graph::new();
    let x = input(&mut graph, &[6, 3]);
    let mut b = Build::new(&mut graph);
    let numbers = b.add_op(Op::UniqueRows, &[x], None);
    let column = b.reshape(numbers, [6, 1].into());
    let again = b.add_op(Op::UniqueRows, &[column], None);
    let row = b.reshape(numbers, [1, 6].into());
    let of_one_row = b.add_op(Op::UniqueRows, &[row], None);
    let sum = reduce_axes(b.graph(), Reduction::Sum, again, &[0], false).expect("an axis");
    b.finish(&[sum, of_one_row]);
    let program = plan(&graph, &[sum, of_one_row], &[x], &[]);
    let numbered = print(&program).matches("uniqueRows").count();
    assert_eq!(numbered, 2, "{}", print(&program));
}
