//! Machine code against the interpreter on random clusters, bit by bit: every dtype and operation, every way of
//! reading, tails of every length, donated buffers, more values than registers.

mod case;
mod encodings;

use std::sync::Arc;

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::plan::InstrKind;

use self::case::check;
use super::Machine;
use crate::cpu::cluster::ClusterKernel;
use crate::steps::case::{Aligned, Case, Dice};
use crate::steps::check::readings;

use crate::cpu::exec::Env;
use crate::cpu::level::Level;
use crate::cpu::pool::Pool;

fn levels() -> Vec<Level> {
    let machine = |level: &Level| *level != Level::PORTABLE;
    Level::available().into_iter().filter(machine).collect()
}

#[test]
fn random_clusters_are_as_interpreted() {
    let mut dice = Dice(77);
    for round in 0..1500 {
        let shape: Vec<usize> = match dice.below(4) {
            0 => vec![1 + round % 70],
            1 => vec![1 + dice.below(9), 1 + dice.below(90)],
            2 => vec![1 + dice.below(5), 1 + dice.below(7), 1 + dice.below(140)],
            _ => vec![1 + dice.below(40), 100 + dice.below(50)],
        };
        let case = Case::random(&mut dice, &shape);
        for level in levels() {
            check(&case, &mut dice, level);
        }
    }
}

#[test]
fn blocks_of_gathered_operands_join() {
    let mut dice = Dice(78);
    let shapes: [&[usize]; 7] = [
        &[700, 10],
        &[70, 130],
        &[3, 5000],
        &[5000, 3],
        &[5, 256, 10],
        &[3, 900, 7],
        &[40, 9, 11],
    ];
    for shape in shapes {
        for _ in 0..8 {
            let case = Case::random(&mut dice, shape);
            for level in levels() {
                check(&case, &mut dice, level);
            }
        }
    }
}

/// Many values that are all used again at the end: more than there are registers, of both kinds.
#[test]
fn values_without_a_register_are_spilled() {
    let mut dice = Dice(79);
    for float in [DType::F32, DType::F64] {
        for count in [10, 20, 40, 80] {
            let mut case = Case::new(&[137]);
            for _ in 0..2 {
                case.load(&mut dice, float, vec![1], 0, 137);
            }
            let mut values = vec![0];
            let mut masks = Vec::new();
            for i in 0..count {
                let op = [BinaryOp::Add, BinaryOp::Mul, BinaryOp::Sub][i % 3];
                values.push(case.push(InstrKind::Binary(op, values[i], 1), float));
                masks.push(case.push(InstrKind::Binary(BinaryOp::Less, values[i], 1), DType::Bool));
            }
            let mut sum = 1;
            for i in 0..count {
                let chosen = case.push(InstrKind::Where(masks[i], values[i], sum), float);
                sum = case.push(InstrKind::Binary(BinaryOp::Add, chosen, values[count - i]), float);
            }
            case.store(sum, None);
            case.store(masks[count / 2], None);
            for level in levels() {
                check(&case, &mut dice, level);
            }
        }
    }
}

/// More operands than there are general registers for their addresses, more numbers than vector registers.
#[test]
fn operands_without_a_register_are_found() {
    let mut dice = Dice(80);
    for loads in [5, 11, 16, 50] {
        for repeated in [false, true] {
            let mut case = Case::new(&[77]);
            for _ in 0..loads {
                let (stride, extent) = if repeated { (0, 1) } else { (1, 77) };
                case.load(&mut dice, DType::F32, vec![stride], 0, extent);
            }
            case.load(&mut dice, DType::F32, vec![1], 0, 77);
            let mut sum = loads;
            for round in 0..2 {
                for i in 0..loads {
                    let op = if (i + round) % 2 == 0 {
                        BinaryOp::Max
                    } else {
                        BinaryOp::Sub
                    };
                    sum = case.push(InstrKind::Binary(op, sum, i), DType::F32);
                }
            }
            case.store(sum, Some(loads));
            for level in levels() {
                check(&case, &mut dice, level);
            }
        }
    }
}

#[test]
fn what_has_no_machine_code_is_left_to_the_interpreter() {
    let mut dice = Dice(81);
    for dtype in [DType::F32, DType::F64] {
        let mut case = Case::new(&[8]);
        case.load(&mut dice, dtype, vec![1], 0, 8);
        let y = case.push(InstrKind::Unary(UnaryOp::Lgamma, 0), dtype);
        case.store(y, None);
        let readings = readings(&case.cluster, &case.program).unwrap();
        for level in Level::available() {
            assert!(Machine::new(&case.cluster, &case.program, &readings, level).is_none());
        }
    }
}

/// Blocks without and with arguments for which machine code is wrong, in both dtypes; also of a slot that is read from another address.
#[test]
fn blocks_beyond_a_guard_are_interpreted() {
    let mut dice = Dice(83);
    let size = 5000;
    for (dtype, large) in [
        (DType::F32, false),
        (DType::F32, true),
        (DType::F64, false),
        (DType::F64, true),
    ] {
        let mut case = Case::new(&[size]);
        case.load(&mut dice, dtype, vec![1], 0, size);
        let bytes = dtype.size();
        for (i, element) in case.inputs[0].chunks_exact_mut(bytes).enumerate() {
            let x = if large && i % 3000 == 2500 {
                1e20
            } else {
                i as f64 / 100.0
            };
            match dtype {
                DType::F32 => element.copy_from_slice(&(x as f32).to_ne_bytes()),
                _ => element.copy_from_slice(&x.to_ne_bytes()),
            }
        }
        let sine = case.push(InstrKind::Unary(UnaryOp::Sin, 0), dtype);
        let sum = case.push(InstrKind::Binary(BinaryOp::Add, sine, 0), dtype);
        case.store(sum, None);
        let portable = ClusterKernel::new(&case.cluster, &case.program, Level::PORTABLE).unwrap();
        for level in levels() {
            check(&case, &mut dice, level);
            let kernel = ClusterKernel::new(&case.cluster, &case.program, level).unwrap();
            assert_eq!(
                (kernel.code_name(), portable.code_name()),
                ("machine code", "interpreted")
            );
            let env = Env {
                pool: Arc::new(Pool::new(1)),
                level,
            };
            let mut memory = Aligned::of(&vec![0; kernel.register_bytes()]);
            let registers = memory.raw();
            // SAFETY: the slots have their bytes, and the registers theirs.
            let whole = case.results(|slots| unsafe { kernel.run(&env, slots, registers) });
            let elsewhere = case.results(|slots| {
                for start in [0, 4000] {
                    let count = if start == 0 { 4000 } else { size - 4000 };
                    let elements = slots[0].start.as_ptr().wrapping_add(start * bytes).cast_const();
                    // SAFETY: as above.
                    unsafe { kernel.stretch(&env, slots, registers, 0, start, count, Some((0, elements))) };
                }
            });
            assert!(whole == elsewhere);
        }
    }
}

/// A row group runs stretches of every cluster, also of one that only transposes.
#[test]
fn a_transposition_in_stretches() {
    let mut dice = Dice(82);
    let mut case = Case::new(&[70, 33]);
    case.load(&mut dice, DType::F32, vec![1, 70], 0, 70 * 33);
    case.store(0, None);
    let size = case.size();
    for level in Level::available() {
        let kernel = ClusterKernel::new(&case.cluster, &case.program, level).unwrap();
        let pool = Arc::new(Pool::new(1));
        let env = Env { pool, level };
        let mut memory = Aligned::of(&vec![0; kernel.register_bytes()]);
        let registers = memory.raw();
        // SAFETY: the slots have their bytes, and the registers theirs.
        let whole = case.results(|slots| unsafe { kernel.run(&env, slots, registers) });
        let parts = case.results(|slots| {
            for (start, end) in [(0, 1000), (1000, size)] {
                // SAFETY: as above.
                unsafe { kernel.stretch(&env, slots, registers, 0, start, end - start, None) };
            }
        });
        assert!(whole == parts);
    }
}
