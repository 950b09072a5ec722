//! Plans as text.

use std::fmt::Write;
use std::sync::TryLockError;

use crate::engine::Engine;
use crate::engine::cache::Plan;
use crate::error::{Error, Result};
use crate::graph::NodeId;
use crate::placement::DeviceId;
use crate::plan::print::print;
use crate::plan::trace::cut;
use crate::prepared::Prepared;
use crate::slab::Key;

impl Engine {
    /// The plans that would compute `targets`, as text, and how the devices would run them.
    pub fn explain(&mut self, targets: &[NodeId]) -> Result<String> {
        let mut text = String::new();
        self.explain_into(targets, &mut text)?;
        if text.is_empty() {
            text += "nothing to run: the values are there\n";
        }
        Ok(text)
    }

    /// First the plans of other devices, then the copies from there, then the plans of `targets`.
    fn explain_into(&mut self, targets: &[NodeId], text: &mut String) -> Result<()> {
        let (mut before, transfers) = self.foreign_dependences(targets)?;
        for &id in &transfers {
            before.extend(&self.graph.node(id)?.inputs);
        }
        if !before.is_empty() {
            self.explain_into(&before, text)?;
        }
        for &id in &transfers {
            let node = self.graph.node(id)?;
            let from = self.graph.node(node.inputs[0])?.placement.device;
            let [from, to] = [from, node.placement.device].map(|device| self.graph.device_name(device));
            writeln!(
                text,
                "{} {} from {from} to {to}",
                node.spec.dtype, node.spec.shape
            )
            .ok();
        }
        let mut wanted = Vec::new();
        for &id in targets {
            if self.graph.node(id)?.value.is_none() && !transfers.contains(&id) {
                wanted.push(id);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        for group in self.by_device(&wanted)? {
            *text += &self.explain_group(&group)?;
        }
        Ok(())
    }

    /// The plan of nodes of one device, as text, and how the device would run it.
    fn explain_group(&mut self, wanted: &[NodeId]) -> Result<String> {
        let cut = cut(&self.graph, wanted, &[])?;
        let plan = self.plan(cut.device, &cut.trace)?;
        Ok(print(&plan.program) + &self.described(cut.device, &plan)?)
    }

    /// The plan of a compiled function, as text, and how the device would run it.
    ///
    /// # Errors
    /// Those of preparing it.
    pub fn jit_explain(&self, function: Key) -> Result<String> {
        let compiled = self.compiled.get(function);
        let compiled = compiled.ok_or_else(|| Error::internal("jit", "no such function"))?;
        Ok(print(&compiled.plan.program) + &self.described(compiled.device, &compiled.plan)?)
    }

    /// How a device runs a plan.
    pub(super) fn described(&self, device: DeviceId, plan: &Plan) -> Result<String> {
        match plan.executable.try_lock() {
            Ok(mut prepared) => prepared.describe(),
            Err(TryLockError::Poisoned(prepared)) => prepared.into_inner().describe(),
            // The executable is running: prepare another instead of waiting.
            Err(TryLockError::WouldBlock) => {
                let backend = self.device_state(device)?.backend.clone();
                Prepared::Planned(backend, plan.program.clone()).describe()
            }
        }
    }
}
