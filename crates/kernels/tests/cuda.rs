//! The host part of CUDA devices: memory, copies, graphs, refusals, faults. Skipped where there is no CUDA device; the emulated
//! driver is one (`emu/build.sh`, then `LD_LIBRARY_PATH=target/emu/fast`).

mod support;

use std::process::Command;
use std::sync::Arc;

use hyperglow_core::backend::Backend;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Distribution, Op, Reduction, Spec};
use hyperglow_core::plan::Program;
use hyperglow_core::{DType, Error, Result};
use hyperglow_kernels::CudaBackend;
use support::{Dice, Draft, numbers, run_op, value};

/// The first device; `None` where the machine has none, which the test says.
fn device() -> Option<CudaBackend> {
    match CudaBackend::all() {
        Ok(devices) => devices.into_iter().next(),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

/// x -> the sums of its rows -> their running sum.
fn sums(backend: &dyn Backend, rows: usize, columns: usize) -> Arc<Program> {
    let mut draft = Draft::default();
    let x = draft.input(Spec::new([rows, columns], DType::F32));
    let inner = draft.inner(Spec::new([rows], DType::F32));
    let sum = Op::Reduce {
        kind: Reduction::Sum,
        axes: [1].into(),
    };
    draft.op(backend, sum, &[x], inner);
    let output = draft.output(Spec::new([rows], DType::F32));
    let running = Op::CumSum {
        axis: 0,
        reverse: false,
    };
    draft.op(backend, running, &[inner], output);
    draft.finish()
}

#[test]
fn copies_of_any_length_come_back() {
    let Some(cuda) = device() else { return };
    for len in [0, 1, 5, 1 << 20, (5 << 20) + 3] {
        let bytes: Vec<u8> = (0..len).map(|i| (i * 7 % 251) as u8).collect();
        let buffer = cuda.upload(&bytes).unwrap();
        let mut back = vec![0; len];
        buffer.read(&mut back).unwrap();
        assert!(back == bytes, "{len} bytes");
        if len > 10 {
            buffer.write_part(3, &[1, 2, 3]).unwrap();
            let mut part = [0; 5];
            buffer.read_part(2, &mut part).unwrap();
            assert_eq!(part, [bytes[2], 1, 2, 3, bytes[6]]);
        }
        let end = buffer.read_part(len, &mut [0]).unwrap_err();
        assert_eq!(end.kind, ErrorKind::Internal);
    }
}

#[test]
fn memory_is_counted_exactly() {
    let Some(cuda) = device() else { return };
    let buffer = cuda.allocate(1000).unwrap();
    let before = cuda.memory();
    let more = cuda.allocate(500).unwrap();
    let with = cuda.memory();
    assert_eq!(
        (with.bytes, with.buffers),
        (before.bytes + 500, before.buffers + 1)
    );
    assert_eq!(with.allocations, before.allocations + 1);
    assert!(with.peak_bytes >= with.bytes);
    drop(more);
    assert_eq!(cuda.memory().bytes, before.bytes);
    let program = sums(&cuda, 4, 8);
    let executable = cuda.prepare(program.clone()).unwrap();
    // The arena, and the record of what is refused.
    let arena = cuda.memory().bytes - before.bytes;
    assert!(arena >= program.arena_bytes && arena <= program.arena_bytes + 512);
    assert_eq!(cuda.memory().buffers, before.buffers);
    drop((executable, buffer));
    assert_eq!(
        (cuda.memory().bytes, cuda.memory().buffers),
        (before.bytes - 1000, before.buffers - 1)
    );
}

#[test]
fn a_request_beyond_the_memory_is_refused_and_earlier_results_survive() {
    let Some(cuda) = device() else { return };
    let kept = cuda.upload(&[1, 2, 3, 4]).unwrap();
    let error = cuda.allocate(1 << 60).map(drop).unwrap_err();
    assert_eq!((error.kind, error.op.as_str()), (ErrorKind::Device, "cuda:0"));
    assert!(error.message.contains(&(1usize << 60).to_string()), "{error}");
    let (_, total) = cuda.room().unwrap();
    assert!(
        error.message.contains(&format!("of its {total} bytes are free")),
        "{error}"
    );
    let mut back = [0; 4];
    kept.read(&mut back).unwrap();
    assert_eq!(back, [1, 2, 3, 4]);
}

#[test]
fn normal_numbers_have_the_bits_of_the_processor() {
    let Some(cuda) = device() else { return };
    let cpu = hyperglow_kernels::CpuBackend::new(2);
    let mut dice = Dice::new(21);
    for dtype in [DType::F32, DType::F64] {
        for _ in 0..3 {
            let key = dice.tensor_of([2], DType::U32, |dice| dice.below(1 << 30) as f64);
            let spec = Spec::new([100_001], dtype);
            let op = Op::Random(Distribution::Normal);
            let [got, want] =
                [&cuda as &dyn Backend, &cpu].map(|backend| run_op(backend, &op, &[&key], &spec));
            let (got, want) = (numbers(&got.unwrap()), numbers(&want.unwrap()));
            let other = got
                .iter()
                .zip(&want)
                .position(|(a, b)| a.to_bits() != b.to_bits());
            assert_eq!(other, None, "{dtype:?}, key {:?}", numbers(&key));
        }
    }
}

/// Runs a program on given buffers so often that its launches are captured and replayed; all runs give the same.
#[test]
fn a_replayed_graph_gives_the_same_bits() {
    let Some(cuda) = device() else { return };
    let mut dice = Dice::new(5);
    let x = dice.tensor([33, 70], DType::F32);
    let program = sums(&cuda, 33, 70);
    let mut executable = cuda.prepare(program.clone()).unwrap();
    let inputs = [cuda.upload(&x.to_bytes()).unwrap()];
    let spec = &program.slots[program.outputs[0]].spec;
    let mut results: Vec<Vec<u8>> = Vec::new();
    // Six sets of buffers, more than graphs are kept, each often enough to be replayed.
    for _ in 0..6 {
        let outputs = [cuda.allocate(spec.bytes()).unwrap()];
        for _ in 0..4 {
            outputs[0].write(&vec![0xa5; spec.bytes()]).unwrap();
            executable.run(&inputs, &outputs).unwrap();
            results.push(value(spec, &outputs[0]).to_bytes());
        }
    }
    assert!(results.iter().all(|result| *result == results[0]));
    let expected = numbers(&x)
        .chunks(70)
        .map(|row| row.iter().sum::<f64>())
        .sum::<f64>();
    let last = f32::from_ne_bytes(*results[0].last_chunk().unwrap());
    assert!((f64::from(last) - expected).abs() < 1e-3);
    assert!(executable.describe().contains("sum_rows_f32"));
}

/// A program that takes one row by an index.
fn taking(backend: &dyn Backend) -> Arc<Program> {
    let mut draft = Draft::default();
    let x = draft.input(Spec::new([4, 2], DType::F32));
    let index = draft.input(Spec::new([3], DType::I32));
    let output = draft.output(Spec::new([3, 2], DType::F32));
    draft.op(backend, Op::Take { axis: 0 }, &[x, index], output);
    draft.finish()
}

fn run_taking(cuda: &CudaBackend, indices: [i32; 3]) -> Result<Vec<f64>> {
    let program = taking(cuda);
    let x: Vec<u8> = (0..8).flat_map(|i| (i as f32).to_ne_bytes()).collect();
    let index: Vec<u8> = indices.iter().flat_map(|i| i.to_ne_bytes()).collect();
    let inputs = [cuda.upload(&x)?, cuda.upload(&index)?];
    let spec = Spec::new([3, 2], DType::F32);
    let outputs = [cuda.allocate(spec.bytes())?];
    let mut executable = cuda.prepare(program)?;
    // The third run replays a graph: the record is reset in it, too.
    let mut last = Ok(());
    for _ in 0..3 {
        last = executable.run(&inputs, &outputs);
    }
    last?;
    Ok(numbers(&value(&spec, &outputs[0])))
}

#[test]
fn a_refused_index_is_told_and_later_runs_go_on() {
    let Some(cuda) = device() else { return };
    let error: Error = run_taking(&cuda, [1, 7, -1]).unwrap_err();
    assert_eq!(
        (error.kind, error.op.as_str(), error.scope.as_str()),
        (ErrorKind::Data, "take", "test")
    );
    assert_eq!(
        error.message,
        "index 7 at position (1) lies outside axis 0, whose extent is 4"
    );
    assert_eq!(
        run_taking(&cuda, [3, 0, 1]).unwrap(),
        [6.0, 7.0, 0.0, 1.0, 2.0, 3.0]
    );
}

#[test]
fn operands_of_another_device_are_refused() {
    let Some(cuda) = device() else { return };
    let cpu = hyperglow_kernels::CpuBackend::new(1);
    let mut executable = cuda.prepare(sums(&cuda, 2, 2)).unwrap();
    let input = cpu.upload(&[0; 16]).unwrap();
    let output = cuda.allocate(8).unwrap();
    let error = executable.run(&[input], &[output]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Device);
    assert_eq!(error.message, "an operand is not on cuda:0");
}

/// This test program again, with other variables, which the emulated driver reads.
fn again(test: &str, variables: &[(&str, &str)]) -> String {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture", "--include-ignored"]);
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Prints what becomes of a run on the machine that the variables describe.
#[test]
#[ignore = "the tests of machines start it"]
fn tell() {
    let run = || {
        let cuda = CudaBackend::all()?.remove(0);
        run_taking(&cuda, [1, 2, 3]).and_then(|_| run_taking(&cuda, [1, 2, 3]))
    };
    match run() {
        Ok(numbers) => println!("told: {numbers:?}"),
        Err(error) => println!("told: {:?} {error}", error.kind),
    }
}

fn is_emulated() -> bool {
    device().is_some_and(|cuda| cuda.model().is_ok_and(|(model, _)| model == "CPU emulation"))
}

#[test]
fn machines_without_a_usable_device_say_why() {
    if !is_emulated() {
        println!("skipped: other machines are told to the emulated driver");
        return;
    }
    for (variables, said) in [
        (
            &[("LD_LIBRARY_PATH", "")][..],
            "Device cuda: there is no CUDA driver: libcuda is not found",
        ),
        (
            &[("EMU_DEVICES", "0")][..],
            "Device cuda: the CUDA driver has no device",
        ),
        (
            &[("EMU_VERSION", "11080")][..],
            "Device cuda: the driver is too old: it is for CUDA 11.8, and CUDA 12.1 is needed",
        ),
        (
            &[("EMU_CAPABILITY", "70")][..],
            "Device cuda:0: CPU emulation has compute capability 7.0, and 7.5 is needed",
        ),
        (
            &[("EMU_LOST", "3")][..],
            "Device cuda:0: the device was lost while binding its context: CUDA_ERROR_ILLEGAL_ADDRESS; its tensors are gone",
        ),
        (&[][..], "[2.0, 3.0, 4.0, 5.0, 6.0, 7.0]"),
    ] {
        let told = again("tell", variables);
        assert!(told.contains(&format!("told: {said}")), "{variables:?}: {told}");
    }
}

/// The work that a launch begins is done at the next synchronization, threads and blocks in another order.
#[test]
fn a_lazy_driver_gives_the_same() {
    if !is_emulated() {
        println!("skipped: the real driver is lazy");
        return;
    }
    for (lazy, shuffle) in [("1", "1"), ("1", "2"), ("0", "3")] {
        let told = again("tell", &[("EMU_LAZY", lazy), ("EMU_SHUFFLE", shuffle)]);
        assert!(told.contains("told: [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]"), "{told}");
    }
}
