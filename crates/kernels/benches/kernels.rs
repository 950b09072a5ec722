//! Times the kernels that the main job spends its time in: `cargo bench -p hyperglow-kernels [-- FILTER]`.
//!
//! Prints the best and the median of several runs, and the rate. Threads: `HYPERGLOW_THREADS`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use hyperglow_core::DType;
use hyperglow_core::backend::{Backend, Buffer};
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::infer::infer;
use hyperglow_core::op::{Distribution, Metric, Op, Reduction, Spec, Window};
use hyperglow_core::plan::{Cluster, Instr, InstrKind, Program, SlotId, View};
use hyperglow_core::similarity::{Products, Similarity};
use hyperglow_kernels::CpuBackend;
use support::{Dice, Draft, buffers};

const F: DType = DType::F32;

/// A convolution with the same kernel extent, stride, padding and dilation on every spatial axis.
struct Convolution {
    name: &'static str,
    batch: usize,
    channels: usize,
    input: &'static [usize],
    outputs: usize,
    kernel: usize,
    stride: usize,
    pad: usize,
    dilation: usize,
    groups: usize,
}

/// Shorthand for [`Convolution`]: name, (batch, channels, input, outputs), (kernel, stride, pad).
const fn convolution(
    name: &'static str,
    (batch, channels, input, outputs): (usize, usize, &'static [usize], usize),
    (kernel, stride, pad): (usize, usize, usize),
) -> Convolution {
    Convolution {
        name,
        batch,
        channels,
        input,
        outputs,
        kernel,
        stride,
        pad,
        dilation: 1,
        groups: 1,
    }
}

/// Digit models, wide residual networks (WRN-16-4), a volume, and the less usual ways to convolve.
const CONVOLUTIONS: &[Convolution] = &[
    convolution("1-16 28 k3", (64, 1, &[28, 28], 16), (3, 1, 1)),
    convolution("1-10 28 k5", (64, 1, &[28, 28], 10), (5, 1, 0)),
    convolution("10-20 12 k5", (64, 10, &[12, 12], 20), (5, 1, 0)),
    convolution("64-64 32 k3", (32, 64, &[32, 32], 64), (3, 1, 1)),
    convolution("128-128 16 k3", (32, 128, &[16, 16], 128), (3, 1, 1)),
    convolution("256-256 8 k3", (32, 256, &[8, 8], 256), (3, 1, 1)),
    convolution("3-16 32 k3", (32, 3, &[32, 32], 16), (3, 1, 1)),
    convolution("16-64 32 k3", (32, 16, &[32, 32], 64), (3, 1, 1)),
    convolution("16-64 32 k1", (32, 16, &[32, 32], 64), (1, 1, 0)),
    convolution("64-128 32 k3 s2", (32, 64, &[32, 32], 128), (3, 2, 1)),
    convolution("64-128 32 k1 s2", (32, 64, &[32, 32], 128), (1, 2, 0)),
    convolution("128-256 16 k3 s2", (32, 128, &[16, 16], 256), (3, 2, 1)),
    convolution("128-256 16 k1 s2", (32, 128, &[16, 16], 256), (1, 2, 0)),
    convolution("3d 16-32 16x32x32 k3", (4, 16, &[16, 32, 32], 32), (3, 1, 1)),
    Convolution {
        dilation: 2,
        ..convolution("dilated 64-64 32 k3", (32, 64, &[32, 32], 64), (3, 1, 2))
    },
    Convolution {
        groups: 64,
        ..convolution("depthwise 64 32 k3", (32, 64, &[32, 32], 64), (3, 1, 1))
    },
    Convolution {
        groups: 4,
        ..convolution("grouped 64-64 32 k3", (32, 64, &[32, 32], 64), (3, 1, 1))
    },
    convolution("1d 32-64 1024 k5", (32, 32, &[1024], 64), (5, 1, 2)),
];

struct Bench {
    backend: CpuBackend,
    filter: String,
}

/// What is counted: multiply-adds twice, bytes that pass memory, or questions.
enum Work {
    Flops(f64),
    Bytes(f64),
    Askers(f64),
}

impl Bench {
    /// Times a program on random inputs; outputs take donated inputs' buffers.
    fn time(&self, name: &str, program: Program, work: Work) {
        if !name.contains(&self.filter) {
            return;
        }
        let program = std::sync::Arc::new(program);
        let mut dice = Dice::new(1);
        let inputs: Vec<Buffer> = program
            .inputs
            .iter()
            .map(|&s| {
                let spec = &program.slots[s].spec;
                // A scalar is a width, a cotangent in float64 one of the first pair.
                let mut place = 0;
                let value = dice.tensor_of(spec.shape.dims(), spec.dtype, |d| {
                    place += 1;
                    match (spec.shape.rank(), spec.dtype) {
                        (0, _) => 8.0,
                        (_, DType::F64) => f64::from(u8::from(place == 2)),
                        _ => d.below(8) as f64 / 8.0,
                    }
                });
                self.backend.upload(&value.to_bytes()).unwrap()
            })
            .collect();
        let mut outputs = buffers(&self.backend, &program);
        for (output, donor) in outputs.iter_mut().zip(&program.donations) {
            if let Some(i) = donor {
                *output = inputs[*i].clone();
            }
        }
        let mut executable = self.backend.prepare(program.clone()).unwrap();
        let mut run = |repeats: usize| {
            let from = Instant::now();
            for _ in 0..repeats {
                executable.run(&inputs, &outputs).unwrap();
            }
            from.elapsed().as_secs_f64() / repeats as f64
        };
        // So many runs at a time that reading the clock does not show.
        let repeats = ((3e-5 / run(1)) as usize).clamp(1, 200);
        let mut times = Vec::new();
        let start = Instant::now();
        while times.len() < 5 || (start.elapsed().as_secs_f64() < 0.5 && times.len() < 2000) {
            times.push(run(repeats));
        }
        times.sort_by(f64::total_cmp);
        let (best, median) = (times[0], times[times.len() / 2]);
        let rate = match work {
            Work::Flops(n) => format!(
                "{:8.1} GFLOP/s best {:8.1} median",
                n / best / 1e9,
                n / median / 1e9
            ),
            Work::Askers(n) => format!(
                "{:8.1} k/s     best {:8.1} median",
                n / best / 1e3,
                n / median / 1e3
            ),
            Work::Bytes(n) => format!(
                "{:8.1} GB/s    best {:8.1} median",
                n / best / 1e9,
                n / median / 1e9
            ),
        };
        println!("{name:44} {:9.4} ms {:9.4} ms  {rate}", best * 1e3, median * 1e3);
    }

    /// Times one primitive.
    fn op(&self, name: &str, op: Op, inputs: &[Spec], target: Option<Spec>, work: Work) {
        let spec = infer(&op, &inputs.iter().collect::<Vec<_>>(), target.as_ref()).unwrap();
        let mut draft = Draft::default();
        let slots: Vec<SlotId> = inputs.iter().map(|s| draft.input(s.clone())).collect();
        let output = draft.output(spec);
        draft.op(&self.backend, op, &slots, output);
        self.time(
            name,
            std::sync::Arc::into_inner(draft.finish()).expect("one owner"),
            work,
        );
    }

    /// Neighbors of normal samples, which are drawn in the same run: the time of that is its own line.
    fn neighbors(&self) {
        for (n, d) in [
            (1000, 2),
            (1000, 10),
            (10_000, 1),
            (10_000, 2),
            (10_000, 5),
            (10_000, 10),
            (10_000, 20),
        ] {
            for dtype in [DType::F32, DType::F64] {
                let radius = Spec::new([n], dtype);
                let nearest = Op::Neighbors {
                    k: 3,
                    metric: Metric::Maximum,
                };
                let count = Op::CountWithin {
                    metric: Metric::Maximum,
                    closed: false,
                };
                for (op, inputs) in [(nearest, vec![]), (count, vec![radius])] {
                    let name = format!("{} {n} x {d} {dtype}", op.name());
                    self.on_normal(&name, op, Spec::new([n, d], dtype), inputs);
                }
            }
        }
    }

    fn on_normal(&self, name: &str, op: Op, x: Spec, more: Vec<Spec>) {
        let mut draft = Draft::default();
        let key = draft.input(Spec::new([2], DType::U32));
        let samples = draft.inner(x.clone());
        draft.op(&self.backend, Op::Random(Distribution::Normal), &[key], samples);
        let mut inputs = vec![samples];
        inputs.extend(more.iter().map(|spec| draft.input(spec.clone())));
        let specs: Vec<&Spec> = std::iter::once(&x).chain(&more).collect();
        let output = draft.output(infer(&op, &specs, None).unwrap());
        draft.op(&self.backend, op, &inputs, output);
        let program = std::sync::Arc::into_inner(draft.finish()).expect("one owner");
        self.time(name, program, Work::Askers(x.shape[0] as f64));
    }

    fn matmul(&self, m: usize, n: usize, k: usize, ta: bool, tb: bool) {
        self.batched(1, (m, n, k), ta, tb);
    }

    fn batched(&self, batch: usize, (m, n, k): (usize, usize, usize), ta: bool, tb: bool) {
        let spec = |rows, cols, turned| {
            let (rows, cols) = if turned { (cols, rows) } else { (rows, cols) };
            if batch == 1 {
                Spec::new([rows, cols], F)
            } else {
                Spec::new([batch, rows, cols], F)
            }
        };
        let flag = |t: bool| if t { "t" } else { "n" };
        let of = if batch == 1 {
            String::new()
        } else {
            format!("{batch} of ")
        };
        let name = format!("matmul {of}{m} x {n} x {k} {}{}", flag(ta), flag(tb));
        self.op(
            &name,
            Op::MatMul { ta, tb },
            &[spec(m, k, ta), spec(k, n, tb)],
            None,
            Work::Flops(2.0 * (batch * m * n * k) as f64),
        );
    }

    fn matmuls(&self) {
        for (m, n, k, ta, tb) in [
            (64, 1000, 12544, false, true),
            (64, 12544, 1000, false, false),
            (1000, 12544, 64, true, false),
            (64, 1000, 12544, false, false),
            (12544, 1000, 64, false, false),
            (64, 12544, 1000, false, true),
            (64, 500, 1000, false, true),
            (64, 1000, 500, false, false),
            (500, 1000, 64, true, false),
            (64, 200, 500, false, true),
            (200, 500, 64, true, false),
            (64, 10, 200, false, true),
            (10, 200, 64, true, false),
            (64, 64, 784, false, true),
            (128, 100, 784, false, true),
            (45, 2000, 100, false, false),
            (45, 100, 2000, false, true),
            (100, 2000, 45, true, false),
            (180, 2000, 100, false, false),
            (180, 100, 2000, false, true),
            (100, 2000, 180, true, false),
            (256, 256, 256, false, false),
            (1024, 1024, 1024, false, false),
            (2048, 2048, 2048, false, false),
            (4096, 4096, 784, false, true),
        ] {
            self.matmul(m, n, k, ta, tb);
        }
        // The three products of small dense layers, and two of a recurrent cell.
        let layers = [(256, vec![12, 10, 7, 5, 4, 3, 2]), (128, vec![784, 100, 100, 10])];
        for (batch, widths) in layers {
            for pair in widths.windows(2) {
                let (inputs, outputs) = (pair[0], pair[1]);
                self.matmul(batch, outputs, inputs, false, true);
                self.matmul(batch, inputs, outputs, false, false);
                self.matmul(outputs, inputs, batch, true, false);
            }
        }
        self.matmul(64, 256, 64, false, true);
        self.matmul(64, 256, 64, false, false);
        for (batch, m, n, k) in [(64, 32, 32, 32), (256, 16, 16, 64), (128, 64, 64, 64)] {
            for (ta, tb) in [(false, false), (false, true), (true, false)] {
                self.batched(batch, (m, n, k), ta, tb);
            }
        }
    }

    fn convolutions(&self) {
        for case in CONVOLUTIONS {
            self.convolution(case);
        }
    }

    fn convolution(&self, case: &Convolution) {
        let rank = case.input.len();
        let axis = |extent: usize| -> Box<[usize]> { vec![extent; rank].into() };
        let window = Window {
            stride: axis(case.stride),
            pad_low: axis(case.pad),
            pad_high: axis(case.pad),
            dilation: axis(case.dilation),
        };
        let (kernel, input): (Box<[usize]>, Box<[usize]>) = (axis(case.kernel), case.input.into());
        let output: Vec<usize> = (0..rank)
            .map(|i| window.output(i, input[i], case.kernel))
            .collect();
        let spec = |rows: usize, columns: usize, spatial: &[usize]| {
            Spec::new([&[rows, columns], spatial].concat(), F)
        };
        let groups = case.groups;
        let x = spec(case.batch, case.channels, &input);
        let w = spec(case.outputs, case.channels / groups, &kernel);
        let y = spec(case.batch, case.outputs, &output);
        let products = y.shape.size() * w.shape.dims()[1..].iter().product::<usize>();
        let run = |what: &str, op: Op, inputs: &[Spec]| {
            let work = Work::Flops(2.0 * products as f64);
            self.op(&format!("conv {what} {}", case.name), op, inputs, None, work);
        };
        let forward = Op::Conv {
            window: window.clone(),
            groups,
        };
        run("forward", forward, &[x.clone(), w.clone()]);
        let in_x = Op::ConvInputGrad {
            window: window.clone(),
            groups,
            input,
        };
        run("input", in_x, &[y.clone(), w]);
        let in_w = Op::ConvWeightGrad {
            window,
            groups,
            kernel,
        };
        run("weight", in_w, &[x, y]);
    }

    /// One cluster of float32.
    fn cluster(
        &self,
        name: &str,
        shape: &[usize],
        views: Vec<(Spec, View)>,
        code: &[InstrKind],
        stores: &[usize],
        donations: &[Option<usize>],
    ) {
        let mut draft = Draft::default();
        let mut bytes = 0;
        let mut loads = Vec::new();
        for (spec, mut view) in views {
            bytes += spec.bytes();
            view.slot = draft.input(spec);
            loads.push(view);
        }
        let spec = Spec::new(shape, F);
        let stores: Vec<_> = stores.iter().map(|&r| (r, draft.output(spec.clone()))).collect();
        bytes += stores.len() * spec.bytes();
        draft.donations = donations.to_vec();
        let code = code
            .iter()
            .map(|kind| Instr {
                kind: kind.clone(),
                dtype: F,
            })
            .collect();
        draft.cluster(Cluster {
            shape: shape.into(),
            loads,
            code,
            stores,
        });
        let program = std::sync::Arc::into_inner(draft.finish()).expect("one owner");
        self.time(name, program, Work::Bytes(bytes as f64));
    }

    fn clusters(&self) {
        use BinaryOp::{Add, Mul, Sub};
        use InstrKind::{Binary, Const, Load, Unary};
        let whole = |shape: &[usize]| (Spec::new(shape, F), View::contiguous(0, shape.into()));
        let n = 12_544_000;
        let three = || vec![whole(&[n]), whole(&[n]), whole(&[n])];
        let (rate, mu) = (Const(0.01f64.to_bits()), Const(0.95f64.to_bits()));
        let momentum = [
            Load(0),
            Load(1),
            Load(2),
            mu,
            rate.clone(),
            Binary(Mul, 1, 3),
            Binary(Add, 5, 2),
            Binary(Mul, 6, 4),
            Binary(Sub, 0, 7),
        ];
        self.cluster(
            "sgd momentum, 12.5 M, in place",
            &[n],
            three(),
            &momentum,
            &[8, 6],
            &[Some(0), Some(1)],
        );
        let sgd = [Load(0), Load(1), rate, Binary(Mul, 1, 2), Binary(Sub, 0, 3)];
        self.cluster(
            "sgd, 12.5 M, in place",
            &[n],
            vec![whole(&[n]), whole(&[n])],
            &sgd,
            &[4],
            &[Some(0)],
        );
        let one = |op| [Load(0), Unary(op, 0)];
        self.cluster(
            "copy 64 MiB",
            &[1 << 24],
            vec![whole(&[1 << 24])],
            &[Load(0)],
            &[0],
            &[None],
        );
        for op in [
            UnaryOp::Exp,
            UnaryOp::Tanh,
            UnaryOp::Sigmoid,
            UnaryOp::Log,
            UnaryOp::Relu,
            UnaryOp::Softplus,
        ] {
            let name = format!("{} 128 Ki", op.name());
            self.cluster(
                &name,
                &[1 << 17],
                vec![whole(&[1 << 17])],
                &one(op),
                &[1],
                &[None],
            );
        }
        let bias = View {
            slot: 0,
            shape: [64, 1000].into(),
            strides: vec![0, 1],
            offset: 0,
        };
        let views = vec![whole(&[64, 1000]), (Spec::new([1000], F), bias)];
        let code = [Load(0), Load(1), Binary(Add, 0, 1), Unary(UnaryOp::Relu, 2)];
        self.cluster(
            "bias and relu 64 x 1000",
            &[64, 1000],
            views,
            &code,
            &[3],
            &[None],
        );
    }

    /// Axes in another order, written out, each beside a copy of as many bytes.
    fn permutes(&self) {
        let middle = [32, 144, 1024];
        let cases: [(&[usize], &[usize], DType); 17] = [
            (&middle, &[0, 2, 1], F),
            (&middle, &[1, 0, 2], F),
            (&middle, &[1, 2, 0], F),
            (&middle, &[2, 0, 1], F),
            (&middle, &[2, 1, 0], F),
            (&middle, &[2, 1, 0], DType::F64),
            (&middle, &[2, 1, 0], DType::U8),
            (&[2000, 2000], &[1, 0], F),
            (&[2048, 2048], &[1, 0], F),
            (&[2048, 2048], &[1, 0], DType::F64),
            (&[2048, 2048], &[1, 0], DType::U8),
            (&[64, 12, 64, 64], &[0, 2, 1, 3], F),
            (&[32, 3, 224, 224], &[0, 2, 3, 1], F),
            (&[32, 224, 224, 3], &[0, 3, 1, 2], F),
            (&[256, 64, 64, 4], &[2, 0, 1, 3], F),
            (&[64, 256, 72], &[2, 1, 0], F),
            (&[8, 16, 8, 16, 8, 16], &[5, 3, 1, 4, 2, 0], F),
        ];
        for (shape, axes, dtype) in cases {
            let spec = Spec::new(shape, dtype);
            let from = View::contiguous(0, shape.into());
            let to: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
            let turned = View {
                slot: 0,
                shape: to.as_slice().into(),
                strides: axes.iter().map(|&axis| from.strides[axis]).collect(),
                offset: 0,
            };
            for (name, view) in [("permute", turned), ("copy", from)] {
                let mut draft = Draft::default();
                let slot = draft.input(spec.clone());
                let output = draft.output(Spec::new(view.shape.clone(), dtype));
                draft.donations = vec![None];
                draft.cluster(Cluster {
                    shape: view.shape.clone(),
                    loads: vec![View { slot, ..view }],
                    code: vec![Instr {
                        kind: InstrKind::Load(0),
                        dtype,
                    }],
                    stores: vec![(0, output)],
                });
                let program = std::sync::Arc::into_inner(draft.finish()).expect("one owner");
                let name = format!("{name} {shape:?} {axes:?} {dtype}");
                self.time(&name, program, Work::Bytes(2.0 * spec.bytes() as f64));
            }
        }
    }

    /// A weight's gradient and its update.
    fn updates(&self) {
        use BinaryOp::{Add, Mul, Sub};
        use InstrKind::{Binary, Const, Load};
        for (m, n, k) in [(1000, 12544, 64), (500, 1000, 64)] {
            for (name, momentum) in [("sgd", false), ("momentum", true)] {
                let mut draft = Draft::default();
                let spec = Spec::new([m, n], F);
                let [w, v] = [0, 1].map(|_| draft.input(spec.clone()));
                let (dy, x) = (
                    draft.input(Spec::new([k, m], F)),
                    draft.input(Spec::new([k, n], F)),
                );
                let [new_w, new_v] = [0, 1].map(|_| draft.output(spec.clone()));
                draft.donations = vec![Some(0), Some(1)];
                let gradient = draft.inner(spec.clone());
                draft.op(
                    &self.backend,
                    Op::MatMul { ta: true, tb: false },
                    &[dy, x],
                    gradient,
                );
                let (rate, mu) = (Const(0.01f64.to_bits()), Const(0.95f64.to_bits()));
                let (code, stores, slots) = if momentum {
                    let sums = [
                        Binary(Mul, 1, 3),
                        Binary(Add, 5, 2),
                        Binary(Mul, 6, 4),
                        Binary(Sub, 0, 7),
                    ];
                    let code = [vec![Load(0), Load(1), Load(2), mu, rate], sums.to_vec()].concat();
                    (code, vec![(8, new_w), (6, new_v)], vec![w, v, gradient])
                } else {
                    let code = vec![Load(0), Load(1), rate, Binary(Mul, 1, 2), Binary(Sub, 0, 3)];
                    (code, vec![(4, new_w)], vec![w, gradient])
                };
                draft.cluster(Cluster {
                    shape: [m, n].into(),
                    loads: slots
                        .iter()
                        .map(|&s| View::contiguous(s, [m, n].into()))
                        .collect(),
                    code: code.into_iter().map(|kind| Instr { kind, dtype: F }).collect(),
                    stores,
                });
                let program = std::sync::Arc::into_inner(draft.finish()).expect("one owner");
                let work = Work::Flops(2.0 * (m * n * k) as f64);
                self.time(&format!("gradient and {name} {m} x {n} x {k}"), program, work);
            }
        }
    }

    fn others(&self) {
        let bytes = |spec: &Spec| Work::Bytes(spec.bytes() as f64);
        let x = Spec::new([1000, 784], F);
        let index = Spec::new([64], DType::I32);
        self.op(
            "take 64 of 1000 x 784",
            Op::Take { axis: 0 },
            &[x.clone(), index],
            None,
            Work::Bytes(64.0 * 784.0 * 8.0),
        );
        let key = Spec::new([2], DType::U32);
        let target = Spec::new([1 << 20], F);
        self.op(
            "normal 1 Mi",
            Op::Random(Distribution::Normal),
            std::slice::from_ref(&key),
            Some(target.clone()),
            bytes(&target),
        );
        self.op(
            "uniform 1 Mi",
            Op::Random(Distribution::Uniform),
            &[key],
            Some(target.clone()),
            bytes(&target),
        );
        self.op(
            "argSort 1 Mi",
            Op::ArgSort {
                axis: 0,
                descending: false,
            },
            std::slice::from_ref(&target),
            None,
            bytes(&target),
        );
    }

    fn reductions(&self) {
        let bytes = |spec: &Spec| Work::Bytes(spec.bytes() as f64);
        for (shape, axes) in [
            (vec![1 << 24], vec![0]),
            (vec![64, 1000], vec![0]),
            (vec![64, 10], vec![1]),
            (vec![16384, 1024], vec![1]),
            (vec![4096, 1000], vec![1]),
            (vec![4096, 1000], vec![0]),
            (vec![64, 16, 784], vec![0, 2]),
            (vec![64, 64, 1024], vec![0, 2]),
            (vec![64, 64, 1024], vec![1]),
            (vec![64, 256, 64], vec![0, 2]),
            (vec![32, 256, 64], vec![2]),
            (vec![4096, 10], vec![1]),
            (vec![256, 16, 256], vec![1]),
            (vec![1_000_000, 3], vec![0]),
        ] {
            let x = Spec::new(shape, F);
            for (name, kind) in [("sum", Reduction::Sum), ("max", Reduction::Max)] {
                let op = Op::Reduce {
                    kind,
                    axes: axes.clone().into(),
                };
                let name = format!("{name} {} over {axes:?}", x.shape);
                self.op(&name, op, std::slice::from_ref(&x), None, bytes(&x));
            }
        }
        for (shape, axis) in [
            (vec![64, 10], 1),
            (vec![4096, 1000], 1),
            (vec![4096, 1000], 0),
            (vec![64, 64, 1024], 1),
        ] {
            let x = Spec::new(shape, F);
            let name = format!("argMax {} over {axis}", x.shape);
            self.op(
                &name,
                Op::ArgMax { axis },
                std::slice::from_ref(&x),
                None,
                bytes(&x),
            );
        }
    }

    /// Pooling as its primitives.
    fn pooling(&self) {
        let bytes = |specs: &[&Spec]| Work::Bytes(specs.iter().map(|s| s.bytes()).sum::<usize>() as f64);
        for (kernel, stride, pad) in [(2, 2, 0), (3, 2, 1)] {
            let window = Window {
                stride: [stride, stride].into(),
                pad_low: [pad, pad].into(),
                pad_high: [pad, pad].into(),
                dilation: [1, 1].into(),
            };
            let (batch, channels, side, half) = (64, 64, 32, 16);
            let x = Spec::new([batch, channels, side, side], F);
            let y = Spec::new([batch, channels, half, half], F);
            let kernel: Box<[usize]> = [kernel, kernel].into();
            let name = |what: &str| format!("{what} 64 x 64 x 32 x 32 k{} s{stride} p{pad}", kernel[0]);
            let op = Op::WindowArgMax {
                window: window.clone(),
                kernel: kernel.clone(),
            };
            self.op(
                &name("windowArgMax"),
                op,
                std::slice::from_ref(&x),
                None,
                bytes(&[&x, &y]),
            );
            let op = Op::WindowSum {
                window: window.clone(),
                kernel: kernel.clone(),
            };
            self.op(
                &name("windowSum"),
                op,
                std::slice::from_ref(&x),
                None,
                bytes(&[&x, &y]),
            );
            let op = Op::WindowSumGrad {
                window,
                kernel: kernel.clone(),
                input: [side, side].into(),
            };
            self.op(
                &name("windowSumGrad"),
                op,
                std::slice::from_ref(&y),
                None,
                bytes(&[&x, &y]),
            );
        }
        let flat = |size: usize| Spec::new([64, 64, size], F);
        let index = Spec::new([64, 64, 256], DType::I32);
        let (x, y) = (flat(1024), flat(256));
        self.op(
            "gather of windows 64 x 64 x 256",
            Op::Gather { axis: 2 },
            &[x.clone(), index.clone()],
            None,
            bytes(&[&y, &y, &y]),
        );
        self.op(
            "scatterAdd of windows 64 x 64 x 256",
            Op::ScatterAdd { axis: 2 },
            &[index, y.clone()],
            Some(x.clone()),
            bytes(&[&x, &y, &y]),
        );
    }
}

/// HSIC of x (m, 784) and y (m, 10): one product of tiles for the value, three for the gradient in x.
fn centered_products(bench: &Bench) {
    let kinds = [
        ("gaussian", Similarity::Gaussian { widths: 1 }),
        ("laplacian", Similarity::Laplacian { widths: 1 }),
        ("linear", Similarity::Linear),
        ("polynomial", Similarity::Polynomial { degree: 3 }),
        ("imq", Similarity::InverseMultiquadric),
    ];
    for m in [64, 256, 1024, 4096] {
        for (name, kind) in kinds {
            for hollow in [false, true] {
                let similarities = [kind; 2].into();
                let products = Products { similarities, hollow };
                let mut inputs = vec![Spec::new([m, 784], F), Spec::new([m, 10], F)];
                inputs.resize(products.operands(), Spec::new([], F));
                let flops = (m * m * 784) as f64;
                let name = format!("hsic {name} {m}{}", if hollow { " hollow" } else { "" });
                let value = Op::CenteredProducts(products.clone());
                bench.op(&name, value, &inputs, None, Work::Flops(flops));
                inputs.push(Spec::new([2, 2], DType::F64));
                let grad = Op::CenteredProductsGrad { products, of: 0 };
                bench.op(
                    &format!("{name} grad"),
                    grad,
                    &inputs,
                    None,
                    Work::Flops(3.0 * flops),
                );
            }
        }
    }
}

/// Kernel densities of x and y (m, d) and of both together, float64.
fn similarity_sums(bench: &Bench) {
    for (m, d) in [(1000, 1), (1000, 5), (10000, 5), (4096, 64)] {
        let products = Products {
            similarities: [Similarity::Gaussian { widths: 1 }; 2].into(),
            hollow: false,
        };
        let mut inputs = vec![Spec::new([m, d], DType::F64); 2];
        inputs.resize(products.operands(), Spec::new([], DType::F64));
        let groups: [Box<[usize]>; 3] = [[0].into(), [1].into(), [0, 1].into()];
        let op = Op::SimilaritySums {
            products,
            groups: groups.into(),
        };
        bench.op(
            &format!("densities {m} of {d}"),
            op,
            &inputs,
            None,
            Work::Flops((m * m) as f64),
        );
    }
}

fn main() {
    let backend = CpuBackend::from_environment().unwrap();
    let filter = std::env::args()
        .skip(1)
        .find(|a| !a.starts_with("--"))
        .unwrap_or_default();
    println!("{} threads, {}", backend.threads(), backend.level().name());
    let bench = Bench { backend, filter };
    bench.matmuls();
    bench.convolutions();
    bench.clusters();
    bench.permutes();
    bench.updates();
    bench.others();
    bench.reductions();
    bench.pooling();
    bench.neighbors();
    centered_products(&bench);
    similarity_sums(&bench);
}
