//! One thread and one bounded queue per device. Plans are launched in the order in which they were submitted, off
//! the thread that submits; whoever waits is told by a [`Completion`].
//!
//! A plan whose launch takes less time than the way to the device's thread and back, and that has nothing to wait
//! for, is launched on the submitting thread at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::apart::{Apart, Given};
use crate::completion::{Completion, QueueId};
use crate::error::{Error, ErrorKind, Result};
use crate::prepared::{Dependence, Shared, launch};
use crate::profile::Recorder;
use crate::storage::Buffer;

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
    /// Told how long its steps took.
    pub recorder: Option<Arc<Recorder>>,
}

/// Runs that may wait in a queue; a further submission blocks until one has ended.
pub const CAPACITY: usize = 256;

/// The submitting end of a device's queue.
pub struct Queue {
    sender: SyncSender<Job>,
    line: Line,
}

/// What the two ends of a queue share.
#[derive(Clone)]
struct Line {
    id: QueueId,
    /// Runs that were submitted and have not ended.
    open: Arc<AtomicUsize>,
}

impl Queue {
    /// Starts the thread of the device called `name`; it ends when the queue is dropped.
    pub fn start(name: &str) -> Result<Queue> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (sender, receiver) = sync_channel(CAPACITY);
        let line = Line {
            id: QueueId(COUNT.fetch_add(1, Ordering::Relaxed)),
            open: Arc::new(AtomicUsize::new(0)),
        };
        let served = line.clone();
        std::thread::Builder::new()
            .name(format!("hyperglow-{name}"))
            .spawn(move || serve(&receiver, &served))
            .map_err(|e| Error::internal("device", format!("its thread did not start: {e}")))?;
        Ok(Queue { sender, line })
    }

    /// Its name.
    pub fn id(&self) -> QueueId {
        self.line.id
    }

    /// Puts a run in the queue, or launches it at once if that is brief and nothing is before it.
    pub fn submit(&self, job: Job) -> Result<()> {
        // Nobody else may start in between: a run on another thread would use the device at the same time.
        let open = &self.line.open;
        let alone = open
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if alone && is_brief(&job) {
            serve_one(job, &self.line);
            return Ok(());
        }
        if !alone {
            open.fetch_add(1, Ordering::AcqRel);
        }
        self.sender.send(job).map_err(|_| {
            open.fetch_sub(1, Ordering::AcqRel);
            Error::internal("device", "its thread has ended")
        })
    }
}

/// Whether the submitting thread may launch it: there is nothing to wait for, on another device either.
fn is_brief(job: &Job) -> bool {
    let prepared = job.executable.try_lock();
    prepared.is_ok_and(|prepared| prepared.is_brief())
        && job.depends.iter().all(|on| on.run.result().is_some())
}

fn serve(receiver: &Receiver<Job>, line: &Line) {
    while let Ok(job) = receiver.recv() {
        serve_one(job, line);
    }
}

fn serve_one(job: Job, line: &Line) {
    let launched = launch(
        &job.executable,
        (&job.inputs, &job.outputs),
        &job.depends,
        line.id,
        job.recorder.as_ref(),
    );
    match launched {
        Ok(None) => end(job, Ok(()), line),
        Err(error) => end(job, Err(error), line),
        // What is computed in parts if it fails must find its inputs as they were: nothing else may be launched before.
        Ok(Some(later)) if job.apart.is_some() => end(job, later.wait(), line),
        Ok(Some(later)) => {
            let line = line.clone();
            later.then(move |result| end_after_dependences(job, result, &line));
        }
    }
}

/// Ends a run once those have ended that it depends on: it was launched before it was known how.
fn end_after_dependences(job: Job, result: Result<()>, line: &Line) {
    for on in &job.depends {
        let run = on.run.clone();
        match run.result() {
            Some(Ok(())) => {}
            Some(failed) => return end(job, failed, line),
            None => {
                let line = line.clone();
                return run.then(move |_| end_after_dependences(job, result, &line));
            }
        }
    }
    end(job, result, line);
}

fn end(job: Job, result: Result<()>, line: &Line) {
    let parts = job.apart.as_ref().map(|apart| match &result {
        Err(error) if error.kind != ErrorKind::Internal => apart.compute(&Given {
            inputs: &job.inputs,
            outputs: &job.outputs,
            depends: &job.depends,
            queue: line.id,
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
        recorder: _,
    } = job;
    // Buffers go back to their pool before anyone is told, so that a waiter sees them free.
    drop((inputs, outputs, depends, executable));
    // First the result is there, then the device is free: a run that starts at once must see what it depends on.
    if let (Some(apart), Some(parts)) = (apart, parts) {
        apart.finish(parts);
    }
    completion.finish(result);
    line.open.fetch_sub(1, Ordering::AcqRel);
}
