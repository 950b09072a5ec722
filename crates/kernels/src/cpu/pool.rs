//! A fork-join thread pool. After a job a worker spins for some microseconds, because the next job of a plan usually comes at once,
//! and then parks, so that an idle process uses no processor time.
//!
//! Tasks are taken from a shared counter. No result depends on which worker runs a task or when. The caller waits only for workers
//! that have started its job, not for workers that come too late, so a busy machine delays a job by no more than the processor
//! time that it takes.

use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How long a worker spins before it parks.
const SPIN_TIME: Duration = Duration::from_micros(100);
/// The state of the current job, in one word: number of active workers, whether the job is closed to further workers, number of
/// wanted workers, number of the job.
const ACTIVE: u64 = (1 << 12) - 1;
const CLOSED: u64 = 1 << 12;
const WANTED_SHIFT: u32 = 13;
const JOB_SHIFT: u32 = 25;

/// A job: the function that each worker calls with its number. The lifetime is erased: see [`Pool::fork`].
type JobFn = *const (dyn Fn(usize) + Sync);

struct Shared {
    state: AtomicU64,
    job: UnsafeCell<Option<JobFn>>,
    stop: AtomicBool,
    panicked: AtomicBool,
    workers: Box<[Worker]>,
}

#[derive(Default)]
struct Worker {
    parked: AtomicBool,
    thread: OnceLock<Thread>,
}

// SAFETY: `job` is written only by the thread that holds the pool's gate, while the state is closed and no worker
// is active; it is read only by active workers. The state (release, acquire) orders the two.
unsafe impl Sync for Shared {}
// SAFETY: the raw pointer is used only as described above.
unsafe impl Send for Shared {}

/// Threads that run tasks together with the caller.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
    gate: Mutex<()>,
}

impl Pool {
    /// A pool of `threads` threads, the caller's own included.
    pub fn new(threads: usize) -> Pool {
        let helpers = threads.clamp(1, ACTIVE as usize) - 1;
        let shared = Arc::new(Shared {
            state: AtomicU64::new(CLOSED),
            job: UnsafeCell::new(None),
            stop: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            workers: (0..helpers).map(|_| Worker::default()).collect(),
        });
        let spawn = |number: usize| {
            let shared = Arc::clone(&shared);
            let builder = thread::Builder::new().name(format!("hyperglow-{number}"));
            builder
                .spawn(move || work(&shared, number))
                .expect("the system starts a thread")
        };
        let handles: Vec<_> = (1..=helpers).map(spawn).collect();
        for (worker, handle) in shared.workers.iter().zip(&handles) {
            worker.thread.get_or_init(|| handle.thread().clone());
        }
        Pool {
            shared,
            handles,
            gate: Mutex::new(()),
        }
    }

    /// Number of threads, the caller's own included. Worker numbers are below it.
    pub fn threads(&self) -> usize {
        self.handles.len() + 1
    }

    /// Calls `task(worker, i)` for every `i` below `tasks`, and returns when all have returned.
    ///
    /// If the pool is busy (with a task that calls it, or a plan of another thread) the caller runs all tasks itself.
    pub fn run(&self, tasks: usize, task: impl Fn(usize, usize) + Sync) {
        let helpers = self.handles.len().min(tasks.saturating_sub(1));
        let gate = if helpers == 0 {
            None
        } else {
            self.gate.try_lock().ok()
        };
        let Some(_gate) = gate else {
            (0..tasks).for_each(|i| task(0, i));
            return;
        };
        let next = AtomicUsize::new(0);
        let all = |worker: usize| {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= tasks {
                    return;
                }
                task(worker, i);
            }
        };
        self.fork(helpers, &all);
    }

    /// Runs `job` on the caller as 0 and on the workers 1 to `helpers` that start before the caller has finished. The caller holds
    /// the gate.
    fn fork(&self, helpers: usize, job: &(dyn Fn(usize) + Sync)) {
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes. This function does not return or unwind before the job is closed and
        // every worker that was active has finished with it, so the reference outlives its uses.
        let erased = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), JobFn>(job) };
        // SAFETY: the state is closed and no worker is active, and the gate keeps other callers out.
        unsafe { *shared.job.get() = Some(erased) };
        let number = (shared.state.load(Ordering::Relaxed) >> JOB_SHIFT).wrapping_add(1);
        // Sequentially consistent with the worker's `parked`: either it sees the job or we see it parked.
        shared.state.store(
            number << JOB_SHIFT | (helpers as u64) << WANTED_SHIFT,
            Ordering::SeqCst,
        );
        for worker in &shared.workers[..helpers] {
            worker.wake();
        }
        let mine = catch_unwind(AssertUnwindSafe(|| job(0)));
        // A worker that has not started by now has no task left.
        shared.state.fetch_or(CLOSED, Ordering::AcqRel);
        let mut turns = 0_u32;
        while shared.state.load(Ordering::Acquire) & ACTIVE > 0 {
            turns += 1;
            if turns < 4096 {
                std::hint::spin_loop()
            } else {
                thread::yield_now()
            }
        }
        if let Err(panic) = mine {
            std::panic::resume_unwind(panic);
        }
        assert!(
            !shared.panicked.swap(false, Ordering::Relaxed),
            "a kernel panicked on a worker thread"
        );
    }

    /// Splits `0..n` into ranges of `grain` (the last may be shorter) and calls `task(worker, range)` for each.
    pub fn ranges(&self, n: usize, grain: usize, task: impl Fn(usize, Range<usize>) + Sync) {
        let grain = grain.max(1);
        self.run(n.div_ceil(grain), |worker, i| {
            task(worker, i * grain..n.min((i + 1) * grain))
        });
    }

    /// Splits `data` into chunks of `chunk` elements and calls `task(worker, i, chunk)` for each.
    pub fn chunks<T: Send>(
        &self,
        data: &mut [T],
        chunk: usize,
        task: impl Fn(usize, usize, &mut [T]) + Sync,
    ) {
        let whole = SharedSlice::new(data);
        self.ranges(whole.len(), chunk, |worker, range| {
            let i = range.start / chunk.max(1);
            // SAFETY: ranges of different tasks do not overlap, and every task is run once.
            task(worker, i, unsafe { whole.range(range) });
        });
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let shared = &*self.shared;
        shared.stop.store(true, Ordering::SeqCst);
        let number = (shared.state.load(Ordering::Relaxed) >> JOB_SHIFT).wrapping_add(1);
        shared.state.store(number << JOB_SHIFT | CLOSED, Ordering::SeqCst);
        shared.workers.iter().for_each(Worker::wake);
        for handle in self.handles.drain(..) {
            // A worker catches the panics of its jobs, so there is nothing to report.
            let _ = handle.join();
        }
    }
}

impl Worker {
    fn wake(&self) {
        if self.parked.load(Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Waits for a job other than number `seen`; returns its number.
    fn next_job(&self, state: &AtomicU64, seen: u64) -> u64 {
        let start = Instant::now();
        loop {
            for _ in 0..64 {
                let number = state.load(Ordering::Acquire) >> JOB_SHIFT;
                if number != seen {
                    return number;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() > SPIN_TIME {
                break;
            }
        }
        self.parked.store(true, Ordering::SeqCst);
        loop {
            let number = state.load(Ordering::SeqCst) >> JOB_SHIFT;
            if number != seen {
                self.parked.store(false, Ordering::Relaxed);
                return number;
            }
            thread::park();
        }
    }
}

impl Shared {
    /// Makes worker `number` active in `job`, if the job is still open and wants this worker.
    fn enter(&self, job: u64, number: usize) -> bool {
        self.state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                let wanted = state >> WANTED_SHIFT & ACTIVE;
                let open = state >> JOB_SHIFT == job && state & CLOSED == 0 && number as u64 <= wanted;
                open.then_some(state + 1)
            })
            .is_ok()
    }
}

fn work(shared: &Shared, number: usize) {
    let worker = &shared.workers[number - 1];
    let mut seen = 0;
    loop {
        seen = worker.next_job(&shared.state, seen);
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        if !shared.enter(seen, number) {
            continue;
        }
        // SAFETY: this worker is active, so the caller waits: the job is not written, and its pointer is valid.
        let result =
            unsafe { (*shared.job.get()).map(|job| catch_unwind(AssertUnwindSafe(|| (*job)(number)))) };
        if matches!(result, Some(Err(_))) {
            shared.panicked.store(true, Ordering::Relaxed);
        }
        shared.state.fetch_sub(1, Ordering::Release);
    }
}

/// A slice whose disjoint ranges are written by several tasks.
pub(crate) struct SharedSlice<'a, T> {
    start: *mut T,
    len: usize,
    life: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: it hands out disjoint ranges, which the caller of `range` guarantees.
unsafe impl<T: Send> Sync for SharedSlice<'_, T> {}
// SAFETY: as for `&mut [T]`.
unsafe impl<T: Send> Send for SharedSlice<'_, T> {}

impl<'a, T> SharedSlice<'a, T> {
    pub fn new(slice: &'a mut [T]) -> SharedSlice<'a, T> {
        SharedSlice {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            life: std::marker::PhantomData,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// # Safety
    /// No other live slice made here may overlap `range`.
    pub unsafe fn range(&self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: within the slice, as just checked; alone there, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// The address of the first element, for kernels that write by pointer.
    pub fn as_mut_ptr(&self) -> *mut T {
        self.start
    }
}

/// Work space of all workers: `len` elements each.
pub(crate) struct WorkerSlices<'a, T> {
    all: SharedSlice<'a, T>,
    len: usize,
}

impl<'a, T> WorkerSlices<'a, T> {
    pub fn new(all: &'a mut [T], len: usize) -> WorkerSlices<'a, T> {
        WorkerSlices {
            all: SharedSlice::new(all),
            len,
        }
    }

    /// The work space of one worker.
    ///
    /// # Safety
    /// No other slice of this worker may be live: a worker runs one task at a time.
    pub unsafe fn of(&self, worker: usize) -> &'a mut [T] {
        // SAFETY: ranges of different workers are disjoint; the rest as the caller promises.
        unsafe { self.all.range(worker * self.len..(worker + 1) * self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        for threads in [1, 2, 5] {
            let pool = Pool::new(threads);
            for tasks in [0, 1, 2, 3, 100] {
                let counts: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, |worker, i| {
                    assert!(worker < threads);
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn workers_wake_after_parking_and_a_task_may_call_the_pool() {
        let pool = Pool::new(3);
        for _ in 0..20 {
            thread::sleep(Duration::from_micros(200));
            let mut data = vec![0; 1000];
            pool.chunks(&mut data, 7, |_, i, piece| {
                pool.chunks(piece, 2, |_, _, p| p.fill(i))
            });
            assert!(data.iter().enumerate().all(|(at, &i)| i == at / 7));
        }
    }

    #[test]
    fn a_panic_in_a_task_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(2);
        for _ in 0..10 {
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.run(8, |_, i| assert!(i != 5, "expected"))
            }));
            assert!(result.is_err());
            pool.run(8, |_, _| {});
        }
    }
}
