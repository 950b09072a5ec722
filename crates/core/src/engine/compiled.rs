//! Compiled functions: traced once with placeholders for arguments and Variables, then submitted with one call.

use std::sync::Arc;

use crate::completion::Completion;
use crate::engine::cache::Plan;
use crate::engine::{Engine, Replaced, Rollback};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{NodeId, Value};
use crate::infer::infer;
use crate::op::{Op, Spec};
use crate::placement::{DeviceId, Placement};
use crate::plan::trace::cut_on;
use crate::slab::Key;

/// A function traced once.
pub(super) struct Compiled {
    pub(super) device: DeviceId,
    pub(super) plan: Plan,
    arguments: Vec<Spec>,
    variables: Vec<Key>,
    /// Per output after the results: the variable it is assigned to.
    assigned: Vec<Key>,
    results: usize,
    specs: Vec<Spec>,
    /// Variables of its own that hold captured values.
    captured: Vec<Key>,
}

/// A trace in progress.
#[derive(Default)]
pub(super) struct Tracing {
    arguments: Vec<NodeId>,
    /// Variables read: (variable, placeholder).
    pub(super) reads: Vec<(Key, NodeId)>,
    pub(super) assigned: Vec<(Key, NodeId)>,
}

impl Engine {
    pub(super) fn not_tracing(&self, what: &str) -> Result<()> {
        if self.tracing.is_none() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::State,
            what,
            "a value was asked for while a function is being compiled",
            "inside jit tensors have no values yet: return the tensor and read it outside, or use where() to choose by value",
        ))
    }

    /// Starts compiling a function.
    pub fn jit_begin(&mut self) -> Result<()> {
        self.not_tracing("jit")?;
        // Assignments made before are part of what the Variables hold when it runs.
        self.tracing = Some(Tracing::default());
        Ok(())
    }

    /// The next argument of the function being compiled.
    pub fn jit_argument(&mut self, spec: Spec, placement: Placement) -> Result<NodeId> {
        let spec = infer(&Op::Input, &[], Some(&spec))?;
        let id = self.graph.argument(spec, placement);
        self.graph.retain(id)?;
        match &mut self.tracing {
            Some(tracing) => tracing.arguments.push(id),
            None => return Err(Error::internal("jit", "an argument outside of a trace")),
        }
        Ok(id)
    }

    /// True while a function is being compiled.
    pub fn is_tracing(&self) -> bool {
        self.tracing.is_some()
    }

    /// Ends compiling; the results and the assignments made since are what the function does.
    pub fn jit_end(&mut self, results: &[NodeId]) -> Result<Key> {
        let tracing = self
            .tracing
            .take()
            .ok_or_else(|| Error::internal("jit", "no trace to end"))?;
        let compiled = self.compile(&tracing, results);
        self.drop_tracing(tracing);
        Ok(self.compiled.insert(compiled?))
    }

    /// Gives up compiling.
    pub fn jit_abort(&mut self) {
        if let Some(tracing) = self.tracing.take() {
            self.drop_tracing(tracing);
        }
    }

    fn drop_tracing(&mut self, tracing: Tracing) {
        let reads = tracing.reads.iter().map(|(_, id)| *id);
        let assigned = tracing.assigned.iter().map(|(_, id)| *id);
        for id in tracing
            .arguments
            .iter()
            .copied()
            .chain(reads)
            .chain(assigned)
            .collect::<Vec<_>>()
        {
            let _ = self.graph.release(id);
        }
    }

    /// The device of a function's arguments, Variables and results.
    fn device_of_function(&self, tracing: &Tracing, targets: &[NodeId]) -> Result<DeviceId> {
        let read = tracing.reads.iter().map(|(_, id)| id);
        let mut common: Option<DeviceId> = None;
        for &id in targets.iter().chain(&tracing.arguments).chain(read) {
            let placement = self.graph.node(id)?.placement;
            if placement.is_free {
                continue;
            }
            let first = *common.get_or_insert(placement.device);
            if first != placement.device {
                let names = [first, placement.device].map(|device| self.graph.device_name(device));
                return Err(Error::new(
                    ErrorKind::Device,
                    "jit",
                    format!(
                        "arguments, Variables or results on \"{}\" and on \"{}\"; a compiled function runs on one device",
                        names[0], names[1]
                    ),
                    "bring its arguments there before it is called, with x.to(device), or compile a function for each device",
                ));
            }
        }
        Ok(common.unwrap_or(self.graph.default_device()))
    }

    fn compile(&mut self, tracing: &Tracing, results: &[NodeId]) -> Result<Compiled> {
        let mut targets = results.to_vec();
        targets.extend(tracing.assigned.iter().map(|(_, id)| *id));
        let device = self.device_of_function(tracing, &targets)?;
        self.queue_transfers(&targets, &[])?;
        let mut leaves = tracing.arguments.clone();
        leaves.extend(tracing.reads.iter().map(|(_, id)| *id));
        let mut cut = cut_on(&self.graph, device, &targets, &leaves)?;
        // Values that existed before the trace are captured as Variables of the function.
        let mut variables: Vec<Key> = tracing.reads.iter().map(|(v, _)| *v).collect();
        for &id in &cut.sources[leaves.len()..] {
            self.value_on(self.graph.node(id)?.placement.device, id)?;
        }
        let mut captured = Vec::new();
        for &id in &cut.sources[leaves.len()..] {
            captured.push(self.capture(id, device)?);
        }
        variables.extend(&captured);
        for (k, (v, _)) in tracing.reads.iter().enumerate() {
            let replaced = tracing.assigned.iter().any(|(a, _)| a == v);
            cut.trace.expendable[tracing.arguments.len() + k] = replaced;
        }
        let plan = self.plan(device, &cut.trace)?;
        let specs = targets
            .iter()
            .map(|&id| self.graph.spec(id).cloned())
            .collect::<Result<_>>()?;
        let arguments = tracing
            .arguments
            .iter()
            .map(|&id| self.graph.spec(id).cloned())
            .collect::<Result<_>>()?;
        Ok(Compiled {
            device,
            plan,
            arguments,
            variables,
            assigned: tracing.assigned.iter().map(|(v, _)| *v).collect(),
            results: results.len(),
            specs,
            captured,
        })
    }

    /// The spec of argument `index` of a compiled function; `None` if there is no such argument or function.
    pub fn jit_takes(&self, function: Key, index: usize) -> Option<&Spec> {
        self.compiled.get(function)?.arguments.get(index)
    }

    /// Queues a run of a compiled function; its results are new handles.
    pub fn jit_run(&mut self, function: Key, arguments: &[NodeId]) -> Result<(Vec<NodeId>, Arc<Completion>)> {
        self.not_tracing("jit")?;
        self.settle();
        self.check_arguments(function, arguments)?;
        self.compute_inputs(function, arguments)?;
        let compiled = self
            .compiled
            .get(function)
            .ok_or_else(|| Error::internal("jit", "no such function"))?;
        let device = compiled.device;
        let mut inputs = arguments
            .iter()
            .map(|&id| self.value_on(device, id))
            .collect::<Result<Vec<_>>>()?;
        let mut exclusive = vec![false; inputs.len()];
        for &v in &compiled.variables {
            let id = self.existing(v)?.node;
            let node = self.graph.node(id)?;
            exclusive.push(node.handles == 1 && node.uses == 0);
            inputs.push(self.value_on(device, id)?);
        }
        let (outputs, completion) = self.submit(
            device,
            &compiled.plan,
            inputs,
            &compiled.specs,
            |k| exclusive[k],
            None,
        )?;
        let can_fail = completion.may_fail() && !completion.is_done();
        let (assigned, results, specs) = (
            compiled.assigned.clone(),
            compiled.results,
            compiled.specs.clone(),
        );
        let mut handles = Vec::with_capacity(results);
        let mut versions = Vec::new();
        for (j, (buffer, spec)) in outputs.into_iter().zip(specs).enumerate() {
            let value = Value {
                buffer,
                completion: Some(completion.clone()),
            };
            let id = self.graph.add_value(spec, Placement::on(device), value);
            let Some(&v) = j.checked_sub(results).and_then(|i| assigned.get(i)) else {
                handles.push(id);
                continue;
            };
            let Some(variable) = self.variables.get_mut(v) else {
                self.graph.release(id)?;
                continue;
            };
            variable.version += 1;
            let old = std::mem::replace(&mut variable.node, id);
            if can_fail {
                versions.push(Replaced {
                    variable: v,
                    old: Some(old),
                    new: id,
                    assignments: 1,
                });
            } else {
                self.graph.release(old)?;
            }
        }
        if !versions.is_empty() {
            self.rollbacks.push(Rollback {
                completion: completion.clone(),
                versions,
            });
        }
        Ok((handles, completion))
    }

    /// Queues the runs that compute pending arguments, the Variables that the function reads, and other pending assignments.
    fn compute_inputs(&mut self, function: Key, arguments: &[NodeId]) -> Result<()> {
        let compiled = self.compiled.get(function);
        let mut needed = Vec::new();
        for &id in arguments {
            if self.graph.node(id)?.value.is_none() {
                needed.push(id);
            }
        }
        for &v in compiled.iter().flat_map(|compiled| &compiled.variables) {
            let id = self.existing(v)?.node;
            if self.graph.node(id)?.value.is_none() {
                needed.push(id);
            }
        }
        if !needed.is_empty() || !self.dirty.is_empty() {
            self.evaluate(&needed)?;
        }
        Ok(())
    }

    fn check_arguments(&self, function: Key, arguments: &[NodeId]) -> Result<()> {
        let expected = match self.compiled.get(function) {
            Some(compiled) => &compiled.arguments,
            None => return Err(Error::internal("jit", "no such function")),
        };
        if expected.len() != arguments.len() {
            return Err(Error::argument(
                "jit",
                format!("{} arguments, expected {}", arguments.len(), expected.len()),
                "",
            ));
        }
        let device = self.compiled.get(function).map(|compiled| compiled.device);
        for (&id, want) in arguments.iter().zip(expected) {
            let placement = self.graph.node(id)?.placement;
            if let Some(device) = device.filter(|&device| !placement.fits(device)) {
                return Err(self.graph.on_two_devices("jit", device, placement.device));
            }
            if self.graph.spec(id)? != want {
                let given = self.graph.spec(id)?;
                return Err(Error::shape(
                    "jit",
                    format!(
                        "given {} {}, compiled for {} {}",
                        given.dtype, given.shape, want.dtype, want.shape
                    ),
                    "",
                ));
            }
        }
        Ok(())
    }

    /// Releases a compiled function.
    pub fn jit_release(&mut self, function: Key) {
        if let Some(compiled) = self.compiled.remove(function) {
            for v in compiled.captured {
                let _ = self.release_variable(v);
            }
        }
    }
}
