//! Permutations and other movement.

use hyperglow_core::DType;
use hyperglow_core::op::{Distribution, Op, Spec};
use hyperglow_core::plan::{Cluster, Instr, InstrKind, View};

use crate::bench::{Bench, F, Work};
use crate::support::Draft;

impl Bench {
    /// Axes in another order, written out, each beside a copy of as many bytes.
    pub fn permutes(&self) {
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

    pub fn others(&self) {
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
}
