//! Elementwise clusters after convolutions, which are computed as epilogues.

mod support;

use hyperglow_core::DType;
use hyperglow_core::backend::Backend;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::{Cluster, Instr, InstrKind, View};
use hyperglow_core::reference::Value;
use hyperglow_core::storage::Buffer;
use hyperglow_kernels::{CpuBackend, Level};
use support::convolutions::{convolutions, uniform_window};
use support::list::processors;
use support::{Dice, Draft, buffers, run_op};

/// `relu(convolution + bias + other)` in the buffer of `other`, and the convolution's result if it is `kept`.
fn with_epilogue(
    backend: &CpuBackend,
    op: &Op,
    inputs: [&Value; 4],
    y: &Spec,
    kept: bool,
) -> (Vec<u8>, Vec<u8>) {
    let mut draft = Draft::default();
    let slots = inputs.map(|x| draft.input(x.spec()));
    let output = draft.output(y.clone());
    draft.donations[0] = Some(3);
    let result = if kept {
        draft.output(y.clone())
    } else {
        draft.inner(y.clone())
    };
    draft.op(backend, op.clone(), &slots[..2], result);
    let bias = View {
        strides: vec![0, 1, 0, 0],
        ..View::contiguous(slots[2], y.shape.clone())
    };
    let instr = |kind: InstrKind| Instr { kind, dtype: y.dtype };
    draft.cluster(Cluster {
        shape: y.shape.clone(),
        loads: vec![
            View::contiguous(result, y.shape.clone()),
            bias,
            View::contiguous(slots[3], y.shape.clone()),
        ],
        code: vec![
            instr(InstrKind::Load(0)),
            instr(InstrKind::Load(1)),
            instr(InstrKind::Binary(BinaryOp::Add, 0, 1)),
            instr(InstrKind::Load(2)),
            instr(InstrKind::Binary(BinaryOp::Add, 2, 3)),
            instr(InstrKind::Unary(UnaryOp::Relu, 4)),
        ],
        stores: vec![(5, output)],
    });
    let program = draft.finish();
    let given: Vec<Buffer> = inputs
        .iter()
        .map(|x| backend.upload(&x.to_bytes()).unwrap())
        .collect();
    let mut results = buffers(backend, &program);
    results[0] = given[3].clone();
    backend.prepare(program).unwrap().run(&given, &results).unwrap();
    let mut all = results.iter().map(|buffer| {
        let mut bytes = vec![0; y.bytes()];
        buffer.read(&mut bytes).unwrap();
        bytes
    });
    (all.next().unwrap(), all.next().unwrap_or_default())
}

#[test]
fn a_cluster_gives_the_same_bits_as_epilogue_and_alone() {
    let mut dice = Dice::new(38);
    for (channels, outputs, groups, kernel, window) in [
        (20, 70, 1, 3, uniform_window(2, 1, 1, 1)),
        (5, 9, 1, 3, uniform_window(2, 1, 1, 1)),
        (6, 6, 6, 3, uniform_window(2, 1, 1, 1)),
        (40, 30, 1, 2, uniform_window(2, 1, 0, 1)),
        (64, 64, 1, 3, uniform_window(2, 2, 1, 1)),
        (200, 64, 1, 1, uniform_window(2, 1, 0, 1)),
        (4, 3, 1, 3, uniform_window(2, 3, 0, 2)),
    ] {
        for (dtype, backward) in [(DType::F32, false), (DType::F32, true), (DType::F64, false)] {
            let [height, width] = [22, 24].map(|extent| window.output(0, extent, kernel));
            let (from, to) = ([3, channels, 22, 24], [3, outputs, height, width]);
            let [forward, input_grad, _] = convolutions(&window, groups, &[22, 24], &[kernel; 2]);
            let (op, x, y) = if backward {
                (input_grad, to, from)
            } else {
                (forward, from, to)
            };
            let tensors = [
                vec![outputs, channels / groups, kernel, kernel],
                vec![y[1]],
                y.to_vec(),
            ];
            let [w, bias, other] = tensors.map(|shape| dice.tensor(shape, dtype));
            let (x, y) = (dice.tensor(x, dtype), Spec::new(y, dtype));
            let mut before: Option<(Level, Vec<u8>)> = None;
            for backend in processors() {
                let inputs = [&x, &w, &bias, &other];
                let (alone, result) = with_epilogue(&backend, &op, inputs, &y, true);
                let (together, _) = with_epilogue(&backend, &op, inputs, &y, false);
                assert!(
                    alone == together,
                    "{op:?} {channels} -> {outputs} at {}",
                    backend.level().name()
                );
                assert!(result == run_op(&backend, &op, &[&x, &w], &y).unwrap().to_bytes());
                if let Some((level, bits)) = &before
                    && *level == backend.level()
                {
                    assert!(*bits == together, "{op:?}: bits depend on threads");
                }
                before = Some((backend.level(), together));
            }
        }
    }
}
