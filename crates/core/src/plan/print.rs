//! Programs as text: what can be read can be trusted.

use std::fmt::Write;
use std::ops::Range;

use crate::op::{Op, Spec};
use crate::plan::joined::is_joined;
use crate::plan::{Cluster, InstrKind, Place, Program, SlotId, StepKind};

/// The program, a line per step. "joined" is a concatenation whose parts were written where they belong.
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
                "      steps {i} to {last} go together, {} rows{segments}",
                group.rows
            );
        }
        if let Some(steps) = program.independent.iter().find(|steps| steps.start == i) {
            let last = steps.end - 1;
            let _ = writeln!(text, "      steps {i} to {last} beside each other, a thread each");
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

/// Steps that are named in a summary.
const NAMED: usize = 3;

/// What some steps do, in a few words.
pub fn summary(program: &Program, steps: Range<usize>) -> String {
    let count = steps.len();
    let named = if count > NAMED + 1 { NAMED } else { count };
    let mut names: Vec<String> = steps.take(named).map(|at| what(program, at)).collect();
    if named < count {
        names.push(format!(".. ({count} steps)"));
    }
    names.join(", ")
}

/// Where in the model some steps were made, each place once; may be empty.
pub fn scopes(program: &Program, steps: Range<usize>) -> String {
    let mut places: Vec<&str> = Vec::new();
    for step in &program.steps[steps] {
        if !step.scope.is_empty() && !places.contains(&step.scope.as_str()) {
            places.push(&step.scope);
        }
    }
    places.join(", ")
}

/// What a step does.
fn what(program: &Program, at: usize) -> String {
    match &program.steps[at].kind {
        StepKind::Op { .. } if is_joined(program, at) => "joined".into(),
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
    let place = match program.slots[slot].place {
        Place::Input(i) => format!("in{i}"),
        Place::Output(i) => format!("out{i}"),
        Place::Arena(at) => format!("@{at:x}"),
        Place::Private { .. } => format!("%{slot}"),
    };
    format!("{place}:{dtype}{shape}")
}

fn bytes(n: usize) -> String {
    match n {
        0..=1023 => format!("{n} B"),
        1024..=1_048_575 => format!("{:.1} KiB", n as f64 / 1024.0),
        _ => format!("{:.1} MiB", n as f64 / 1_048_576.0),
    }
}
