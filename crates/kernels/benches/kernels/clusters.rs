//! Elementwise clusters, and updates behind gradients.

use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::{Cluster, Instr, InstrKind, View};

use crate::bench::{Bench, F, Work};
use crate::support::Draft;

impl Bench {
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

    pub fn clusters(&self) {
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

    /// A weight's gradient and its update.
    pub fn updates(&self) {
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
}
