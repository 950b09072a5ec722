//! One thread and one bounded queue per device. Plans run in the order in which they were submitted, off
//! the thread that submits; whoever waits is told by a [`Completion`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::backend::{Backend, Buffer, Executable};
use crate::error::{Error, Result};
use crate::plan::Program;

type Waiter = Box<dyn FnOnce(Result<()>) + Send>;

/// Whether a run is done, and how it ended.
#[derive(Default)]
pub struct Completion {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Default)]
struct State {
    result: Option<Result<()>>,
    waiters: Vec<Waiter>,
}

impl Completion {
    /// A run that has not ended.
    pub fn new() -> Arc<Completion> {
        Arc::new(Completion::default())
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// How it ended; `None` while it has not.
    pub fn result(&self) -> Option<Result<()>> {
        self.lock().result.clone()
    }
    /// Blocks until it has ended.
    pub fn wait(&self) -> Result<()> {
        let mut state = self.lock();
        loop {
            if let Some(result) = &state.result {
                return result.clone();
            }
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
    /// Calls `waiter` with the result, on the device's thread, or at once if it has ended.
    pub fn then(&self, waiter: impl FnOnce(Result<()>) + Send + 'static) {
        let mut state = self.lock();
        match state.result.clone() {
            Some(result) => {
                drop(state);
                waiter(result);
            }
            None => state.waiters.push(Box::new(waiter)),
        }
    }
    fn finish(&self, result: Result<()>) {
        let waiters = {
            let mut state = self.lock();
            state.result = Some(result.clone());
            std::mem::take(&mut state.waiters)
        };
        self.done.notify_all();
        for waiter in waiters {
            waiter(result.clone());
        }
    }
}

/// A plan that is prepared when it runs first, on the device's thread: memory and code for a large plan take
/// longer than the submitting thread may wait.
pub struct Prepared {
    backend: Arc<dyn Backend>,
    program: Arc<Program>,
    executable: Option<Box<dyn Executable>>,
}

impl Prepared {
    /// A plan still to be prepared by `backend`.
    pub fn new(backend: Arc<dyn Backend>, program: Arc<Program>) -> Prepared {
        Prepared {
            backend,
            program,
            executable: None,
        }
    }

    fn run(&mut self, inputs: &[Buffer], outputs: &[Buffer]) -> Result<()> {
        let executable = match &mut self.executable {
            Some(executable) => executable,
            none => none.insert(self.backend.prepare(self.program.clone())?),
        };
        executable.run(inputs, outputs)
    }
}

/// A plan, shared between the cache and the queue.
pub type Shared = Arc<Mutex<Prepared>>;

/// One run of a plan.
pub struct Job {
    /// The plan.
    pub executable: Shared,
    /// Its inputs, in order.
    pub inputs: Vec<Buffer>,
    /// Its outputs, in order.
    pub outputs: Vec<Buffer>,
    /// Runs that write its inputs; if one failed, so does this, with the same error.
    pub depends: Vec<Arc<Completion>>,
    /// Told when it has ended.
    pub completion: Arc<Completion>,
}

/// Runs that may wait in a queue; a further submission blocks until one has ended.
pub const CAPACITY: usize = 256;

/// The submitting end of a device's queue.
pub struct Queue {
    sender: SyncSender<Job>,
}

impl Queue {
    /// Starts the thread of the device called `name`; it ends when the queue is dropped.
    pub fn start(name: &str) -> Result<Queue> {
        let (sender, receiver) = sync_channel(CAPACITY);
        std::thread::Builder::new()
            .name(format!("hyperglow-{name}"))
            .spawn(move || serve(&receiver))
            .map_err(|e| Error::internal("device", format!("its thread did not start: {e}")))?;
        Ok(Queue { sender })
    }

    /// Puts a run in the queue.
    pub fn submit(&self, job: Job) -> Result<()> {
        self.sender
            .send(job)
            .map_err(|_| Error::internal("device", "its thread has ended"))
    }
}

fn serve(receiver: &Receiver<Job>) {
    while let Ok(job) = receiver.recv() {
        let result = run(&job);
        let Job {
            completion,
            inputs,
            outputs,
            depends,
            executable,
        } = job;
        // Buffers go back to their pool before anyone is told, so that a waiter sees them free.
        drop((inputs, outputs, depends, executable));
        completion.finish(result);
    }
}

fn run(job: &Job) -> Result<()> {
    for run in &job.depends {
        if let Some(Err(e)) = run.result() {
            return Err(e);
        }
    }
    let mut executable = job.executable.lock().unwrap_or_else(PoisonError::into_inner);
    catch_unwind(AssertUnwindSafe(|| executable.run(&job.inputs, &job.outputs)))
        .unwrap_or_else(|panic| Err(Error::internal("run", panic_text(&*panic))))
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panicked".into())
}
