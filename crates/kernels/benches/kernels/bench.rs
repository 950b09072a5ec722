//! Times a program or a primitive, and prints a line about it.

use std::time::Instant;

use hyperglow_core::DType;
use hyperglow_core::backend::Backend;
use hyperglow_core::infer::infer;
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::{Program, SlotId};
use hyperglow_core::storage::Buffer;
use hyperglow_kernels::CpuBackend;

use crate::support::{Dice, Draft, buffers};

pub const F: DType = DType::F32;

pub struct Bench {
    pub backend: CpuBackend,
    pub filter: String,
}

/// What is counted: multiply-adds twice, bytes that pass memory, or questions.
pub enum Work {
    Flops(f64),
    Bytes(f64),
    Askers(f64),
}

impl Bench {
    /// Times a program on random inputs; outputs take donated inputs' buffers.
    pub fn time(&self, name: &str, program: Program, work: Work) {
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
    pub fn op(&self, name: &str, op: Op, inputs: &[Spec], target: Option<Spec>, work: Work) {
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
}
