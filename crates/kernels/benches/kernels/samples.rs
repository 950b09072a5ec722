//! Neighbors, similarity matrices and densities of samples.

use hyperglow_core::DType;
use hyperglow_core::infer::infer;
use hyperglow_core::op::{Distribution, Metric, Op, Spec};
use hyperglow_core::similarity::{Products, Similarity};

use crate::bench::{Bench, F, Work};
use crate::support::Draft;

impl Bench {
    /// Neighbors of normal samples, which are drawn in the same run: the time of that is its own line.
    pub fn neighbors(&self) {
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
}

/// HSIC of x (m, 784) and y (m, 10): one product of tiles for the value, three for the gradient in x.
pub fn centered_products(bench: &Bench) {
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
pub fn similarity_sums(bench: &Bench) {
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
