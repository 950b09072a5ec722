//! Whether a run is done, and how it ended.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

type Waiter = Box<dyn FnOnce(Result<()>) + Send>;

/// Tells the end of a run.
#[derive(Default)]
pub struct Completion {
    state: Mutex<State>,
    done: Condvar,
    /// The queue in whose order it runs, of a run that nothing makes fail but a fault of the device.
    sure_on: Option<QueueId>,
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
    /// A run on this queue that has not ended, and that neither refuses nor needs what may fail.
    pub fn sure(queue: QueueId) -> Arc<Completion> {
        Arc::new(Completion {
            sure_on: Some(queue),
            ..Completion::default()
        })
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether what it does may have to be taken back.
    pub fn may_fail(&self) -> bool {
        self.sure_on.is_none()
    }
    /// Whether what comes behind it on this queue may be launched before it has ended.
    pub fn is_sure_on(&self, queue: QueueId) -> bool {
        self.sure_on == Some(queue)
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
    /// Calls `waiter` with the result, on the thread that tells it, or at once if it has ended.
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

/// The end of a run that goes on after its launch has returned: whoever holds it tells the end, once, from any thread.
/// If it is dropped without, the run has failed.
pub struct Ending(Option<Arc<Completion>>);

impl Ending {
    /// Of a run whose end `completion` tells.
    pub(crate) fn of(completion: Arc<Completion>) -> Ending {
        Ending(Some(completion))
    }
    /// Tells how it ended; what it wrote can be read from now on.
    pub fn tell(mut self, result: Result<()>) {
        if let Some(completion) = self.0.take() {
            completion.finish(result);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(completion) = self.0.take() {
            completion.finish(Err(Error::internal("run", "the device did not tell its end")));
        }
    }
}
