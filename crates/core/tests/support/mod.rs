//! Devices for tests that wrap the reference device.

/// Defines a method of `Device` or `Backend` that calls the same method of `self.reference`.
macro_rules! forward {
    (limits) => {
        fn limits(&self) -> &hyperglow_core::device::Limits {
            self.reference.limits()
        }
    };
    (kernel) => {
        fn kernel(
            &self,
            op: &hyperglow_core::Op,
            inputs: &[&hyperglow_core::op::Spec],
            output: &hyperglow_core::op::Spec,
        ) -> hyperglow_core::Result<Option<std::sync::Arc<dyn hyperglow_core::device::Kernel>>> {
            self.reference.kernel(op, inputs, output)
        }
    };
    (allocate) => {
        fn allocate(&self, bytes: usize) -> hyperglow_core::Result<hyperglow_core::storage::Buffer> {
            self.reference.allocate(bytes)
        }
    };
    (upload) => {
        fn upload(&self, bytes: &[u8]) -> hyperglow_core::Result<hyperglow_core::storage::Buffer> {
            self.reference.upload(bytes)
        }
    };
    (memory) => {
        fn memory(&self) -> hyperglow_core::backend::MemoryUse {
            self.reference.memory()
        }
    };
    (prepare) => {
        fn prepare(
            &self,
            program: std::sync::Arc<hyperglow_core::plan::Program>,
        ) -> hyperglow_core::Result<Box<dyn hyperglow_core::backend::Executable>> {
            self.reference.prepare(program)
        }
    };
}
pub(crate) use forward;
