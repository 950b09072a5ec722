//! Clusters that update: outputs in the buffers of inputs, an update behind its gradient, values that change places.

#[path = "support/clusters.rs"]
mod clusters;
mod support;

use clusters::{expected, instr, whole};
use hyperglow_core::DType;
use hyperglow_core::elementwise::BinaryOp;
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::{Cluster, InstrKind, View};
use hyperglow_core::reference::{Value, evaluate};
use hyperglow_core::storage::Buffer;
use support::{Dice, Draft, EXACT, Tested, Tolerance, buffers, devices, near, value};

/// new_v = mu v + g, new_w = w - rate new_v: outputs may take the buffers of w and v.
fn momentum(size: usize) -> Cluster {
    let f = DType::F32;
    let code = vec![
        instr(InstrKind::Load(0), f),
        instr(InstrKind::Load(1), f),
        instr(InstrKind::Load(2), f),
        instr(InstrKind::Load(3), f),
        instr(InstrKind::Const(0.95_f64.to_bits()), f),
        instr(InstrKind::Binary(BinaryOp::Mul, 1, 4), f),
        instr(InstrKind::Binary(BinaryOp::Add, 5, 2), f),
        instr(InstrKind::Binary(BinaryOp::Mul, 6, 3), f),
        instr(InstrKind::Binary(BinaryOp::Sub, 0, 7), f),
    ];
    let rate = View {
        slot: 3,
        shape: [size].into(),
        strides: vec![0],
        offset: 0,
    };
    let loads = vec![whole(0, &[size]), whole(1, &[size]), whole(2, &[size]), rate];
    Cluster {
        shape: [size].into(),
        loads,
        code,
        stores: vec![(8, 4), (6, 5)],
    }
}

#[test]
fn donated_buffers_are_read_before_they_are_written() {
    let mut dice = Dice::new(33);
    for size in [1, 5, 4096, 50_001] {
        let tensors = [size, size, size, 1].map(|n| dice.tensor([n], DType::F32));
        let inputs: Vec<&Value> = tensors.iter().collect();
        let expected = expected(&momentum(size), &inputs);
        for Tested { backend, .. } in devices() {
            let mut draft = Draft::default();
            inputs.iter().for_each(|x| _ = draft.input(x.spec()));
            let spec = Spec::new([size], DType::F32);
            draft.output(spec.clone());
            draft.output(spec.clone());
            draft.donations = vec![Some(0), Some(1)];
            draft.cluster(momentum(size));
            let program = draft.finish();
            let mut executable = backend.prepare(program.clone()).unwrap();
            for donate in [false, true] {
                let given: Vec<Buffer> = inputs
                    .iter()
                    .map(|x| backend.upload(&x.to_bytes()).unwrap())
                    .collect();
                let results = if donate {
                    vec![given[0].clone(), given[1].clone()]
                } else {
                    buffers(&*backend, &program)
                };
                executable.run(&given, &results).unwrap();
                near(
                    "w",
                    &value(&spec, &results[0]),
                    &expected[8],
                    Tolerance(1e-6, 1e-6),
                );
                near(
                    "v",
                    &value(&spec, &results[1]),
                    &expected[6],
                    Tolerance(1e-6, 1e-6),
                );
            }
        }
    }
}

/// A weight's gradient, too large for a cache, and the update that uses it up: run as one step.
#[test]
fn an_update_fused_behind_its_gradient_gives_the_same() {
    let mut dice = Dice::new(35);
    let (m, n, k, f) = (530, 1100, 20, DType::F32);
    let tensors =
        [vec![m, n], vec![m, n], vec![k, m], vec![k, n], vec![1]].map(|shape| dice.tensor(shape, f));
    let inputs: Vec<&Value> = tensors.iter().collect();
    let product = Op::MatMul { ta: true, tb: false };
    let gradient = evaluate(&product, &[&tensors[2], &tensors[3]], &Spec::new([m, n], f)).unwrap();
    let [w, v, g, rate] = [0, 1, 2, 3].map(|i| [&tensors[0], &tensors[1], &gradient, &tensors[4]][i]);
    let expected = expected(&momentum(m * n), &[w, v, g, rate]);
    let mut bits = Vec::new();
    for Tested {
        arithmetic, backend, ..
    } in devices()
    {
        for kept in [false, true] {
            let mut draft = Draft::default();
            let slots: Vec<_> = inputs.iter().map(|x| draft.input(x.spec())).collect();
            let spec = Spec::new([m, n], f);
            let (new_w, new_v) = (draft.output(spec.clone()), draft.output(spec.clone()));
            // A gradient that is given back as well cannot be used up.
            let gradient = if kept {
                draft.output(spec.clone())
            } else {
                draft.inner(spec.clone())
            };
            draft.donations[..2].copy_from_slice(&[Some(0), Some(1)]);
            draft.op(&*backend, product.clone(), &[slots[2], slots[3]], gradient);
            let mut cluster = momentum(m * n);
            for (view, slot) in cluster
                .loads
                .iter_mut()
                .zip([slots[0], slots[1], gradient, slots[4]])
            {
                view.slot = slot;
            }
            cluster.stores = vec![(8, new_w), (6, new_v)];
            draft.cluster(cluster);
            let program = draft.finish();
            let given: Vec<Buffer> = inputs
                .iter()
                .map(|x| backend.upload(&x.to_bytes()).unwrap())
                .collect();
            let mut results = buffers(&*backend, &program);
            results[..2].clone_from_slice(&given[..2]);
            backend.prepare(program).unwrap().run(&given, &results).unwrap();
            let [w, v] = [0, 1].map(|i| value(&spec, &results[i]));
            let tolerance = Tolerance(1e-3, 1e-5);
            near(
                "w",
                &Value::from_bytes(&Spec::new([m * n], f), &w.to_bytes()),
                &expected[8],
                tolerance,
            );
            near(
                "v",
                &Value::from_bytes(&Spec::new([m * n], f), &v.to_bytes()),
                &expected[6],
                tolerance,
            );
            bits.push((arithmetic, w.to_bytes(), v.to_bytes()));
        }
    }
    for pair in bits.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        assert!(pair[0] == pair[1], "bits depend on threads or on what is kept");
    }
}

#[test]
fn two_variables_exchange_their_values_in_place() {
    let mut dice = Dice::new(34);
    let (size, f) = (10_000, DType::F32);
    let (a, b) = (dice.tensor([size], f), dice.tensor([size], f));
    for Tested { backend, .. } in devices() {
        let mut draft = Draft::default();
        let spec = Spec::new([size], f);
        draft.input(spec.clone());
        draft.input(spec.clone());
        draft.output(spec.clone());
        draft.output(spec.clone());
        draft.donations = vec![Some(0), Some(1)];
        let code = vec![instr(InstrKind::Load(0), f), instr(InstrKind::Load(1), f)];
        let loads = vec![whole(0, &[size]), whole(1, &[size])];
        draft.cluster(Cluster {
            shape: [size].into(),
            loads,
            code,
            stores: vec![(1, 2), (0, 3)],
        });
        let mut executable = backend.prepare(draft.finish()).unwrap();
        let given = [&a, &b].map(|x| backend.upload(&x.to_bytes()).unwrap());
        executable.run(&given, &given).unwrap();
        near("first", &value(&spec, &given[0]), &b, EXACT);
        near("second", &value(&spec, &given[1]), &a, EXACT);
    }
}
