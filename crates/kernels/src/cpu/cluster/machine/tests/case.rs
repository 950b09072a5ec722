//! Random clusters, run by machine code and by the interpreter.

use std::sync::Arc;

use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::plan::InstrKind;

use super::super::Machine;
use crate::cpu::cluster::blocks::Blocks;
use crate::cpu::exec::Env;
use crate::cpu::level::Level;
use crate::cpu::pool::Pool;
use crate::cpu::storage::RawBytes;
use crate::steps::case::{Aligned, Case, Dice, is_nan};
use crate::steps::check;

/// Machine code, in two stretches, and the interpreter must agree.
pub(super) fn check(case: &Case, dice: &mut Dice, level: Level) {
    let readings = check::readings(&case.cluster, &case.program).unwrap();
    let blocks = Blocks::new(&case.cluster, &case.program, &readings).unwrap();
    // With results past the caches, too, as if these held next to nothing.
    let caches = dice.pick(&[0, usize::MAX]);
    let Some(machine) = Machine::with_caches(&case.cluster, &case.program, &readings, level, caches) else {
        assert!(
            is_left_to_the_interpreter(case),
            "no machine code for {:?}",
            case.cluster
        );
        return;
    };
    let pool = Arc::new(Pool::new(1));
    let env = Env { pool, level };
    let size = case.size();
    let interpret = |slots: &[RawBytes], first: usize, count: usize| {
        let mut file = Aligned::of(&vec![0; blocks.file]);
        // SAFETY: the slots have their bytes, and the registers theirs.
        unsafe { blocks.stretch(&env, slots, file.raw().start.as_ptr(), first, count, None) };
    };
    let expected = case.results(|slots| interpret(slots, 0, size));
    let cut = dice.below(size + 1);
    let given = case.results(|slots| {
        let mut memory = Aligned::of(&vec![0x55; machine.bytes()]);
        let memory = memory.raw().start.as_ptr();
        for range in [(0, cut), (cut, size - cut)] {
            let interpret = |first: usize, count: usize| interpret(slots, first, count);
            // SAFETY: as above.
            unsafe { machine.stretch(slots, memory, range, None, interpret) };
        }
    });
    for ((&(register, _), expected), given) in case.cluster.stores.iter().zip(&expected).zip(&given) {
        let dtype = case.dtype(register);
        let elements = expected.chunks(dtype.size()).zip(given.chunks(dtype.size()));
        for (i, (expected, given)) in elements.enumerate() {
            assert!(
                expected == given || (is_nan(expected, dtype) && is_nan(given, dtype)),
                "register {register}, element {i} of {size}, cut at {cut}: {given:?} instead of {expected:?} ({} at {}) in {:#?}",
                dtype,
                level.name(),
                case.cluster
            );
        }
    }
}

/// Whether machine code has a guard and would overwrite an input, so that there is none.
fn is_left_to_the_interpreter(case: &Case) -> bool {
    let guarded = case.cluster.code.iter().any(|instr| match instr.kind {
        InstrKind::Unary(op, _) => matches!(op, UnaryOp::Sin | UnaryOp::Cos),
        InstrKind::Binary(op, ..) => op == BinaryOp::Rem,
        _ => false,
    });
    guarded && case.program.donations.iter().any(Option::is_some)
}
