//! Reductions and pooling.

use hyperglow_core::DType;
use hyperglow_core::op::{Op, Reduction, Spec, Window};

use crate::bench::{Bench, F, Work};

impl Bench {
    pub fn reductions(&self) {
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
    pub fn pooling(&self) {
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
