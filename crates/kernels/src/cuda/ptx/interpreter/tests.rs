//! Planted bugs, each beside its correct twin: the interpreter finds the first and runs the second.

use super::{Fault, Grid, Memory, Module, launch};

/// A module of one kernel with two addresses.
fn module(body: &str) -> Result<Module, Fault> {
    let declared = "\t.reg .pred %p<9>;\n\t.reg .b32 %r<9>;\n\t.reg .b64 %d<9>;\n\t.reg .f32 %f<9>;\n\t.reg .f64 %g<9>;\n\t.shared .align 16 .b8 row_memory[256];\n";
    let lines: String = body.lines().map(|line| format!("{}\n", line.trim())).collect();
    Module::parse(&format!(
        ".version 8.1\n.target sm_75\n.address_size 64\n.visible .entry k(.param .u64 p0, .param .u64 p1)\n{{\n{declared}{lines}\tret;\n}}\n"
    ))
}

/// Runs a body on 64 numbers and 64 places for results, with so many blocks of 64 threads.
fn run(body: &str, blocks: u32) -> Result<Vec<u8>, Fault> {
    let module = module(body)?;
    let mut memory = Memory::new();
    let numbers: Vec<u8> = (0..64_u32).flat_map(u32::to_le_bytes).collect();
    let (from, to) = (memory.with(&numbers), memory.with(&[0; 256]));
    launch(&module, "k", &mut memory, &[from, to], &Grid::all(blocks, 64))?;
    Ok(memory.read(to, 256).expect("it has a content"))
}

/// The body must end with a fault that says `what`.
fn finds(body: &str, blocks: u32, what: &str) {
    let fault = run(body, blocks).expect_err(what);
    assert!(fault.message.contains(what), "{fault}, not {what}");
}

/// %r1 is the thread, %d3 the address of its number, %d4 that of its result.
const START: &str = "ld.param.u64 %d1, [p0];
    ld.param.u64 %d2, [p1];
    mov.u32 %r1, %tid.x;
    mad.wide.s32 %d3, %r1, 4, %d1;
    mad.wide.s32 %d4, %r1, 4, %d2;";
/// %d6 is the address of the thread's place in shared memory, %d7 that of its neighbor's.
const SHARED: &str = "mov.u64 %d5, row_memory;
    mad.wide.s32 %d6, %r1, 4, %d5;
    add.s32 %r2, %r1, 1;
    and.b32 %r2, %r2, 63;
    mad.wide.s32 %d7, %r2, 4, %d5;";

#[test]
fn a_correct_kernel_runs() {
    let results = run(
        &format!("{START}\nld.global.nc.b32 %r3, [%d3];\nst.global.b32 [%d4], %r3;"),
        1,
    )
    .unwrap();
    assert!(
        results
            .chunks(4)
            .zip(0..64_u32)
            .all(|(bytes, i)| bytes == i.to_le_bytes())
    );
}

#[test]
fn a_wrong_bound_is_found() {
    finds(
        &format!("{START}\nld.global.b32 %r3, [%d3+4];"),
        1,
        "of an allocation of 256",
    );
    finds(&format!("{START}\nld.global.b32 %r3, [%d3+-4];"), 1, "no memory");
    finds(
        &format!("{START}\n{SHARED}\nst.shared.b32 [%d6+4], %r1;"),
        1,
        "of an allocation of 256",
    );
    finds(
        &format!("{START}\n{SHARED}\nst.shared.b32 [%d3], %r1;"),
        1,
        "of an allocation of 256",
    );
}

#[test]
fn a_missing_barrier_is_found() {
    let exchange = |barrier: &str| {
        format!(
            "{START}\n{SHARED}\nst.shared.b32 [%d6], %r1;\n{barrier}\nld.shared.b32 %r3, [%d7];\nst.global.b32 [%d4], %r3;"
        )
    };
    assert_eq!(
        run(&exchange("bar.sync 0;"), 1).unwrap()[..4],
        1_u32.to_le_bytes()
    );
    // The neighbor comes later, and has not stored yet.
    finds(&exchange(""), 1, "no value");
    let after = format!(
        "{START}\n{SHARED}\nst.shared.b32 [%d6], %r1;\nbar.sync 0;\nld.shared.b32 %r3, [%d7];\nst.shared.b32 [%d6], %r3;"
    );
    finds(&after, 1, "races with");
    let two = after.replace(
        "ld.shared.b32 %r3, [%d7];\n",
        "ld.shared.b32 %r3, [%d7];\nbar.sync 0;\n",
    );
    run(&two, 1).unwrap();
    // A barrier of the warp is not one of the block: thread 31 reads what thread 32 wrote.
    finds(&exchange("bar.warp.sync -1;"), 1, "no value");
}

#[test]
fn a_barrier_of_a_warp_orders_its_threads() {
    let neighbor = SHARED.replace("and.b32 %r2, %r2, 63;", "and.b32 %r2, %r1, 62;");
    let exchange = |barrier: &str| {
        format!(
            "{START}\n{neighbor}\nst.shared.b32 [%d6], %r1;\n{barrier}\nld.shared.b32 %r3, [%d7];\nst.global.b32 [%d4], %r3;"
        )
    };
    assert_eq!(
        run(&exchange("bar.warp.sync -1;"), 1).unwrap()[4..8],
        0_u32.to_le_bytes()
    );
    finds(&exchange(""), 1, "races with");
}

#[test]
fn a_divergent_barrier_is_found() {
    let body = |barrier: &str| format!("{START}\nsetp.lt.s32 %p1, %r1, 40;\n@%p1 bra $L1;\n{barrier}\n$L1:");
    finds(&body("bar.sync 0;"), 1, "do not reach");
    finds(&body("bar.warp.sync -1;"), 1, "do not reach");
    finds(
        &body("shfl.sync.down.b32 %r2, %r1, 1, 31, -1;"),
        1,
        "do not reach",
    );
    run(&body("bar.warp.sync -1;").replace("40", "32"), 1).unwrap();
    // Two barriers at different places are not one.
    let two = format!(
        "{START}\nsetp.lt.s32 %p1, %r1, 32;\n@%p1 bra $L1;\nbar.sync 0;\nbra $L2;\n$L1:\nbar.sync 0;\n$L2:"
    );
    finds(&two, 1, "do not reach");
}

#[test]
fn a_shuffle_gives_the_value_of_the_lane_ahead() {
    let results = run(
        &format!("{START}\nshfl.sync.down.b32 %r3, %r1, 5, 31, -1;\nst.global.b32 [%d4], %r3;"),
        1,
    )
    .unwrap();
    let word = |i: usize| u32::from_le_bytes(results[4 * i..][..4].try_into().unwrap());
    assert_eq!([0, 26, 27, 31, 32, 63].map(word), [5, 31, 27, 31, 37, 63]);
}

#[test]
fn what_nothing_has_written_is_found() {
    finds(
        &format!("{START}\nadd.s32 %r3, %r1, %r4;"),
        1,
        "a register is read that nothing has written",
    );
    // On one way only.
    let body = format!(
        "{START}\nsetp.lt.s32 %p1, %r1, 63;\n@!%p1 bra $L1;\nmov.u32 %r4, 1;\n$L1:\nst.global.b32 [%d4], %r4;"
    );
    finds(&body, 1, "a register is read that nothing has written");
    finds(
        &format!("{START}\n{SHARED}\nld.shared.b32 %r3, [%d6];"),
        1,
        "no value",
    );
}

#[test]
fn races_of_blocks_are_found() {
    finds(&format!("{START}\nst.global.b32 [%d4], %r1;"), 2, "races with");
    finds(&format!("{START}\nst.global.b32 [%d2], %r1;"), 1, "races with");
    let cached = format!("{START}\nld.global.nc.b32 %r3, [%d3];\nst.global.b32 [%d3], %r3;");
    finds(&cached, 1, "read-only cache");
    run(&cached.replace(".nc", ""), 1).unwrap();
}

#[test]
fn values_that_are_not_defined_are_found() {
    finds(&format!("{START}\nrem.u32 %r3, 5, %r1;"), 1, "not defined");
    finds(
        &format!("{START}\nld.global.v2.b32 {{%r3, %r4}}, [%d3];"),
        1,
        "no multiple",
    );
    finds(&format!("{START}\n$L1:\nbra $L1;"), 1, "does not end");
}

#[test]
fn text_that_is_not_of_the_writer_is_refused() {
    for (body, what) in [
        ("add.f32 %f1, %f2, %f3;", "no such instruction"),
        ("add.rn.ftz.f32 %f1, %f2, %f3;", "no such instruction"),
        ("ex2.approx.f32 %f1, %f2;", "no such instruction"),
        ("atom.global.add.u32 %r1, [%d1], 1;", "no such instruction"),
        ("add.rn.f32 %f1, %f2, %g3;", "where F is expected"),
        ("add.rn.f32 %f1, %f2, 1;", "where F is expected"),
        ("add.s32 %r1, %r2, 4294967296;", "where W is expected"),
        ("add.s32 %r1, %r2;", "operands of"),
        ("mov.u32 %r9, 1;", "no register"),
        ("bra $L7;", "no label"),
        ("bar.sync 1;", "no such instruction"),
        ("shfl.sync.down.b32 %r1, %r2, 1, 31, 255;", "no such instruction"),
        ("@%p1 add.s32 %r1, %r2, 1;", "a guard on what is no branch"),
        ("mov.u32 %r1, 1", "no ;"),
        ("ld.param.u64 %d1, [p2];", "no such parameter"),
        ("ld.global.v4.f64 %g1, [%d1];", "registers"),
    ] {
        let fault = module(body).expect_err(body);
        assert!(fault.message.contains(what), "{body}: {fault}");
        assert!(fault.line >= 5, "{fault}");
    }
    assert!(Module::parse(".version 9.0\n").is_err());
}
