//! The assembler of the CUDA toolkit must accept every text, where it is: `HYPERGLOW_PTXAS` is its path.

use std::process::Command;

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::plan::InstrKind;

use super::groups::{batch_norm, columns, program, softmax};
use super::support::{stored, text, vectors};
use crate::cuda::ptx::{KernelText, module, rows};
use crate::steps::case::{Case, Dice};

const ARCHITECTURES: [u32; 7] = [75, 80, 86, 89, 90, 100, 120];

/// Every operation, conversion and choice, random clusters, and row groups.
fn texts() -> Vec<KernelText> {
    let mut all = Vec::new();
    let mut add = |mut kernel: KernelText| {
        let name = format!("kernel{}", all.len());
        kernel.text =
            kernel
                .text
                .replacen(&format!(".entry {}(", kernel.name), &format!(".entry {name}("), 1);
        kernel.name = name;
        all.push(kernel);
    };
    let elements = |dtype: DType| (dtype, vec![0; 8 * dtype.size()]);
    for dtype in DType::ALL {
        for &op in UnaryOp::ALL {
            if dtype.is_float() {
                add(text(
                    &stored(vectors(&[elements(dtype)]), InstrKind::Unary(op, 0), dtype),
                    1,
                ));
            }
        }
        for &op in BinaryOp::ALL {
            let unfit = op.is_of_floats() && !dtype.is_float() || dtype == DType::Bool && !op.is_compare();
            if !unfit {
                let to = if op.is_compare() { DType::Bool } else { dtype };
                let inputs = vectors(&[elements(dtype), elements(dtype)]);
                add(text(&stored(inputs, InstrKind::Binary(op, 0, 1), to), 2));
            }
        }
        for to in DType::ALL {
            add(text(
                &stored(vectors(&[elements(dtype)]), InstrKind::Cast(0), to),
                4,
            ));
        }
        let inputs = vectors(&[elements(DType::Bool), elements(dtype), elements(dtype)]);
        add(text(&stored(inputs, InstrKind::Where(0, 1, 2), dtype), 2));
    }
    let mut dice = Dice(5);
    for _ in 0..40 {
        let shape = [1 + dice.below(5), 1 + dice.below(6), 4 * (1 + dice.below(5))];
        add(text(&Case::random(&mut dice, &shape), 2));
    }
    for dtype in [DType::F32, DType::F64] {
        for program in [
            program(softmax, dtype, &[5, 33]),
            program(softmax, dtype, &[2, 9000]),
            program(batch_norm, dtype, &[2, 3, 33, 40]),
            program(columns, dtype, &[5, 70, 3]),
        ] {
            for group in &program.groups {
                add(rows(&program, group, "rows").unwrap());
            }
        }
    }
    all
}

#[test]
#[ignore = "needs the assembler of the CUDA toolkit: HYPERGLOW_PTXAS is its path"]
fn the_assembler_accepts_every_text() {
    let ptxas = std::env::var_os("HYPERGLOW_PTXAS").expect("HYPERGLOW_PTXAS is the path of ptxas");
    let folder = std::env::temp_dir().join(format!("hyperglow-ptx-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (source, object) = (folder.join("module.ptx"), folder.join("module.cubin"));
    std::fs::write(&source, module(&texts())).unwrap();
    for architecture in ARCHITECTURES {
        let run = Command::new(&ptxas)
            .arg(format!("-arch=sm_{architecture}"))
            .args([
                "-O1".as_ref(),
                source.as_os_str(),
                "-o".as_ref(),
                object.as_os_str(),
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "sm_{architecture}: {said}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
