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
use hyperglow_core::op::{Distribution, Op, Reduction, Spec, Window};
use hyperglow_core::plan::{Cluster, Instr, InstrKind, Program, SlotId, View};
use hyperglow_kernels::CpuBackend;
use support::{Dice, Draft, buffers};

const F: DType = DType::F32;

struct Bench {
    backend: CpuBackend,
    filter: String,
}

/// What is counted: multiply-adds twice, or bytes that pass memory.
enum Work {
    Flops(f64),
    Bytes(f64),
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
                let value = dice.tensor_of(spec.shape.dims(), spec.dtype, |d| d.below(8) as f64 / 8.0);
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
        for (n, c, side, o) in [(64, 1, 28, 16), (32, 64, 32, 64), (32, 128, 16, 128)] {
            let window = Window {
                stride: [1, 1].into(),
                pad_low: [1, 1].into(),
                pad_high: [1, 1].into(),
                dilation: [1, 1].into(),
            };
            let x = Spec::new([n, c, side, side], F);
            let w = Spec::new([o, c, 3, 3], F);
            let y = Spec::new([n, o, side, side], F);
            let flops = || Work::Flops(2.0 * (n * c * o * 9 * side * side) as f64);
            let name = |what: &str| format!("conv {what} {n} x {c} x {side} x {side} -> {o}");
            let op = Op::Conv {
                window: window.clone(),
                groups: 1,
            };
            self.op(&name("forward"), op, &[x.clone(), w.clone()], None, flops());
            let op = Op::ConvInputGrad {
                window: window.clone(),
                groups: 1,
                input: [side, side].into(),
            };
            self.op(&name("input"), op, &[y.clone(), w], None, flops());
            let op = Op::ConvWeightGrad {
                window,
                groups: 1,
                kernel: [3, 3].into(),
            };
            self.op(&name("weight"), op, &[x, y], None, flops());
        }
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
        let turned = View {
            slot: 0,
            shape: [2000, 2000].into(),
            strides: vec![1, 2000],
            offset: 0,
        };
        self.cluster(
            "transpose 2000 x 2000",
            &[2000, 2000],
            vec![(Spec::new([2000, 2000], F), turned)],
            &[Load(0)],
            &[0],
            &[None],
        );
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
        let sum = |axes: &[usize]| Op::Reduce {
            kind: Reduction::Sum,
            axes: axes.into(),
        };
        let bytes = |spec: &Spec| Work::Bytes(spec.bytes() as f64);
        for (shape, axes) in [
            (vec![1 << 24], vec![0]),
            (vec![64, 1000], vec![0]),
            (vec![64, 10], vec![1]),
            (vec![16384, 1024], vec![1]),
            (vec![64, 16, 784], vec![0, 2]),
            (vec![1_000_000, 3], vec![0]),
        ] {
            let x = Spec::new(shape, F);
            let work = bytes(&x);
            self.op(
                &format!("sum {} over {axes:?}", x.shape),
                sum(&axes),
                &[x],
                None,
                work,
            );
        }
        let x = Spec::new([64, 10], F);
        self.op(
            "argMax 64 x 10",
            Op::ArgMax { axis: 1 },
            std::slice::from_ref(&x),
            None,
            bytes(&x),
        );
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
        let window = Window {
            stride: [2, 2].into(),
            pad_low: [0, 0].into(),
            pad_high: [0, 0].into(),
            dilation: [1, 1].into(),
        };
        let x = Spec::new([64, 16, 28, 28], F);
        let op = Op::WindowArgMax {
            window,
            kernel: [2, 2].into(),
        };
        self.op(
            "windowArgMax 64 x 16 x 28 x 28",
            op,
            std::slice::from_ref(&x),
            None,
            bytes(&x),
        );
    }
}

fn main() {
    let backend = CpuBackend::new(CpuBackend::default_threads());
    let filter = std::env::args()
        .skip(1)
        .find(|a| !a.starts_with("--"))
        .unwrap_or_default();
    println!("{} threads, {}", backend.threads(), backend.level().name());
    let bench = Bench { backend, filter };
    bench.matmuls();
    bench.convolutions();
    bench.clusters();
    bench.updates();
    bench.others();
}
