//! A plan that is prepared on its first run, on the device's thread: allocating memory and generating code for a large plan
//! would block the submitting thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::{Backend, Executable, Launch};
use crate::completion::{Completion, QueueId};
use crate::error::{Error, Result};
use crate::plan::Program;
use crate::profile::Recorder;
use crate::storage::Buffer;

/// A plan, prepared or not.
pub enum Prepared {
    /// Still to be prepared by the backend.
    Planned(Arc<dyn Backend>, Arc<Program>),
    /// Ready to run.
    Ready(Box<dyn Executable>),
}

impl Prepared {
    fn executable(&mut self) -> Result<&mut dyn Executable> {
        if let Prepared::Planned(backend, program) = self {
            *self = Prepared::Ready(backend.prepare(program.clone())?);
        }
        match self {
            Prepared::Ready(executable) => Ok(executable.as_mut()),
            Prepared::Planned(..) => Err(Error::internal("run", "a plan was prepared in vain")),
        }
    }

    /// How the device runs the plan, see [`Executable::describe`]; it is prepared if it was not.
    ///
    /// # Errors
    /// Those of preparing it.
    pub fn describe(&mut self) -> Result<String> {
        Ok(self.executable()?.describe())
    }

    /// Whether a launch may keep the submitting thread, see [`Executable::is_brief`].
    pub fn is_brief(&self) -> bool {
        matches!(self, Prepared::Ready(executable) if executable.is_brief())
    }
}

/// A plan, shared between the cache and the queue.
pub type Shared = Arc<Mutex<Prepared>>;

/// An input that another run writes.
#[derive(Clone)]
pub struct Dependence {
    /// Number of the input.
    pub input: usize,
    /// The run that writes it.
    pub run: Arc<Completion>,
    /// Whether it must have ended before this one is launched, even if nothing makes it fail.
    pub must_have_ended: bool,
}

/// Launches a run on `queue` once its dependences allow it. Returns the completion of a run that goes on; `None` if it has ended.
/// A failed dependence fails the run with the same error. A failed run has written no input, unless the error is internal.
pub fn launch(
    plan: &Shared,
    buffers: (&[Buffer], &[Buffer]),
    depends: &[Dependence],
    queue: QueueId,
    recorder: Option<&Arc<Recorder>>,
) -> Result<Option<Arc<Completion>>> {
    for on in depends {
        if on.must_have_ended || !on.run.is_infallible_on(queue) {
            on.run.wait()?;
        } else if let Some(Err(e)) = on.run.result() {
            return Err(e);
        }
    }
    let mut prepared = plan.lock().unwrap_or_else(PoisonError::into_inner);
    let mut run = Launch::new(buffers.0, buffers.1).recorded(recorder);
    catch_unwind(AssertUnwindSafe(|| prepared.executable()?.launch(&mut run)))
        .unwrap_or_else(|panic| Err(Error::internal("run", panic_text(&*panic))))?;
    Ok(run.deferred())
}

/// The message of a panic.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panicked".into())
}
