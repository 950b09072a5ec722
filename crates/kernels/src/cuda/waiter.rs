//! The ends of runs: a thread waits for the event after each run, in order, and completes it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::result;
use cudarc::driver::sys;
use hyperglow_core::completion::CompletionSender;
use hyperglow_core::{Error, Result};

use super::gpu::Gpu;
use super::gpu::storage::{Pinned, event};
use super::refusal::{Record, Refusal};

/// The event after a run, and pinned memory for its record; used again after the run.
pub(super) struct Ticket {
    pub event: sys::CUevent,
    pub record: Pinned,
}

// SAFETY: its handles belong to the process.
unsafe impl Send for Ticket {}

/// What each step of a program refuses, with its scope.
pub(super) type Refusals = Arc<[Option<(Refusal, String)>]>;

/// A run that goes on.
pub(super) struct Running {
    pub ticket: Ticket,
    pub sender: CompletionSender,
    /// `None`: no step refuses anything, and the record is not written.
    pub refusals: Option<Refusals>,
}

/// The thread, and the tickets that no run uses.
pub(super) struct Waiter {
    runs: Sender<Running>,
    tickets: Arc<Mutex<Vec<Ticket>>>,
}

impl Waiter {
    /// Starts the thread; it ends when the waiter is dropped and all runs have ended.
    pub fn start(gpu: Arc<Gpu>) -> Result<Waiter> {
        let (runs, receiver) = channel();
        let tickets = Arc::new(Mutex::new(Vec::new()));
        let returned = tickets.clone();
        std::thread::Builder::new()
            .name(format!("hyperglow-{}-ends", gpu.device))
            .spawn(move || serve(&gpu, &receiver, &returned))
            .map_err(|e| Error::internal("device", format!("its thread did not start: {e}")))?;
        Ok(Waiter { runs, tickets })
    }

    /// A ticket for a run. The context must be this thread's.
    pub fn ticket(&self, gpu: &Gpu) -> Result<Ticket> {
        let free = self.tickets.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match free {
            Some(ticket) => Ok(ticket),
            None => Ok(Ticket {
                event: event(gpu)?,
                record: Pinned::new(gpu, size_of::<Record>())?,
            }),
        }
    }

    /// Completes a run when its event has come.
    pub fn wait_for(&self, run: Running) -> Result<()> {
        self.runs
            .send(run)
            .map_err(|_| Error::internal("device", "its thread has ended"))
    }
}

fn serve(gpu: &Gpu, runs: &Receiver<Running>, tickets: &Mutex<Vec<Ticket>>) {
    while let Ok(Running {
        ticket,
        sender,
        refusals,
    }) = runs.recv()
    {
        let result = end(gpu, &ticket, refusals.as_deref());
        tickets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(ticket);
        sender.complete(result);
    }
}

/// Waits for a run and reads what it refused.
fn end(gpu: &Gpu, ticket: &Ticket, refusals: Option<&[Option<(Refusal, String)>]>) -> Result<()> {
    gpu.bind()?;
    // SAFETY: the event is alive.
    unsafe { result::event::synchronize(ticket.event) }.map_err(|e| gpu.fault("computing", e))?;
    let Some(refusals) = refusals else {
        return Ok(());
    };
    // SAFETY: the run has copied its record there, and the copy came before the event.
    let record = unsafe { ticket.record.start.cast::<Record>().read() };
    let Some((step, element)) = record.refused() else {
        return Ok(());
    };
    match refusals.get(step) {
        Some(Some((refusal, scope))) => Err(refusal.error(element, &record).within(scope)),
        _ => Err(Error::internal(
            "run",
            format!("step {step} refused what it cannot refuse"),
        )),
    }
}
