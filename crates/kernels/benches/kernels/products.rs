//! Matrix products.

use hyperglow_core::op::{Op, Spec};

use crate::bench::{Bench, F, Work};

impl Bench {
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

    pub fn matmuls(&self) {
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
}
