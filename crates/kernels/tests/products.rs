//! Matrix products and what is done with their results at once.

mod support;

use std::sync::Arc;

use hyperglow_core::DType;
use hyperglow_core::backend::Backend;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::infer::infer;
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::{Cluster, Instr, InstrKind, Program, SlotId, View};
use hyperglow_core::reference::{Value, evaluate};
use hyperglow_kernels::{CpuBackend, Level};
use support::{Dice, Draft, Tested, Tolerance, buffers, check, devices, near, run, value};

/// (batch, m, n, k): direct ones with one task and with many, and ones for matrix instructions, long and broad, of
/// which two are computed in strips.
const SMALL: &[(usize, usize, usize, usize)] = &[
    (1, 5, 7, 3),
    (1, 64, 130, 28),
    (1, 33, 250, 257),
    (1, 130, 40, 410),
    (1, 50, 270, 1100),
    (1, 261, 64, 140),
    (3, 40, 36, 50),
];

/// Packed ones, of which the second is computed as its transpose.
const LARGE: &[(usize, usize, usize, usize)] = &[(1, 50, 40, 3300), (1, 30, 530, 260)];

/// Operands of a product, by how they are stored.
fn operands(
    dice: &mut Dice,
    (batch, m, n, k): (usize, usize, usize, usize),
    (ta, tb): (bool, bool),
    dtype: DType,
) -> [Value; 2] {
    let shape = |rows: usize, cols: usize, turned: bool| {
        let (rows, cols) = if turned { (cols, rows) } else { (rows, cols) };
        if batch == 1 {
            vec![rows, cols]
        } else {
            vec![batch, rows, cols]
        }
    };
    [
        dice.tensor(shape(m, k, ta), dtype),
        dice.tensor(shape(k, n, tb), dtype),
    ]
}

const FORMS: [(bool, bool); 3] = [(false, false), (false, true), (true, false)];

#[test]
fn every_form_of_every_shape() {
    let mut dice = Dice::new(71);
    for &shape in SMALL {
        for (ta, tb) in FORMS {
            for dtype in [DType::F32, DType::F64] {
                let [a, b] = operands(&mut dice, shape, (ta, tb), dtype);
                let error = if dtype == DType::F32 { 3e-6 } else { 1e-14 };
                let tolerance = Tolerance(error * shape.3 as f64, error);
                check(Op::MatMul { ta, tb }, &[&a, &b], None, tolerance);
            }
        }
    }
}

/// `relu(product + bias)`, with a bias for each column.
fn activation(product: SlotId, bias: SlotId, output: SlotId, spec: &Spec) -> Cluster {
    let mut row = View::contiguous(bias, spec.shape.clone());
    let last = row.strides.len() - 1;
    row.strides[..last].fill(0);
    let dtype = spec.dtype;
    Cluster {
        shape: spec.shape.clone(),
        loads: vec![View::contiguous(product, spec.shape.clone()), row],
        code: [
            InstrKind::Load(0),
            InstrKind::Load(1),
            InstrKind::Binary(BinaryOp::Add, 0, 1),
            InstrKind::Unary(UnaryOp::Relu, 2),
        ]
        .map(|kind| Instr { kind, dtype })
        .into(),
        stores: vec![(3, output)],
    }
}

/// A product that is given back, the cluster that follows, and the description of both.
fn followed(backend: &CpuBackend, op: &Op, inputs: &[&Value; 3], spec: &Spec) -> (Vec<Value>, String) {
    let mut draft = Draft::default();
    let slots = inputs.map(|x| draft.input(x.spec()));
    let (product, result) = (draft.output(spec.clone()), draft.output(spec.clone()));
    draft.op(backend, op.clone(), &slots[..2], product);
    draft.cluster(activation(product, slots[2], result, spec));
    let program = draft.finish();
    let text = backend.prepare(program.clone()).unwrap().describe();
    (run(backend, &program, inputs).unwrap(), text)
}

#[test]
fn a_cluster_behind_a_product_gives_the_same_bits_as_alone() {
    let mut dice = Dice::new(72);
    let threads = |level: Level| [1, 2, 3].map(|threads| CpuBackend::with_level(threads, level));
    let mut together = 0;
    for &shape in SMALL.iter().chain(LARGE) {
        for (ta, tb) in FORMS {
            let op = Op::MatMul { ta, tb };
            let [a, b] = operands(&mut dice, shape, (ta, tb), DType::F32);
            let bias = dice.tensor([shape.2], DType::F32);
            let spec = infer(&op, &[&a.spec(), &b.spec()], None).unwrap();
            for backend in Level::available().into_iter().flat_map(threads) {
                let (results, text) = followed(&backend, &op, &[&a, &b, &bias], &spec);
                together += usize::from(text.contains("epilogue by blocks"));
                let mut alone = Draft::default();
                let slots = [&results[0], &bias].map(|x| alone.input(x.spec()));
                let output = alone.output(spec.clone());
                alone.cluster(activation(slots[0], slots[1], output, &spec));
                let expected = run(&backend, &alone.finish(), &[&results[0], &bias]).unwrap();
                assert!(
                    results[1].to_bytes() == expected[0].to_bytes(),
                    "{shape:?} {op:?} at {} with {}:\n{text}",
                    backend.level().name(),
                    backend.threads()
                );
            }
        }
    }
    assert!(together > 0, "no cluster was run behind its product");
}

/// A weight's update in place behind its gradient, of operands of which the last is infinite: where the matrix
/// instructions find out on the way that they are not for such a number, no weight may be updated twice.
#[test]
fn an_update_behind_a_product_that_starts_anew_happens_once() {
    for (ta, tb) in FORMS {
        update_behind(ta, tb);
    }
}

fn update_behind(ta: bool, tb: bool) {
    let (m, n, k, f) = (128, 96, 640, DType::F32);
    let turned = |rows: usize, cols: usize, turned: bool| if turned { [cols, rows] } else { [rows, cols] };
    let mut dice = Dice::new(73);
    let weight = dice.tensor([m, n], f);
    let mut last = k * n;
    let a = dice.tensor(turned(m, k, ta), f);
    let b = dice.tensor_of(turned(k, n, tb), f, |dice| {
        last -= 1;
        if last == 0 { f64::INFINITY } else { dice.number() }
    });
    let product = Op::MatMul { ta, tb };
    let spec = Spec::new([m, n], f);
    let gradient = evaluate(&product, &[&a, &b], &spec).unwrap();
    let expected = evaluate(&Op::Binary(BinaryOp::Sub), &[&weight, &gradient], &spec).unwrap();
    for Tested { backend, .. } in devices() {
        let mut draft = Draft::default();
        let slots = [&weight, &a, &b].map(|x| draft.input(x.spec()));
        let (updated, inner) = (draft.output(spec.clone()), draft.inner(spec.clone()));
        draft.donations[0] = Some(0);
        draft.op(&*backend, product.clone(), &slots[1..], inner);
        let kinds = [
            InstrKind::Load(0),
            InstrKind::Load(1),
            InstrKind::Binary(BinaryOp::Sub, 0, 1),
        ];
        draft.cluster(Cluster {
            shape: spec.shape.clone(),
            loads: [slots[0], inner]
                .map(|slot| View::contiguous(slot, spec.shape.clone()))
                .into(),
            code: kinds.map(|kind| Instr { kind, dtype: f }).into(),
            stores: vec![(2, updated)],
        });
        let program: Arc<Program> = draft.finish();
        let given: Vec<_> = [&weight, &a, &b]
            .iter()
            .map(|x| backend.upload(&x.to_bytes()).unwrap())
            .collect();
        let mut results = buffers(&*backend, &program);
        results[0] = given[0].clone();
        backend.prepare(program).unwrap().run(&given, &results).unwrap();
        near(
            "the weight",
            &value(&spec, &results[0]),
            &expected,
            Tolerance(1e-3, 1e-5),
        );
    }
}

/// The matrix instructions cannot take numbers so large: what is computed otherwise is the same whatever the division.
#[test]
fn large_numbers_give_the_same_bits_whatever_the_number_of_threads() {
    let mut dice = Dice::new(74);
    for shape in [(1, 70, 300, 200), (1, 64, 300, 1100), (1, 150, 130, 170)] {
        for (ta, tb) in FORMS {
            let (mut a, mut b) = (0, 0);
            let large = |at: &mut usize, number: usize, dice: &mut Dice| {
                *at += 1;
                if *at == number { 1e25 } else { dice.number() }
            };
            let spec = operands(&mut dice, shape, (ta, tb), DType::F32).map(|x| x.spec());
            let x = dice.tensor_of(spec[0].shape.dims(), DType::F32, |dice| large(&mut a, 77, dice));
            let y = dice.tensor_of(spec[1].shape.dims(), DType::F32, |dice| large(&mut b, 5000, dice));
            for level in Level::available() {
                let results = [1, 2, 3].map(|threads| {
                    let backend = CpuBackend::with_level(threads, level);
                    let mut draft = Draft::default();
                    let slots = [&x, &y].map(|x| draft.input(x.spec()));
                    let output = draft.output(Spec::new([shape.1, shape.2], DType::F32));
                    draft.op(&backend, Op::MatMul { ta, tb }, &slots, output);
                    run(&backend, &draft.finish(), &[&x, &y]).unwrap()[0].to_bytes()
                });
                assert!(
                    results[0] == results[1] && results[0] == results[2],
                    "{shape:?} {ta} {tb} at {}",
                    level.name()
                );
            }
        }
    }
}

#[test]
fn a_description_says_how_each_product_is_computed() {
    let backend = CpuBackend::with_level(2, Level::PORTABLE);
    let mut draft = Draft::default();
    let spec = |rows: usize, cols: usize| Spec::new([rows, cols], DType::F32);
    let slots = [spec(8, 16), spec(16, 24), spec(300, 700), spec(700, 900)].map(|spec| draft.input(spec));
    let (small, large) = (draft.output(spec(8, 24)), draft.output(spec(300, 900)));
    let product = Op::MatMul { ta: false, tb: false };
    draft.op(&backend, product.clone(), &slots[..2], small);
    draft.op(&backend, product, &slots[2..], large);
    let text = backend.prepare(draft.finish()).unwrap().describe();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "on cpu, 2 threads, portable",
            "0  gemm: unpacked",
            "1  gemm: packed"
        ]
    );
}
