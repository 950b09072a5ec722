//! One thread and one bounded queue per device. Plans run in the order in which they were submitted, off
//! the thread that submits; whoever waits is told by a [`Completion`].
//!
//! A plan that is known to take less time than the way to the device's thread and back, and that has nothing to wait
//! for, runs on the submitting thread at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::apart::{Apart, Given};
use crate::backend::{Backend, Buffer, Executable};
use crate::error::{Error, ErrorKind, Result};
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
    /// True when it has ended well.
    pub fn is_done(&self) -> bool {
        matches!(self.lock().result, Some(Ok(())))
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
    pub(crate) fn finish(&self, result: Result<()>) {
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
    /// How long it took, smoothed over the runs after the first; none before.
    takes: Option<Duration>,
}

/// Runs that take less than this may keep the submitting thread.
const BRIEF: Duration = Duration::from_millis(1);

impl Prepared {
    /// A plan still to be prepared by `backend`.
    pub fn new(backend: Arc<dyn Backend>, program: Arc<Program>) -> Prepared {
        Prepared {
            backend,
            program,
            executable: None,
            takes: None,
        }
    }

    fn run(&mut self, inputs: &[Buffer], outputs: &[Buffer]) -> Result<()> {
        let Some(executable) = &mut self.executable else {
            let executable = self
                .executable
                .insert(self.backend.prepare(self.program.clone())?);
            return executable.run(inputs, outputs);
        };
        let start = Instant::now();
        let result = executable.run(inputs, outputs);
        let now = start.elapsed();
        self.takes = Some(self.takes.map_or(now, |before| (before * 3 + now) / 4));
        result
    }

    /// How the device runs the plan, see [`Executable::describe`]; it is prepared if it was not.
    ///
    /// # Errors
    /// Those of preparing it.
    pub fn describe(&mut self) -> Result<String> {
        if self.executable.is_none() {
            self.executable = Some(self.backend.prepare(self.program.clone())?);
        }
        Ok(self
            .executable
            .as_ref()
            .map_or_else(String::new, |executable| executable.describe()))
    }

    fn is_brief(&self) -> bool {
        self.takes.is_some_and(|takes| takes < BRIEF)
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
    pub depends: Vec<Dependence>,
    /// Told when it has ended.
    pub completion: Arc<Completion>,
    /// How its outputs are computed one by one where it fails; without, all of them fail with it.
    pub apart: Option<Apart>,
}

/// An input that another run writes.
#[derive(Clone)]
pub struct Dependence {
    /// Number of the input.
    pub input: usize,
    /// The run that writes it.
    pub run: Arc<Completion>,
}

/// Runs that may wait in a queue; a further submission blocks until one has ended.
pub const CAPACITY: usize = 256;

/// The submitting end of a device's queue.
pub struct Queue {
    sender: SyncSender<Job>,
    /// Runs that were submitted and have not ended.
    open: Arc<AtomicUsize>,
}

impl Queue {
    /// Starts the thread of the device called `name`; it ends when the queue is dropped.
    pub fn start(name: &str) -> Result<Queue> {
        let (sender, receiver) = sync_channel(CAPACITY);
        let open = Arc::new(AtomicUsize::new(0));
        let ended = open.clone();
        std::thread::Builder::new()
            .name(format!("hyperglow-{name}"))
            .spawn(move || serve(&receiver, &ended))
            .map_err(|e| Error::internal("device", format!("its thread did not start: {e}")))?;
        Ok(Queue { sender, open })
    }

    /// Puts a run in the queue, or runs it at once if that is brief and nothing is before it.
    pub fn submit(&self, job: Job) -> Result<()> {
        // Nobody else may start in between: a run on another thread would use the device at the same time.
        let alone = self
            .open
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if alone && is_brief(&job) {
            serve_one(job, &self.open);
            return Ok(());
        }
        if !alone {
            self.open.fetch_add(1, Ordering::AcqRel);
        }
        self.sender.send(job).map_err(|_| {
            self.open.fetch_sub(1, Ordering::AcqRel);
            Error::internal("device", "its thread has ended")
        })
    }
}

fn is_brief(job: &Job) -> bool {
    job.executable
        .try_lock()
        .is_ok_and(|prepared| prepared.is_brief())
}

fn serve(receiver: &Receiver<Job>, open: &AtomicUsize) {
    while let Ok(job) = receiver.recv() {
        serve_one(job, open);
    }
}

fn serve_one(job: Job, open: &AtomicUsize) {
    let result = run(&job);
    let parts = job.apart.as_ref().map(|apart| match &result {
        Err(error) if error.kind != ErrorKind::Internal => apart.compute(&Given {
            inputs: &job.inputs,
            outputs: &job.outputs,
            depends: &job.depends,
        }),
        _ => vec![result.clone(); apart.completions.len()],
    });
    let Job {
        completion,
        inputs,
        outputs,
        depends,
        executable,
        apart,
    } = job;
    // Buffers go back to their pool before anyone is told, so that a waiter sees them free.
    drop((inputs, outputs, depends, executable));
    // First the result is there, then the device is free: a run that starts at once must see what it depends on.
    if let (Some(apart), Some(parts)) = (apart, parts) {
        apart.finish(parts);
    }
    completion.finish(result);
    open.fetch_sub(1, Ordering::AcqRel);
}

/// Runs a job, telling nobody. A failed run has written no input, unless the error is internal.
pub(crate) fn run(job: &Job) -> Result<()> {
    for on in &job.depends {
        if let Some(Err(e)) = on.run.result() {
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
