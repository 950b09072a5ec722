//! Programs as text.

use std::fmt::Write;
use std::ops::Range;

use crate::op::{Op, Spec};
use crate::plan::concat::is_in_place_concat;
use crate::plan::{Cluster, InstrKind, Location, Program, SlotId, StepKind};

/// The program, a line per step. "concat in place" is a concatenation whose operands were written into its result.
pub fn print(program: &Program) -> String {
    let mut text = format!(
        "plan  {} steps  arena {}  {} inputs  {} outputs  {} in place\n",
        program.steps.len(),
        bytes(program.arena_bytes),
        program.inputs.len(),
        program.outputs.len(),
        program.donations.iter().flatten().count(),
    );
    for (i, step) in program.steps.iter().enumerate() {
        if let Some(group) = program.groups.iter().find(|group| group.steps.start == i) {
            let last = group.steps.end - 1;
            let segments = match group.segments() {
                1 => String::new(),
                segments => format!(" in {segments} segments"),
            };
            let _ = writeln!(
                text,
                "      steps {i} to {last} fused by rows, {} rows{segments}",
                group.rows
            );
        }
        if let Some(steps) = program.independent.iter().find(|steps| steps.start == i) {
            let last = steps.end - 1;
            let _ = writeln!(text, "      steps {i} to {last} in parallel, one thread each");
        }
        let what = what(program, i);
        let read: Vec<String> = step.reads().iter().map(|&s| operand(program, s)).collect();
        let written: Vec<String> = step.writes().iter().map(|&s| operand(program, s)).collect();
        let scope = if step.scope.is_empty() {
            String::new()
        } else {
            format!("  [{}]", step.scope)
        };
        let _ = writeln!(
            text,
            "{i:4}  {what:<28} {} -> {}{scope}",
            read.join(" "),
            written.join(" ")
        );
    }
    for (j, donation) in program.donations.iter().enumerate() {
        if let Some(k) = donation {
            let _ = writeln!(text, "      out{j} overwrites in{k}");
        }
    }
    text
}

/// Steps that a summary names.
const NAMED_STEPS: usize = 3;

/// The operations of some steps, in a few words.
pub fn summary(program: &Program, steps: Range<usize>) -> String {
    let count = steps.len();
    let named = if count > NAMED_STEPS + 1 {
        NAMED_STEPS
    } else {
        count
    };
    let mut names: Vec<String> = steps.take(named).map(|at| what(program, at)).collect();
    if named < count {
        names.push(format!(".. ({count} steps)"));
    }
    names.join(", ")
}

/// The distinct scopes of some steps; may be empty.
pub fn scopes(program: &Program, steps: Range<usize>) -> String {
    let mut scopes: Vec<&str> = Vec::new();
    for step in &program.steps[steps] {
        if !step.scope.is_empty() && !scopes.contains(&step.scope.as_str()) {
            scopes.push(&step.scope);
        }
    }
    scopes.join(", ")
}

/// The operations of a step.
fn what(program: &Program, at: usize) -> String {
    match &program.steps[at].kind {
        StepKind::Op { .. } if is_in_place_concat(program, at) => "concat in place".into(),
        StepKind::Op { op, .. } => name(op),
        StepKind::Cluster(cluster) => chain(cluster),
    }
}

fn name(op: &Op) -> String {
    let flag = |t: bool| if t { "'" } else { "" };
    match op {
        Op::MatMul { ta, tb } => format!("matmul a{} b{}", flag(*ta), flag(*tb)),
        _ => op.name().to_string(),
    }
}

fn chain(cluster: &Cluster) -> String {
    let ops: Vec<&str> = cluster
        .code
        .iter()
        .filter_map(|i| match i.kind {
            InstrKind::Load(_) | InstrKind::Const(_) => None,
            InstrKind::Unary(op, _) => Some(op.name()),
            InstrKind::Binary(op, _, _) => Some(op.name()),
            InstrKind::Where(..) => Some("where"),
            InstrKind::Cast(_) => Some("cast"),
        })
        .collect();
    match ops.len() {
        0 => "copy".into(),
        1..=6 => format!("fused {}", ops.join(" ")),
        n => format!("fused {} .. ({n})", ops[..5].join(" ")),
    }
}

fn operand(program: &Program, slot: SlotId) -> String {
    let Spec { shape, dtype } = &program.slots[slot].spec;
    let location = match program.slots[slot].location {
        Location::Input(i) => format!("in{i}"),
        Location::Output(i) => format!("out{i}"),
        Location::Arena(at) => format!("@{at:x}"),
        Location::Private { .. } => format!("%{slot}"),
    };
    format!("{location}:{dtype}{shape}")
}

fn bytes(n: usize) -> String {
    match n {
        0..=1023 => format!("{n} B"),
        1024..=1_048_575 => format!("{:.1} KiB", n as f64 / 1024.0),
        _ => format!("{:.1} MiB", n as f64 / 1_048_576.0),
    }
}
