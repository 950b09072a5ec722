//! One thread and one bounded queue per device. Plans are launched in the order of submission, off the submitting thread; a
//! [`Completion`] reports the end of a run.
//!
//! A brief plan that waits for nothing is launched on the submitting thread: handing it to the device's thread would take longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::completion::{Completion, QueueId};
use crate::error::{Error, ErrorKind, Result};
use crate::isolation::{FailedRun, Isolation};
use crate::prepared::{Dependence, Shared, launch};
use crate::profile::Recorder;
use crate::storage::Buffer;

/// One run of a plan, as the queue holds it.
pub struct QueuedRun {
    /// The plan.
    pub executable: Shared,
    /// Its inputs, in order.
    pub inputs: Vec<Buffer>,
    /// Its outputs, in order.
    pub outputs: Vec<Buffer>,
    /// Runs that write its inputs. If one of them failed, this run fails with the same error.
    pub depends: Vec<Dependence>,
    /// Completed when the run has ended.
    pub completion: Arc<Completion>,
    /// How its outputs are computed one by one if it fails; `None`: all outputs fail with it.
    pub isolation: Option<Isolation>,
    /// Records how long its steps took.
    pub recorder: Option<Arc<Recorder>>,
}

/// Runs that may wait in a queue; a further submission blocks until one of them has ended.
pub const MAX_WAITING_RUNS: usize = 256;

/// The submitting end of a device's queue.
pub struct Queue {
    sender: SyncSender<QueuedRun>,
    state: QueueState,
}

/// What the two ends of a queue share.
#[derive(Clone)]
struct QueueState {
    id: QueueId,
    /// Runs that were submitted and have not ended.
    open: Arc<AtomicUsize>,
}

impl Queue {
    /// Starts the thread of the device called `name`; it ends when the queue is dropped.
    pub fn start(name: &str) -> Result<Queue> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (sender, receiver) = sync_channel(MAX_WAITING_RUNS);
        let state = QueueState {
            id: QueueId(COUNT.fetch_add(1, Ordering::Relaxed)),
            open: Arc::new(AtomicUsize::new(0)),
        };
        let served = state.clone();
        std::thread::Builder::new()
            .name(format!("hyperglow-{name}"))
            .spawn(move || serve(&receiver, &served))
            .map_err(|e| Error::internal("device", format!("its thread did not start: {e}")))?;
        Ok(Queue { sender, state })
    }

    /// The id of the queue.
    pub fn id(&self) -> QueueId {
        self.state.id
    }

    /// Queues a run; a brief run is launched at once if the queue is empty.
    pub fn submit(&self, run: QueuedRun) -> Result<()> {
        // The exchange is atomic: a run of another thread must not use the device at the same time.
        let open = &self.state.open;
        let alone = open
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if alone && is_brief(&run) {
            serve_one(run, &self.state);
            return Ok(());
        }
        if !alone {
            open.fetch_add(1, Ordering::AcqRel);
        }
        self.sender.send(run).map_err(|_| {
            open.fetch_sub(1, Ordering::AcqRel);
            Error::internal("device", "its thread has ended")
        })
    }
}

/// Whether the submitting thread may launch the run: the plan is brief and all its dependences have ended, those on other devices too.
fn is_brief(run: &QueuedRun) -> bool {
    let prepared = run.executable.try_lock();
    prepared.is_ok_and(|prepared| prepared.is_brief())
        && run.depends.iter().all(|on| on.run.result().is_some())
}

fn serve(receiver: &Receiver<QueuedRun>, state: &QueueState) {
    while let Ok(run) = receiver.recv() {
        serve_one(run, state);
    }
}

fn serve_one(run: QueuedRun, state: &QueueState) {
    let launched = launch(
        &run.executable,
        (&run.inputs, &run.outputs),
        &run.depends,
        state.id,
        run.recorder.as_ref(),
    );
    match launched {
        Ok(None) => end(run, Ok(()), state),
        Err(error) => end(run, Err(error), state),
        // A run with failure isolation must find its inputs unchanged after a failure, so no later run may start before its end.
        Ok(Some(later)) if run.isolation.is_some() => end(run, later.wait(), state),
        Ok(Some(later)) => {
            let state = state.clone();
            later.then(move |result| end_after_dependences(run, result, &state));
        }
    }
}

/// Ends a run once its dependences have ended; it was launched before their results were known.
fn end_after_dependences(run: QueuedRun, result: Result<()>, state: &QueueState) {
    for on in &run.depends {
        let dependence = on.run.clone();
        match dependence.result() {
            Some(Ok(())) => {}
            Some(failed) => return end(run, failed, state),
            None => {
                let state = state.clone();
                return dependence.then(move |_| end_after_dependences(run, result, &state));
            }
        }
    }
    end(run, result, state);
}

fn end(run: QueuedRun, result: Result<()>, state: &QueueState) {
    let parts = run.isolation.as_ref().map(|isolation| match &result {
        Err(error) if error.kind != ErrorKind::Internal => isolation.compute(&FailedRun {
            inputs: &run.inputs,
            outputs: &run.outputs,
            depends: &run.depends,
            queue: state.id,
        }),
        _ => vec![result.clone(); isolation.completions.len()],
    });
    let QueuedRun {
        completion,
        inputs,
        outputs,
        depends,
        executable,
        isolation,
        recorder: _,
    } = run;
    // Buffers go back to their pool before the completion, so that a waiter sees them free.
    drop((inputs, outputs, depends, executable));
    // The result is set before the device is marked free: the next run must see the results of its dependences.
    if let (Some(isolation), Some(parts)) = (isolation, parts) {
        isolation.finish(parts);
    }
    completion.finish(result);
    state.open.fetch_sub(1, Ordering::AcqRel);
}
