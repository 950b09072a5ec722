//! Elementwise clusters: the whole table, strided views, several stores, mistakes of a plan.

#[path = "support/clusters.rs"]
mod clusters;
mod support;

use clusters::{expected, instr, op_of, whole};
use hyperglow_core::backend::Backend;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::infer::infer;
use hyperglow_core::op::Spec;
use hyperglow_core::plan::{Cluster, Instr, InstrKind, View};
use hyperglow_core::reference::Value;
use hyperglow_core::{DType, Shape};
use hyperglow_kernels::CpuBackend;
use support::{Dice, Draft, EXACT, Tested, Tolerance, devices, near, run};

/// Runs a cluster, whose slots are the inputs and then the stores, on every device.
fn check(inputs: &[&Value], cluster: Cluster, tolerance: Tolerance) {
    let expected = expected(&cluster, inputs);
    for Tested { name, backend, .. } in devices() {
        let mut draft = Draft::default();
        inputs.iter().for_each(|x| _ = draft.input(x.spec()));
        for (register, _) in &cluster.stores {
            draft.output(Spec::new(cluster.shape.clone(), cluster.code[*register].dtype));
        }
        draft.cluster(cluster.clone());
        let results = run(&*backend, &draft.finish(), inputs).unwrap();
        for ((register, _), result) in cluster.stores.iter().zip(&results) {
            let what = format!("{:?} on {name} of {:?}", cluster.code[*register], cluster.code);
            near(&what, result, &expected[*register], tolerance);
        }
    }
}

#[test]
fn copies_of_views_with_another_axis_side_by_side() {
    let mut dice = Dice::new(31);
    // Extents, and the stride of each axis in the source.
    let cases: [(&[usize], &[isize], usize, usize); 10] = [
        (&[70, 33], &[1, 70], 0, 70 * 33),
        (&[3, 45, 20], &[900, 1, 45], 0, 2700),
        // Gaps and an offset, and a reversed outer axis.
        (&[4, 19, 100], &[-2000, 1, 20], 6000, 8000),
        (&[9, 2, 8, 64], &[16, 8, 1, 144], 0, 64 * 144),
        // Several tasks.
        (&[515, 530], &[1, 515], 0, 515 * 530),
        // Few rows, few columns.
        (&[5, 3, 700], &[2100, 1, 3], 0, 10500),
        (&[5, 700, 3], &[2100, 1, 700], 0, 10500),
        // Runs of two and of four elements, and one that does not start where runs do.
        (&[50, 30, 2], &[2, 100, 1], 0, 3000),
        (&[12, 40, 4], &[4, 48, 1], 0, 1920),
        (&[12, 40, 4], &[4, 48, 1], 2, 1922),
    ];
    for (shape, strides, offset, elements) in cases {
        for dtype in [DType::F32, DType::F64, DType::I32, DType::Bool] {
            let x = dice.tensor_of([elements], dtype, |dice| dice.number());
            let view = View {
                slot: 0,
                shape: shape.into(),
                strides: strides.to_vec(),
                offset,
            };
            let code = vec![instr(InstrKind::Load(0), dtype)];
            let cluster = Cluster {
                shape: shape.into(),
                loads: vec![view],
                code,
                stores: vec![(0, 1)],
            };
            check(&[&x], cluster, EXACT);
        }
    }
}

#[test]
fn every_row_of_the_table() {
    let mut dice = Dice::new(30);
    let size = 3001;
    for dtype in [DType::F32, DType::F64] {
        // The vectorized functions are within 2.5 units in the last place of the exact value.
        let tolerance = if dtype == DType::F32 {
            Tolerance(1e-37, 4e-7)
        } else {
            Tolerance(0.0, 1e-15)
        };
        for &op in UnaryOp::ALL {
            let (low, high) = op.domain();
            let x = dice.tensor_of([size], dtype, |dice| {
                low + (high - low) * (dice.number() + 4.0) / 8.0
            });
            let code = vec![
                instr(InstrKind::Load(0), dtype),
                instr(InstrKind::Unary(op, 0), dtype),
            ];
            let cluster = Cluster {
                shape: [size].into(),
                loads: vec![whole(0, &[size])],
                code,
                stores: vec![(1, 1)],
            };
            check(&[&x], cluster.clone(), tolerance);
            check(&[&dice.awkward([size], dtype)], cluster, tolerance);
        }
    }
    for dtype in DType::ALL {
        for &op in BinaryOp::ALL {
            let compares = op.is_compare();
            if (dtype == DType::Bool && !compares) || (!dtype.is_float() && op.is_of_floats()) {
                continue;
            }
            let (low, high) = op.domain();
            let (x, y) = if op == BinaryOp::Polygamma {
                let whole = dice.tensor_of([size], dtype, |dice| dice.below(4) as f64);
                (
                    whole,
                    dice.tensor_of([size], dtype, |dice| 1.0 + dice.below(100) as f64 / 50.0),
                )
            } else if dtype.is_float() && !compares && !op.is_of_floats() {
                let mut draw = || {
                    dice.tensor_of([size], dtype, |dice| {
                        low + (high - low) * (dice.number() + 4.0) / 8.0
                    })
                };
                (draw(), draw())
            } else {
                (dice.awkward([size], dtype), dice.awkward([size], dtype))
            };
            let code = vec![
                instr(InstrKind::Load(0), dtype),
                instr(InstrKind::Load(1), dtype),
                instr(
                    InstrKind::Binary(op, 0, 1),
                    if compares { DType::Bool } else { dtype },
                ),
            ];
            let loads = vec![whole(0, &[size]), whole(1, &[size])];
            let cluster = Cluster {
                shape: [size].into(),
                loads,
                code,
                stores: vec![(2, 2)],
            };
            check(
                &[&x, &y],
                cluster,
                if dtype == DType::F32 {
                    Tolerance(0.0, 1e-6)
                } else {
                    Tolerance(0.0, 1e-15)
                },
            );
        }
    }
}

#[test]
fn every_conversion_and_constant() {
    let mut dice = Dice::new(31);
    let size = 300;
    for from in DType::ALL {
        for to in DType::ALL {
            for x in [dice.tensor([size], from), dice.awkward([size], from)] {
                let code = vec![
                    instr(InstrKind::Load(0), from),
                    instr(InstrKind::Cast(0), to),
                    instr(InstrKind::Const(2.75_f64.to_bits()), to),
                    instr(InstrKind::Const(0.0_f64.to_bits()), DType::Bool),
                    instr(InstrKind::Cast(0), DType::Bool),
                    instr(InstrKind::Where(4, 1, 2), to),
                ];
                let stores = vec![(1, 1), (2, 2), (3, 3), (5, 4)];
                check(
                    &[&x],
                    Cluster {
                        shape: [size].into(),
                        loads: vec![whole(0, &[size])],
                        code,
                        stores,
                    },
                    EXACT,
                );
            }
        }
    }
}

/// A random view of `shape` on a tensor, and the extents of that tensor.
fn random_view(dice: &mut Dice, slot: usize, shape: &[usize]) -> (View, usize) {
    let rank = shape.len();
    let mut order: Vec<usize> = (0..rank).collect();
    for i in (1..rank).rev() {
        order.swap(i, dice.below(i + 1));
    }
    if dice.below(3) == 0 {
        order.sort_unstable();
    }
    let (mut strides, mut offset, mut extent) = (vec![0; rank], 0, 1);
    for &axis in order.iter().rev() {
        let step = if dice.below(4) == 0 { 2 } else { 1 };
        match dice.below(6) {
            0 => {}
            1 => {
                strides[axis] = -((extent * step) as isize);
                offset += extent * step * shape[axis].saturating_sub(1);
                extent *= shape[axis].max(1) * step;
            }
            _ => {
                strides[axis] = (extent * step) as isize;
                extent *= shape[axis].max(1) * step;
            }
        }
    }
    let ahead = dice.below(3);
    (
        View {
            slot,
            shape: Shape::from(shape),
            strides,
            offset: offset + ahead,
        },
        extent + ahead,
    )
}

#[test]
fn random_clusters_of_strided_views() {
    let mut dice = Dice::new(32);
    for _ in 0..150 {
        let rank = dice.below(5);
        let mut shape = dice.shape(rank, 7);
        if rank > 0 && dice.below(4) == 0 {
            shape[rank - 1] = 1000;
        }
        let (mut inputs, mut loads, mut code) = (Vec::new(), Vec::new(), Vec::new());
        for slot in 0..dice.between(1, 4) {
            let dtype = dice.pick(&[DType::F64, DType::F64, DType::I32, DType::U8]);
            let (view, extent) = random_view(&mut dice, slot, &shape);
            inputs.push(dice.tensor([extent], dtype));
            loads.push(view);
            code.push(instr(InstrKind::Load(slot), dtype));
        }
        for _ in 0..dice.between(1, 30) {
            grow(&mut dice, &mut code, &shape);
        }
        let stores = (0..dice.between(1, 4))
            .map(|i| (dice.below(code.len()), inputs.len() + i))
            .collect();
        let cluster = Cluster {
            shape: shape.into(),
            loads,
            code,
            stores,
        };
        check(&inputs.iter().collect::<Vec<_>>(), cluster, Tolerance(0.0, 1e-14));
    }
}

/// One more instruction on random registers, if the dice fit.
fn grow(dice: &mut Dice, code: &mut Vec<Instr>, shape: &[usize]) {
    let (x, y, z) = (
        dice.below(code.len()),
        dice.below(code.len()),
        dice.below(code.len()),
    );
    let to = dice.pick(&[DType::F64, DType::F32, DType::I32, DType::Bool]);
    let (kind, dtype) = match dice.below(6) {
        0 => (InstrKind::Const(dice.number().to_bits()), to),
        1 => (
            InstrKind::Unary(
                dice.pick(&[UnaryOp::Neg, UnaryOp::Abs, UnaryOp::Relu, UnaryOp::Floor]),
                x,
            ),
            code[x].dtype,
        ),
        2 => (
            InstrKind::Binary(
                dice.pick(&[BinaryOp::Add, BinaryOp::Mul, BinaryOp::Max, BinaryOp::Less]),
                x,
                y,
            ),
            code[x].dtype,
        ),
        3 => (InstrKind::Where(x, y, z), code[y].dtype),
        4 => (InstrKind::Cast(x), code[x].dtype),
        _ => (InstrKind::Cast(x), to),
    };
    let mut next = instr(kind, dtype);
    if let Some((op, operands)) = op_of(&next) {
        let specs: Vec<Spec> = operands
            .iter()
            .map(|&r| Spec::new(shape, code[r].dtype))
            .collect();
        match infer(&op, &specs.iter().collect::<Vec<_>>(), None) {
            Ok(spec) => next.dtype = spec.dtype,
            Err(_) => return,
        }
    }
    // Products grow fast; integers wrap, floats would end in infinity minus infinity.
    code.push(next);
}

#[test]
fn mistakes_of_a_plan_are_refused() {
    // Only the processor writes over what it reads: an interpreter has every slot apart.
    let backend = CpuBackend::new(1);
    let f = DType::F32;
    let spec = Spec::new([4], f);
    let cluster = |view: View| {
        let mut draft = Draft::default();
        draft.input(spec.clone());
        draft.output(spec.clone());
        draft.donations = vec![Some(0)];
        let code = vec![instr(InstrKind::Load(0), f)];
        draft.cluster(Cluster {
            shape: [4].into(),
            loads: vec![view],
            code,
            stores: vec![(0, 1)],
        });
        backend.prepare(draft.finish()).map(|_| ())
    };
    let view = |stride: isize, offset: usize| View {
        slot: 0,
        shape: [4].into(),
        strides: vec![stride],
        offset,
    };
    assert!(cluster(view(1, 0)).is_ok());
    // Beyond the end, before the start, backwards over what is being written.
    assert!(cluster(view(1, 1)).is_err());
    assert!(cluster(view(-1, 2)).is_err());
    let error = cluster(view(-1, 3)).unwrap_err();
    assert!(
        error.message.contains("element for element") && error.scope == "test",
        "{error}"
    );
    // Buffers that are the same without permission, of the wrong size, too few.
    let mut draft = Draft::default();
    draft.input(spec.clone());
    draft.output(spec.clone());
    let code = vec![instr(InstrKind::Load(0), f)];
    draft.cluster(Cluster {
        shape: [4].into(),
        loads: vec![whole(0, &[4])],
        code,
        stores: vec![(0, 1)],
    });
    let mut executable = backend.prepare(draft.finish()).unwrap();
    let (x, y, short) = (
        backend.upload(&[0; 16]).unwrap(),
        backend.allocate(16).unwrap(),
        backend.allocate(12).unwrap(),
    );
    assert!(executable.run(std::slice::from_ref(&x), &[y]).is_ok());
    let one = std::slice::from_ref;
    assert!(executable.run(one(&x), one(&x)).is_err());
    assert!(executable.run(one(&x), &[short]).is_err());
    assert!(executable.run(&[x], &[]).is_err());
}
