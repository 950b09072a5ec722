//! Row groups of plans: softmax and batch normalization with their gradients, other reductions in rows.

use std::any::Any;
use std::sync::Arc;

use hyperglow_core::compose::{Build, reduce_axes};
use hyperglow_core::device::{Device, Kernel, Limits, Needs, RowLimits};
use hyperglow_core::elementwise::{Formula, UnaryOp};
use hyperglow_core::grad::vjp;
use hyperglow_core::op::{Op, Reduction, Spec};
use hyperglow_core::plan::Program;
use hyperglow_core::plan::build::build;
use hyperglow_core::plan::context::Context;
use hyperglow_core::plan::rows::RowGroup;
use hyperglow_core::plan::trace::cut;
use hyperglow_core::{DType, Graph, NodeId, Result};

use super::support::{Near, compare, env, exactly, fused_level};
use crate::cpu::rows::RowsKernel;
use crate::cuda::ptx::interpreter::{Grid, Memory, Module, launch};
use crate::cuda::ptx::{KernelText, module, rows};
use crate::steps::case::{Aligned, Dice};

/// A device that plans row groups; its kernels are never run.
struct Planning(Limits);

#[derive(Debug)]
struct Planned;

impl Kernel for Planned {
    fn needs(&self) -> Needs {
        Needs::default()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Device for Planning {
    fn name(&self) -> &str {
        "planning"
    }
    fn limits(&self) -> &Limits {
        &self.0
    }
    fn kernel(&self, _: &Op, _: &[&Spec], _: &Spec) -> Result<Option<Arc<dyn Kernel>>> {
        Ok(Some(Arc::new(Planned)))
    }
}

type Function = fn(&mut Graph, x: NodeId, dy: NodeId) -> Vec<NodeId>;

/// The program of a function of two tensors.
pub(super) fn program(function: Function, dtype: DType, shape: &[usize]) -> Program {
    let mut graph = Graph::new();
    let spec = Spec::new(shape, dtype);
    let [x, dy] = [0, 1].map(|_| {
        let id = graph.add(Op::Input, &[], Some(&spec)).unwrap();
        graph.retain(id).unwrap();
        id
    });
    let results = function(&mut graph, x, dy);
    let trace = cut(&graph, &results, &[x, dy]).unwrap().trace;
    let device = Planning(Limits {
        cluster: 64,
        alignment: 64,
        outer: None,
        rows: Some(RowLimits {
            few: 2,
            small_bytes: 1 << 18,
            segment: 1,
            pooling: false,
        }),
    });
    let context = Context {
        scope: &|_| String::new(),
        device: &device,
    };
    build(&trace, &context).unwrap()
}

fn with_gradient(graph: &mut Graph, y: NodeId, x: NodeId, dy: NodeId) -> Vec<NodeId> {
    let gradient = vjp(graph, &[y], &[dy], &[x]).unwrap();
    [y].into_iter().chain(gradient.into_iter().flatten()).collect()
}

/// Softmax along the last axis, and its gradient.
pub(super) fn softmax(graph: &mut Graph, x: NodeId, dy: NodeId) -> Vec<NodeId> {
    let mut b = Build::new(graph);
    let shape = b.shape(x);
    let last = [shape.rank() - 1];
    let largest = reduce_axes(b.graph(), Reduction::Max, x, &last, true).unwrap();
    let largest = b.broadcast(largest, shape.clone());
    let shifted = b.sub(x, largest);
    let exponentials = b.unary(UnaryOp::Exp, shifted);
    let sum = b.sum_keep(exponentials, &last);
    let sum = b.broadcast(sum, shape);
    let y = b.div(exponentials, sum);
    b.finish(&[y]);
    with_gradient(graph, y, x, dy)
}

/// Batch normalization over all axes but the second, and its gradient.
pub(super) fn batch_norm(graph: &mut Graph, x: NodeId, dy: NodeId) -> Vec<NodeId> {
    let mut b = Build::new(graph);
    let shape = b.shape(x);
    let axes: Vec<usize> = (0..shape.rank()).filter(|&axis| axis != 1).collect();
    let count = (shape.size() / shape[1]) as f64;
    let mean = |b: &mut Build<'_>, x: NodeId| {
        let sum = b.sum_keep(x, &axes);
        let mean = b.mul_scalar(sum, 1.0 / count);
        b.broadcast(mean, shape.clone())
    };
    let middle = mean(&mut b, x);
    let centered = b.sub(x, middle);
    let squares = b.mul(centered, centered);
    let variance = mean(&mut b, squares);
    let safe = b.add_scalar(variance, 0.1);
    let scale = b.unary(UnaryOp::Rsqrt, safe);
    let y = b.mul(centered, scale);
    let y = b.unary(UnaryOp::Relu, y);
    b.finish(&[y]);
    with_gradient(graph, y, x, dy)
}

/// Sums and extrema of the middle axis of (rows, middle, kept): no contiguous elements.
pub(super) fn columns(graph: &mut Graph, x: NodeId, dy: NodeId) -> Vec<NodeId> {
    let mut b = Build::new(graph);
    let shape = b.shape(x);
    let product = b.mul(x, dy);
    let sum = b.sum_keep(product, &[1]);
    let sum = b.broadcast(sum, shape.clone());
    let least = reduce_axes(b.graph(), Reduction::Min, product, &[1], true).unwrap();
    let least = b.broadcast(least, shape);
    let y = b.sub(sum, least);
    b.finish(&[y]);
    vec![y]
}

/// The bytes of the slots outside the group's private memory, before the group runs.
fn contents(program: &Program, dice: &mut Dice) -> Vec<Vec<u8>> {
    let number = |dice: &mut Dice| dice.below(1 << 20) as f64 / f64::from(1 << 18) - 2.0;
    let bytes = |spec: &Spec, dice: &mut Dice| -> Vec<u8> {
        let elements = (0..spec.shape.size()).flat_map(|_| match spec.dtype {
            DType::F32 => (number(dice) as f32).to_ne_bytes().to_vec(),
            DType::F64 => number(dice).to_ne_bytes().to_vec(),
            _ => vec![dice.below(2) as u8; spec.dtype.size()],
        });
        elements.collect()
    };
    program.slots.iter().map(|slot| bytes(&slot.spec, dice)).collect()
}

/// The slots that a group writes and that others may read.
fn results(program: &Program, group: &RowGroup, kernel: &KernelText) -> Vec<usize> {
    let written = program.steps[group.steps.clone()]
        .iter()
        .flat_map(|step| step.writes());
    written.filter(|slot| kernel.slots.contains(slot)).collect()
}

/// The texts of all groups of a program must give the CPU's bits.
fn check_program(what: &str, program: &Program, near: Near<'_>) {
    assert!(!program.groups.is_empty(), "{what}: no group");
    for group in &program.groups {
        let kernel = rows(program, group, "rows").unwrap();
        let before = contents(program, &mut Dice(11));
        for blocks in [kernel.blocks, 1 + kernel.blocks / 3] {
            let given = interpreted(program, &kernel, &before, blocks)
                .unwrap_or_else(|fault| panic!("{what}: {fault}\n{}", kernel.text));
            let Some(level) = fused_level() else { continue };
            let expected = on_the_cpu(program, group, &before, level);
            for slot in results(program, group, &kernel) {
                let dtype = program.slots[slot].spec.dtype;
                compare(
                    &format!("{what}, slot {slot}"),
                    dtype,
                    &expected[slot],
                    &given[slot],
                    near,
                );
            }
        }
    }
}

fn on_the_cpu(
    program: &Program,
    group: &RowGroup,
    before: &[Vec<u8>],
    level: crate::cpu::level::Level,
) -> Vec<Vec<u8>> {
    let env = env(level);
    let kernel = RowsKernel::new(program, group, &env).unwrap();
    let mut memory: Vec<Aligned> = before.iter().map(|bytes| Aligned::of(bytes)).collect();
    let slots: Vec<_> = memory.iter_mut().map(Aligned::raw).collect();
    let mut registers = Aligned::of(&vec![0; kernel.register_bytes()]);
    // SAFETY: every slot has memory of its own, and the kernel its registers.
    unsafe { kernel.run(&env, &slots, registers.raw()) };
    memory.iter_mut().map(|slot| slot.bytes().to_vec()).collect()
}

fn interpreted(
    program: &Program,
    kernel: &KernelText,
    before: &[Vec<u8>],
    blocks: usize,
) -> std::result::Result<Vec<Vec<u8>>, crate::cuda::ptx::interpreter::Fault> {
    let module = Module::parse(&module(std::slice::from_ref(kernel)))?;
    let mut memory = Memory::new();
    let addresses: Vec<u64> = before.iter().map(|bytes| memory.with(bytes)).collect();
    let mut arguments: Vec<u64> = kernel.slots.iter().map(|&slot| addresses[slot]).collect();
    if kernel.scratch > 0 {
        arguments.push(memory.without_content(kernel.scratch * blocks));
    }
    let grid = Grid::all(blocks as u32, kernel.threads);
    launch(&module, &kernel.name, &mut memory, &arguments, &grid)?;
    let read = |(slot, bytes): (usize, &Vec<u8>)| memory.read(addresses[slot], bytes.len()).unwrap();
    let _ = program;
    Ok(before.iter().enumerate().map(read).collect())
}

#[test]
fn softmax_and_its_gradient_have_the_bits_of_the_cpu() {
    // Fewer elements than lanes, one block, several warps a row, more than shared memory holds.
    for shape in [[7, 10], [5, 33], [3, 64], [3, 1000], [2, 2500]] {
        for dtype in [DType::F32, DType::F64] {
            check_program(
                &format!("softmax of {dtype} {shape:?}"),
                &program(softmax, dtype, &shape),
                &exactly,
            );
        }
    }
    check_program(
        "a long softmax",
        &program(softmax, DType::F64, &[2, 9000]),
        &exactly,
    );
}

#[test]
fn batch_norm_and_its_gradient_have_the_bits_of_the_cpu() {
    for shape in [[3, 5, 4, 5], [2, 3, 33, 40], [4, 2, 10, 11], [2, 16, 1, 1100]] {
        for dtype in [DType::F32, DType::F64] {
            let program = program(batch_norm, dtype, &shape);
            assert!(
                program.groups.iter().any(|group| group.segments() > 1),
                "{shape:?} has no segments"
            );
            check_program(&format!("batch norm of {dtype} {shape:?}"), &program, &exactly);
        }
    }
}

#[test]
fn reductions_of_scattered_elements_are_near_those_of_the_cpu() {
    for (dtype, unit) in [(DType::F32, 1e-5), (DType::F64, 1e-13)] {
        let program = program(columns, dtype, &[5, 70, 3]);
        check_program("columns", &program, &|a, b| {
            (a - b).abs() <= unit * (1.0 + a.abs())
        });
    }
}
