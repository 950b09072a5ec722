//! Profiles: a line for what goes together, times within those of the runs, bytes and arithmetic as counted by hand.

#[path = "support/graphs.rs"]
mod graphs;

use std::time::{Duration, Instant};

use graphs::{engine, on_every_device, read, source};
use hyperglow_core::compose::{Build, reduce_axes};
use hyperglow_core::elementwise::{Formula, UnaryOp};
use hyperglow_core::engine::{Engine, ProfiledPlan};
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Op, Reduction, Spec};
use hyperglow_core::{DType, NodeId};

const SAMPLES: usize = 1000;
const BATCH: usize = 64;
const WIDTH: usize = 32;
const UNITS: usize = 16;
/// Bytes of a number.
const SIZE: usize = 8;

fn numbers(count: usize) -> Vec<f64> {
    (0..count)
        .map(|i| (i * 48_271 % 65_537) as f64 / 32_768.5 - 1.0)
        .collect()
}

/// Data of a layer: samples, rows of them, weights, biases.
fn operands(e: &mut Engine) -> [NodeId; 4] {
    let rows: Vec<u8> = (0..BATCH as i32)
        .flat_map(|row| (row * 3).to_ne_bytes())
        .collect();
    let samples = source(e, &[SAMPLES, WIDTH], &numbers(SAMPLES * WIDTH));
    let rows = e.source(&rows, Spec::new([BATCH], DType::I32)).unwrap();
    let weights = source(e, &[WIDTH, UNITS], &numbers(WIDTH * UNITS));
    [samples, rows, weights, source(e, &[1, UNITS], &numbers(UNITS))]
}

/// `softmax(relu(samples[rows] weights + biases))`.
fn layer(e: &mut Engine, [samples, rows, weights, biases]: [NodeId; 4]) -> NodeId {
    let mut b = Build::new(&mut e.graph);
    let x = b.add_op(Op::Take { axis: 0 }, &[samples, rows], None);
    let z = b.matmul(x, weights, false, false);
    let shape = b.shape(z);
    let biases = b.broadcast(biases, shape.clone());
    let z = b.add(z, biases);
    let h = b.unary(UnaryOp::Relu, z);
    let largest = reduce_axes(b.graph(), Reduction::Max, h, &[1], true).unwrap();
    let largest = b.broadcast(largest, shape.clone());
    let shifted = b.sub(h, largest);
    let exponentials = b.unary(UnaryOp::Exp, shifted);
    let sum = b.sum_keep(exponentials, &[1]);
    let sum = b.broadcast(sum, shape);
    let y = b.div(exponentials, sum);
    b.finish(&[y]);
    y
}

/// Computes the layer some times; its plan, and the time of all runs seen from outside.
fn profiled(e: &mut Engine, runs: usize) -> (ProfiledPlan, Duration) {
    let operands = operands(e);
    e.profile_begin().unwrap();
    let start = Instant::now();
    for _ in 0..runs {
        let y = layer(e, operands);
        read(e, y);
        e.graph.release(y).unwrap();
    }
    let took = start.elapsed();
    let mut plans = e.profile_end().unwrap();
    assert_eq!(plans.len(), 1);
    (plans.remove(0), took)
}

#[test]
fn every_step_is_in_one_line_and_no_line_takes_longer_than_the_run() {
    on_every_device(|mut e| {
        let (plan, whole) = profiled(&mut e, 5);
        assert_eq!(plan.runs, 5);
        let mut next = 0;
        for step in &plan.steps {
            assert_eq!(step.first, next, "{}", plan.text);
            assert!(step.last >= step.first && !step.what.is_empty());
            next = step.last + 1;
        }
        let head = format!("plan  {next} steps");
        assert!(plan.text.starts_with(&head), "{next} steps in\n{}", plan.text);
        assert!(plan.text.contains(&format!("on {}", plan.device)) || plan.device == "reference");
        let steps: Duration = plan.steps.iter().map(|step| step.took).sum();
        assert!(
            steps > Duration::ZERO && steps <= plan.took,
            "{steps:?} of {:?}",
            plan.took
        );
        assert!(plan.took <= whole, "{:?} of {whole:?}", plan.took);
    });
}

#[test]
fn what_goes_together_is_one_line() {
    let mut e = engine(2);
    let (plan, _) = profiled(&mut e, 2);
    let together = plan.steps.iter().find(|step| step.what.contains("max"));
    let group = together.expect("softmax takes a maximum");
    assert_eq!((group.first, group.last), (2, 6), "{}", plan.text);
    // The group reads the product and the biases, and writes its result: nothing else leaves it.
    let result = BATCH * UNITS * SIZE;
    assert_eq!(
        (group.cost.read, group.cost.written),
        (result + UNITS * SIZE, result)
    );
    assert_eq!(group.cost.flops, None);
}

#[test]
fn bytes_and_arithmetic_are_those_of_one_run() {
    on_every_device(|mut e| {
        for runs in [1, 3] {
            let (plan, _) = profiled(&mut e, runs);
            let picked = BATCH * WIDTH * SIZE;
            let take = &plan.steps[0].cost;
            // Of the samples only the rows are read.
            assert_eq!((take.read, take.written), (picked + BATCH * 4, picked));
            assert_eq!(take.flops, None);
            let product = plan.steps.iter().find(|step| step.cost.flops.is_some());
            let product = product.expect("a product");
            let [weights, biases, result] = [WIDTH * UNITS, UNITS, BATCH * UNITS].map(|n| n * SIZE);
            // A bias that is repeated for each sample is read once.
            let with_bias = if product.last > product.first { biases } else { 0 };
            assert_eq!(product.cost.read, picked + weights + with_bias, "{}", plan.text);
            assert_eq!(product.cost.written, result);
            assert_eq!(product.cost.flops, Some((2 * BATCH * WIDTH * UNITS) as f64));
        }
    });
}

#[test]
fn convolutions_count_their_arithmetic() {
    let mut e = engine(1);
    let x = source(&mut e, &[2, 3, 6, 6], &numbers(216));
    let w = source(&mut e, &[4, 3, 3, 3], &numbers(108));
    let window = hyperglow_core::op::Window {
        stride: [1, 1].into(),
        pad_low: [0, 0].into(),
        pad_high: [0, 0].into(),
        dilation: [1, 1].into(),
    };
    let dy = source(&mut e, &[2, 4, 4, 4], &numbers(128));
    let kinds = [
        (
            Op::Conv {
                window: window.clone(),
                groups: 1,
            },
            [x, w],
        ),
        (
            Op::ConvInputGrad {
                window: window.clone(),
                groups: 1,
                input: [6, 6].into(),
            },
            [dy, w],
        ),
        (
            Op::ConvWeightGrad {
                window,
                groups: 1,
                kernel: [3, 3].into(),
            },
            [x, dy],
        ),
    ];
    e.profile_begin().unwrap();
    for (op, inputs) in kinds {
        let y = e.graph.add(op, &inputs, None).unwrap();
        read(&mut e, y);
    }
    let plans = e.profile_end().unwrap();
    let flops: Vec<f64> = plans
        .iter()
        .flat_map(|plan| &plan.steps)
        .filter_map(|step| step.cost.flops)
        .collect();
    // Each of 2 x 4 x 4 x 4 outputs has 3 x 3 x 3 products.
    assert_eq!(flops, [2.0 * 128.0 * 27.0; 3]);
}

#[test]
fn a_profile_ends_and_only_one_is_under_way() {
    let mut e = engine(1);
    assert_eq!(e.profile_end().unwrap_err().kind, ErrorKind::Internal);
    let operands = operands(&mut e);
    e.profile_begin().unwrap();
    let error = e.profile_begin().unwrap_err();
    assert_eq!((error.kind, error.op.as_str()), (ErrorKind::State, "profile"));
    assert!(e.profile_end().unwrap().is_empty());
    let y = layer(&mut e, operands);
    read(&mut e, y);
    e.profile_begin().unwrap();
    assert!(
        e.profile_end().unwrap().is_empty(),
        "what ran between the profiles counts for neither"
    );
}

#[test]
fn a_run_that_refuses_is_not_counted() {
    on_every_device(|mut e| {
        let x = source(&mut e, &[2, 2], &[1.0, 2.0, 2.0, 1.0]);
        e.profile_begin().unwrap();
        let y = e.graph.add(Op::Cholesky, &[x], None).unwrap();
        for completion in e.evaluate(&[y]).unwrap() {
            completion.wait().unwrap_err();
        }
        let plans = e.profile_end().unwrap();
        assert_eq!((plans[0].runs, plans[0].steps.len()), (0, 0));
    });
}
