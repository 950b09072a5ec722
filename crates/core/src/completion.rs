//! Completions: whether a run has ended, and with which result.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

type Waiter = Box<dyn FnOnce(Result<()>) + Send>;

/// The result of a run, once it has ended.
#[derive(Default)]
pub struct Completion {
    state: Mutex<State>,
    done: Condvar,
    /// The queue of an infallible run: one that only a fault of the device can fail.
    infallible_on: Option<QueueId>,
}

/// Names a [queue](crate::run::Queue).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueId(pub u64);

#[derive(Default)]
struct State {
    result: Option<Result<()>>,
    waiters: Vec<Waiter>,
}

impl Completion {
    /// A run that has not ended, and that may fail.
    pub fn new() -> Arc<Completion> {
        Arc::new(Completion::default())
    }
    /// An infallible run on this queue that has not ended: no step refuses values and no dependence may fail.
    pub fn infallible(queue: QueueId) -> Arc<Completion> {
        Arc::new(Completion {
            infallible_on: Some(queue),
            ..Completion::default()
        })
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether the assignments of the run may have to be rolled back.
    pub fn may_fail(&self) -> bool {
        self.infallible_on.is_none()
    }
    /// Whether a later run on this queue may be launched before this one has ended.
    pub fn is_infallible_on(&self, queue: QueueId) -> bool {
        self.infallible_on == Some(queue)
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
    /// Calls `waiter` with the result, on the thread that completes the run; at once if the run has ended.
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

/// Completes a run that goes on after its launch has returned, once, from any thread. Dropping it fails the run.
pub struct CompletionSender(Option<Arc<Completion>>);

impl CompletionSender {
    /// The sender of a run whose result `completion` holds.
    pub(crate) fn of(completion: Arc<Completion>) -> CompletionSender {
        CompletionSender(Some(completion))
    }
    /// Completes the run with a result; its outputs can be read from now on.
    pub fn complete(mut self, result: Result<()>) {
        if let Some(completion) = self.0.take() {
            completion.finish(result);
        }
    }
}

impl Drop for CompletionSender {
    fn drop(&mut self) {
        if let Some(completion) = self.0.take() {
            completion.finish(Err(Error::internal("run", "the device did not tell its end")));
        }
    }
}
