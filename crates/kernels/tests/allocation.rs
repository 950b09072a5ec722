//! A prepared program runs without asking for memory: a counting allocator watches a training step.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use hyperglow_core::DType;
use hyperglow_core::backend::{Backend, Launch};
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::op::{Op, Reduction, Spec, Window};
use hyperglow_core::plan::{Cluster, Instr, InstrKind, SlotId, View};
use hyperglow_core::profile::Recorder;
use hyperglow_core::storage::Buffer;
use hyperglow_kernels::CpuBackend;
use support::{Dice, Draft, buffers};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is done by the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const F: DType = DType::F32;

/// `out = op(x, y)` with `y` stretched to x's shape if it is smaller.
fn binary(draft: &mut Draft, op: BinaryOp, x: SlotId, y: SlotId, out: SlotId) {
    let shape = draft.slots[x].spec.shape.clone();
    let mut stretched = View::contiguous(y, shape.clone());
    if draft.slots[y].spec.shape.size() < shape.size() {
        let inner = draft.slots[y].spec.shape.size();
        stretched.strides = shape
            .strides()
            .iter()
            .map(|&s| if s < inner { s as isize } else { 0 })
            .collect();
    }
    let load = |i| Instr {
        kind: InstrKind::Load(i),
        dtype: F,
    };
    let code = vec![
        load(0),
        load(1),
        Instr {
            kind: InstrKind::Binary(op, 0, 1),
            dtype: F,
        },
    ];
    draft.cluster(Cluster {
        shape: shape.clone(),
        loads: vec![View::contiguous(x, shape), stretched],
        code,
        stores: vec![(2, out)],
    });
}

fn unary(draft: &mut Draft, op: UnaryOp, x: SlotId, out: SlotId) {
    let shape = draft.slots[x].spec.shape.clone();
    let code = vec![
        Instr {
            kind: InstrKind::Load(0),
            dtype: F,
        },
        Instr {
            kind: InstrKind::Unary(op, 0),
            dtype: F,
        },
    ];
    draft.cluster(Cluster {
        shape: shape.clone(),
        loads: vec![View::contiguous(x, shape)],
        code,
        stores: vec![(1, out)],
    });
}

/// A small network's forward pass, some of its backward pass and an update of each weight.
fn training_step(backend: &CpuBackend) -> Draft {
    let spec = |shape: &[usize]| Spec::new(shape, F);
    let window = Window {
        stride: [1, 1].into(),
        pad_low: [1, 1].into(),
        pad_high: [1, 1].into(),
        dilation: [1, 1].into(),
    };
    let mut d = Draft::default();
    let x = d.input(spec(&[16, 1, 12, 12]));
    let kernel = d.input(spec(&[8, 1, 3, 3]));
    let weight = d.input(spec(&[10, 1152]));
    let bias = d.input(spec(&[10]));
    let rows = d.input(Spec::new([16], DType::I32));
    let (h, a) = (d.inner(spec(&[16, 8, 12, 12])), d.inner(spec(&[16, 1152])));
    let gathered = d.inner(spec(&[16, 1, 12, 12]));
    d.op(backend, Op::Take { axis: 0 }, &[x, rows], gathered);
    d.op(
        backend,
        Op::Conv {
            window: window.clone(),
            groups: 1,
        },
        &[gathered, kernel],
        h,
    );
    unary(&mut d, UnaryOp::Relu, h, a);
    let (z, logits) = (d.inner(spec(&[16, 10])), d.inner(spec(&[16, 10])));
    d.op(backend, Op::MatMul { ta: false, tb: true }, &[a, weight], z);
    binary(&mut d, BinaryOp::Add, z, bias, logits);
    let (e, total) = (d.inner(spec(&[16, 10])), d.inner(spec(&[10])));
    unary(&mut d, UnaryOp::Exp, logits, e);
    d.op(
        backend,
        Op::Reduce {
            kind: Reduction::Sum,
            axes: [0].into(),
        },
        &[e],
        total,
    );
    let (best, loss) = (d.inner(Spec::new([16], DType::I32)), d.output(spec(&[])));
    d.op(backend, Op::ArgMax { axis: 1 }, &[e], best);
    d.op(
        backend,
        Op::Reduce {
            kind: Reduction::Sum,
            axes: [0, 1].into(),
        },
        &[logits],
        loss,
    );
    let (dw, da) = (d.inner(spec(&[10, 1152])), d.inner(spec(&[16, 8, 12, 12])));
    d.op(backend, Op::MatMul { ta: true, tb: false }, &[e, a], dw);
    let flat = d.inner(spec(&[16, 1152]));
    d.op(backend, Op::MatMul { ta: false, tb: false }, &[e, weight], flat);
    unary(&mut d, UnaryOp::Tanh, flat, da);
    let (dk, dx) = (d.inner(spec(&[8, 1, 3, 3])), d.inner(spec(&[16, 1, 12, 12])));
    d.op(
        backend,
        Op::ConvWeightGrad {
            window: window.clone(),
            groups: 1,
            kernel: [3, 3].into(),
        },
        &[gathered, da],
        dk,
    );
    d.op(
        backend,
        Op::ConvInputGrad {
            window,
            groups: 1,
            input: [12, 12].into(),
        },
        &[da, kernel],
        dx,
    );
    let (new_kernel, new_weight) = (d.output(spec(&[8, 1, 3, 3])), d.output(spec(&[10, 1152])));
    binary(&mut d, BinaryOp::Sub, kernel, dk, new_kernel);
    binary(&mut d, BinaryOp::Sub, weight, dw, new_weight);
    d.donations = vec![None, Some(1), Some(2)];
    d
}

/// The only test of this binary, since all tests of one share the allocator.
#[test]
fn a_training_step_asks_for_no_memory() {
    let mut dice = Dice::new(40);
    for threads in [1, 2] {
        let backend = CpuBackend::new(threads);
        let program = training_step(&backend).finish();
        let mut executable = backend.prepare(program.clone()).unwrap();
        let values = [
            dice.tensor([16, 1, 12, 12], F),
            dice.tensor([8, 1, 3, 3], F),
            dice.tensor([10, 1152], F),
            dice.tensor([10], F),
            dice.tensor_of([16], DType::I32, |dice| dice.below(16) as f64),
        ];
        let inputs: Vec<Buffer> = values
            .iter()
            .map(|x| backend.upload(&x.to_bytes()).unwrap())
            .collect();
        let mut outputs = buffers(&backend, &program);
        outputs[1] = inputs[1].clone();
        outputs[2] = inputs[2].clone();
        for _ in 0..2 {
            executable.run(&inputs, &outputs).unwrap();
        }
        let recorder = Arc::new(Recorder::default());
        let mut timed = Launch::new(&inputs, &outputs).recorded(Some(&recorder));
        executable.launch(&mut timed).unwrap();
        assert_eq!(recorder.times().runs, 1);
        // Threads that are still starting may ask for some.
        std::thread::sleep(std::time::Duration::from_millis(100));
        let before = (ALLOCATIONS.load(SeqCst), hyperglow_kernels::memory());
        for _ in 0..10 {
            executable.run(&inputs, &outputs).unwrap();
        }
        let after = (ALLOCATIONS.load(SeqCst), hyperglow_kernels::memory());
        assert_eq!(before, after, "with {threads} threads");
        assert_eq!(
            recorder.times().runs,
            1,
            "a run is timed only where it is asked for"
        );
    }
}
