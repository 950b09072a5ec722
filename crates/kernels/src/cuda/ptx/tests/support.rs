//! Clusters run by the CPU and by the interpreter of texts.

use std::sync::Arc;

use hyperglow_core::DType;
use hyperglow_core::plan::{InstrKind, Location};

use crate::cpu::cluster::ClusterKernel;
use crate::cpu::exec::Env;
use crate::cpu::level::Level;
use crate::cpu::pool::Pool;
use crate::cuda::ptx::cluster::write;
use crate::cuda::ptx::interpreter::{Fault, Grid, Memory, Module, launch};
use crate::cuda::ptx::{KernelText, module};
use crate::steps::case::{Aligned, Case, Dice, is_nan};
use crate::steps::check::readings;

/// A level with fused multiply-add, as GPUs have; without one, the caller's test has nothing to compare with.
pub fn fused_level() -> Option<Level> {
    let level = Level::available()
        .into_iter()
        .find(|level| *level != Level::PORTABLE);
    if level.is_none() {
        eprintln!("not compared: the processor has no fused multiply-add");
    }
    level
}

/// One thread at a level.
pub fn env(level: Level) -> Env {
    Env {
        pool: Arc::new(Pool::new(1)),
        level,
    }
}

/// The text of a case's cluster.
pub fn text(case: &Case, width: usize) -> KernelText {
    let readings = readings(&case.cluster, &case.program).unwrap();
    write(&case.cluster, &case.program, &readings, "kernel", width)
}

/// The results' bytes on the CPU.
pub fn on_the_cpu(case: &Case, level: Level) -> Vec<Vec<u8>> {
    let kernel = ClusterKernel::new(&case.cluster, &case.program, level).unwrap();
    let env = env(level);
    let mut registers = Aligned::of(&vec![0; kernel.register_bytes()]);
    case.results(|slots| {
        // SAFETY: every slot has its bytes, and the registers theirs.
        unsafe { kernel.run(&env, slots, registers.raw()) }
    })
}

/// The results' bytes by the interpreter, with so many blocks.
pub fn interpreted(case: &Case, kernel: &KernelText, blocks: usize) -> Result<Vec<Vec<u8>>, Fault> {
    let module =
        Module::parse(&module(std::slice::from_ref(kernel))).map_err(|fault| shown(kernel, fault))?;
    let mut memory = Memory::new();
    let addresses: Vec<u64> = case.inputs.iter().map(|bytes| memory.with(bytes)).collect();
    let mut results = Vec::new();
    for &(register, slot) in &case.cluster.stores {
        let bytes = case.size() * case.dtype(register).size();
        let donated = match case.program.slots[slot].location {
            Location::Output(output) => case.program.donations[output],
            _ => None,
        };
        let address = match donated {
            Some(input) => addresses[input],
            None => memory.without_content(bytes),
        };
        results.push((slot, address, bytes));
    }
    let address = |slot: &usize| {
        let result = results.iter().find(|result| result.0 == *slot);
        result.map_or_else(|| addresses[*slot], |result| result.1)
    };
    let arguments: Vec<u64> = kernel.slots.iter().map(address).collect();
    let grid = Grid::all(blocks as u32, kernel.threads);
    launch(&module, &kernel.name, &mut memory, &arguments, &grid).map_err(|fault| shown(kernel, fault))?;
    Ok(results
        .iter()
        .map(|&(_, address, bytes)| {
            memory
                .read(address, bytes)
                .expect("a result is written everywhere")
        })
        .collect())
}

/// A fault with the line's text.
fn shown(kernel: &KernelText, fault: Fault) -> Fault {
    let text = module(std::slice::from_ref(kernel));
    let line = text.lines().nth(fault.line.saturating_sub(1)).unwrap_or("");
    Fault {
        message: format!("{} in {line}", fault.message),
        ..fault
    }
}

/// How far elements may be apart.
pub type Near<'a> = &'a dyn Fn(f64, f64) -> bool;

/// The same bits only, or both NaN.
pub fn exactly(_: f64, _: f64) -> bool {
    false
}

/// An element as a number.
pub fn number(bytes: &[u8], dtype: DType) -> f64 {
    match dtype {
        DType::F32 => f64::from(f32::from_ne_bytes(bytes.try_into().unwrap())),
        DType::F64 => f64::from_ne_bytes(bytes.try_into().unwrap()),
        DType::I32 => f64::from(i32::from_ne_bytes(bytes.try_into().unwrap())),
        DType::I64 => i64::from_ne_bytes(bytes.try_into().unwrap()) as f64,
        DType::U32 => f64::from(u32::from_ne_bytes(bytes.try_into().unwrap())),
        DType::U8 | DType::Bool => f64::from(bytes[0]),
    }
}

/// Compares elements.
pub fn compare(what: &str, dtype: DType, expected: &[u8], given: &[u8], near: Near<'_>) {
    assert_eq!(expected.len(), given.len(), "{what}");
    let size = dtype.size();
    for (i, (e, g)) in expected.chunks(size).zip(given.chunks(size)).enumerate() {
        let same = e == g || is_nan(e, dtype) && is_nan(g, dtype);
        assert!(
            same || near(number(e, dtype), number(g, dtype)),
            "{what}, element {i}: {:e} instead of {:e} ({g:?}, {e:?})",
            number(g, dtype),
            number(e, dtype)
        );
    }
}

/// A case's text must give the CPU's bits.
pub fn check(what: &str, case: &Case, width: usize, blocks: usize, near: Near<'_>) {
    let Some(level) = fused_level() else { return };
    let expected = on_the_cpu(case, level);
    let kernel = text(case, width);
    let given = match interpreted(case, &kernel, blocks) {
        Ok(given) => given,
        Err(fault) => panic!("{what}: {fault} of {:?}", case.cluster),
    };
    for ((&(register, _), expected), given) in case.cluster.stores.iter().zip(&expected).zip(&given) {
        compare(what, case.dtype(register), expected, given, near);
    }
}

/// A case with one vector of elements for each input, and no instruction but the loads.
pub fn vectors(inputs: &[(DType, Vec<u8>)]) -> Case {
    let count = inputs[0].1.len() / inputs[0].0.size();
    let mut case = Case::new(&[count]);
    let mut dice = Dice(1);
    for (dtype, bytes) in inputs {
        case.load(&mut dice, *dtype, vec![1], 0, count);
        *case.inputs.last_mut().unwrap() = bytes.clone();
    }
    case
}

/// Adds an instruction and stores its result.
pub fn stored(mut case: Case, kind: InstrKind, dtype: DType) -> Case {
    let register = case.push(kind, dtype);
    case.store(register, None);
    case
}
