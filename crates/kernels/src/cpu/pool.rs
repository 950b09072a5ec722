//! A fork-join pool. Workers spin for some microseconds after a job, because the next one of a plan
//! usually comes at once, and then park, so that an idle process uses no processor.
//!
//! Tasks are handed out by a counter. No kernel's result depends on who runs a task or when.

use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How long a worker looks for the next job before it parks.
const SPIN: Duration = Duration::from_micros(30);
/// The epoch's low bits say how many workers the job wants.
const HELPER_BITS: u32 = 12;
const HELPER_MASK: usize = (1 << HELPER_BITS) - 1;

/// What a worker calls with its number. The lifetime is erased: see [`Pool::fork`].
type Job = *const (dyn Fn(usize) + Sync);

struct Shared {
    /// Counts jobs, shifted by [`HELPER_BITS`], plus the number of workers wanted.
    epoch: AtomicUsize,
    job: UnsafeCell<Option<Job>>,
    /// Workers that have not finished the present job.
    running: AtomicUsize,
    stop: AtomicBool,
    panicked: AtomicBool,
    workers: Box<[Worker]>,
}

#[derive(Default)]
struct Worker {
    parked: AtomicBool,
    thread: OnceLock<Thread>,
}

// SAFETY: `job` is written only by the thread that holds the pool's gate, while no worker is running, and read
// only by workers counted in `running`; the epoch (release, acquire) orders the two.
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
        let helpers = threads.clamp(1, HELPER_MASK) - 1;
        let shared = Arc::new(Shared {
            epoch: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            running: AtomicUsize::new(0),
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
    /// While the pool is busy (a task that calls it, another thread's plan) the caller does everything itself.
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

    /// Runs `job` on the caller as 0 and on workers 1 to `helpers`. Needs the gate.
    fn fork(&self, helpers: usize, job: &(dyn Fn(usize) + Sync)) {
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes. This function does not return or unwind before every worker counted in
        // `running` has finished with the job, so the reference outlives its uses.
        let erased = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), Job>(job) };
        // SAFETY: no worker is running, and the gate keeps other callers out.
        unsafe { *shared.job.get() = Some(erased) };
        shared.running.store(helpers, Ordering::Relaxed);
        let count = (shared.epoch.load(Ordering::Relaxed) >> HELPER_BITS).wrapping_add(1);
        // Sequentially consistent with the worker's `parked`: either it sees the epoch or we see it parked.
        shared
            .epoch
            .store((count << HELPER_BITS) | helpers, Ordering::SeqCst);
        for worker in &shared.workers[..helpers] {
            worker.wake();
        }
        let mine = catch_unwind(AssertUnwindSafe(|| job(0)));
        let mut turns = 0_u32;
        while shared.running.load(Ordering::Acquire) > 0 {
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

    /// Splits `data` into pieces of `chunk` elements and calls `task(worker, i, piece)` for each.
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
        self.shared.stop.store(true, Ordering::SeqCst);
        let epoch = &self.shared.epoch;
        epoch.store(
            ((epoch.load(Ordering::Relaxed) >> HELPER_BITS).wrapping_add(1)) << HELPER_BITS,
            Ordering::SeqCst,
        );
        self.shared.workers.iter().for_each(Worker::wake);
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

    /// Waits until the epoch differs from `seen`.
    fn next_epoch(&self, epoch: &AtomicUsize, seen: usize) -> usize {
        let start = Instant::now();
        loop {
            for _ in 0..64 {
                let now = epoch.load(Ordering::Acquire);
                if now != seen {
                    return now;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() > SPIN {
                break;
            }
        }
        self.parked.store(true, Ordering::SeqCst);
        loop {
            let now = epoch.load(Ordering::SeqCst);
            if now != seen {
                self.parked.store(false, Ordering::Relaxed);
                return now;
            }
            thread::park();
        }
    }
}

fn work(shared: &Shared, number: usize) {
    let worker = &shared.workers[number - 1];
    let mut seen = 0;
    loop {
        seen = worker.next_epoch(&shared.epoch, seen);
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        if number > seen & HELPER_MASK {
            continue;
        }
        // SAFETY: this worker is counted in `running`, so the caller waits: nobody writes the job, and what it
        // points to is alive.
        let result =
            unsafe { (*shared.job.get()).map(|job| catch_unwind(AssertUnwindSafe(|| (*job)(number)))) };
        if matches!(result, Some(Err(_))) {
            shared.panicked.store(true, Ordering::Relaxed);
        }
        shared.running.fetch_sub(1, Ordering::Release);
    }
}

/// A slice whose disjoint parts are written by several tasks.
pub(crate) struct SharedSlice<'a, T> {
    start: *mut T,
    len: usize,
    life: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: a way to hand out disjoint parts; `range` says what its caller must see to.
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
