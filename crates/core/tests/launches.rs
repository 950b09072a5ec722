//! A device whose runs go on after their launch: ends are told later, from another thread, in any order.

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use hyperglow_core::backend::{Backend, Executable, Launch};
use hyperglow_core::completion::{Completion, CompletionSender};
use hyperglow_core::device::Device;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::engine::Engine;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::Program;
use hyperglow_core::reference::ReferenceBackend;
use hyperglow_core::run::Queue;
use hyperglow_core::slab::Key;
use hyperglow_core::{DType, NodeId, Result};
use support::forward;

type Work = Box<dyn FnOnce() + Send>;

/// What the device has done and not told.
#[derive(Default)]
struct State {
    held: Mutex<Vec<(CompletionSender, Result<()>)>>,
    /// Ends are held back until they are asked for.
    holds: AtomicBool,
    /// Nobody tells an end.
    forgets: AtomicBool,
    launches: Mutex<Vec<ThreadId>>,
    brief: AtomicBool,
    done: AtomicUsize,
}

/// The reference device behind a thread of its own, which does what is launched in order.
struct Late {
    reference: ReferenceBackend,
    state: Arc<State>,
    worker: Sender<Work>,
}

struct LateExecutable {
    executable: Arc<Mutex<Box<dyn Executable>>>,
    state: Arc<State>,
    worker: Sender<Work>,
}

impl Late {
    fn new() -> Late {
        let (worker, work) = channel::<Work>();
        std::thread::spawn(move || work.into_iter().for_each(|work| work()));
        Late {
            reference: ReferenceBackend,
            state: Arc::default(),
            worker,
        }
    }
}

impl Device for Late {
    fn name(&self) -> &str {
        "late"
    }
    forward!(limits);
    forward!(kernel);
}

impl Backend for Late {
    forward!(allocate);
    forward!(upload);
    forward!(memory);
    fn prepare(&self, program: Arc<Program>) -> Result<Box<dyn Executable>> {
        Ok(Box::new(LateExecutable {
            executable: Arc::new(Mutex::new(self.reference.prepare(program)?)),
            state: self.state.clone(),
            worker: self.worker.clone(),
        }))
    }
}

impl Executable for LateExecutable {
    fn launch(&mut self, launch: &mut Launch<'_>) -> Result<()> {
        let ending = launch.defer();
        let (inputs, outputs) = (launch.inputs.to_vec(), launch.outputs.to_vec());
        let (executable, state) = (self.executable.clone(), self.state.clone());
        self.state
            .launches
            .lock()
            .unwrap()
            .push(std::thread::current().id());
        let work = move || {
            let result = executable.lock().unwrap().run(&inputs, &outputs);
            if state.forgets.load(Ordering::SeqCst) {
                drop(ending);
            } else if state.holds.load(Ordering::SeqCst) {
                state.held.lock().unwrap().push((ending, result));
            } else {
                ending.complete(result);
            }
            state.done.fetch_add(1, Ordering::SeqCst);
        };
        self.worker.send(Box::new(work)).unwrap();
        Ok(())
    }
    fn is_brief(&self) -> bool {
        self.state.brief.load(Ordering::SeqCst)
    }
}

/// An engine on such a device, and what the device does.
fn engine() -> (Engine, Arc<State>) {
    let late = Late::new();
    let state = late.state.clone();
    (
        Engine::new(Arc::new(late), Arc::new(Queue::start("late").unwrap())),
        state,
    )
}

impl State {
    /// Waits until `runs` runs are done.
    fn wait_for(&self, runs: usize) {
        for _ in 0..2000 {
            if self.done.load(Ordering::SeqCst) >= runs {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!(
            "{} runs were done, expected {runs}",
            self.done.load(Ordering::SeqCst)
        );
    }
    /// Completes the run at `index` among the held runs.
    fn complete(&self, index: usize) {
        let (sender, result) = self.held.lock().unwrap().remove(index);
        sender.complete(result);
    }
}

fn source(e: &mut Engine, data: &[f64]) -> NodeId {
    let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_ne_bytes()).collect();
    e.source(&bytes, Spec::new([data.len()], DType::F64)).unwrap()
}

fn unary(e: &mut Engine, op: UnaryOp, x: NodeId) -> NodeId {
    e.graph.add(Op::Unary(op), &[x], None).unwrap()
}

fn held(e: &Engine, id: NodeId) -> Vec<f64> {
    let node = e.graph.node(id).unwrap();
    let mut bytes = vec![0; node.spec.bytes()];
    node.value.as_ref().unwrap().buffer.read(&mut bytes).unwrap();
    bytes
        .chunks_exact(8)
        .map(|b| f64::from_ne_bytes(b.try_into().unwrap()))
        .collect()
}

/// Queues a run, of which there is one.
fn begin(e: &mut Engine, id: NodeId) -> Arc<Completion> {
    e.evaluate(&[id]).unwrap().remove(0)
}

/// Runs `-x` once to the end, so that its plan is known to find memory.
fn negated_once(e: &mut Engine) {
    let x = source(e, &[1.0]);
    let y = unary(e, UnaryOp::Neg, x);
    begin(e, y).wait().unwrap();
}

#[test]
fn a_run_ends_when_its_end_is_told() {
    let (mut e, state) = engine();
    state.holds.store(true, Ordering::SeqCst);
    let x = source(&mut e, &[1.0, -2.0]);
    let y = unary(&mut e, UnaryOp::Neg, x);
    let run = begin(&mut e, y);
    state.wait_for(1);
    assert!(run.result().is_none());
    state.complete(0);
    run.wait().unwrap();
    assert_eq!(held(&e, y), [-1.0, 2.0]);
}

#[test]
fn ends_told_out_of_order_end_in_order_where_one_needs_the_other() {
    let (mut e, state) = engine();
    negated_once(&mut e);
    state.holds.store(true, Ordering::SeqCst);
    let x = source(&mut e, &[3.0]);
    let y = unary(&mut e, UnaryOp::Neg, x);
    let first = begin(&mut e, y);
    let z = unary(&mut e, UnaryOp::Neg, y);
    // Nothing makes the first fail, so that the second is launched behind it at once.
    let second = begin(&mut e, z);
    let alone = source(&mut e, &[5.0]);
    let alone = unary(&mut e, UnaryOp::Neg, alone);
    let third = begin(&mut e, alone);
    state.wait_for(4);
    state.complete(2);
    third.wait().unwrap();
    state.complete(1);
    assert!(first.result().is_none() && second.result().is_none());
    state.complete(0);
    second.wait().unwrap();
    assert!(first.is_done());
    assert_eq!(
        [held(&e, y), held(&e, z), held(&e, alone)],
        [[-3.0], [3.0], [-5.0]]
    );
}

#[test]
fn what_needs_a_run_that_may_fail_waits_for_its_end() {
    let (mut e, state) = engine();
    negated_once(&mut e);
    state.holds.store(true, Ordering::SeqCst);
    let x = source(&mut e, &[4.0]);
    let matrix = e
        .graph
        .add(Op::Reshape, &[x], Some(&Spec::new([1, 1], DType::F64)))
        .unwrap();
    let root = e.graph.add(Op::Cholesky, &[matrix], None).unwrap();
    let first = begin(&mut e, root);
    let flat = e
        .graph
        .add(Op::Reshape, &[root], Some(&Spec::new([1], DType::F64)))
        .unwrap();
    let y = unary(&mut e, UnaryOp::Neg, flat);
    let second = begin(&mut e, y);
    state.wait_for(2);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(state.launches.lock().unwrap().len(), 2);
    state.complete(0);
    state.wait_for(3);
    state.complete(0);
    second.wait().unwrap();
    assert!(first.is_done());
    assert_eq!(held(&e, y), [-2.0]);
}

#[test]
fn an_end_that_nobody_tells_is_a_failure() {
    let (mut e, state) = engine();
    state.forgets.store(true, Ordering::SeqCst);
    let x = source(&mut e, &[1.0]);
    let y = unary(&mut e, UnaryOp::Neg, x);
    let error = begin(&mut e, y).wait().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Internal);
    state.forgets.store(false, Ordering::SeqCst);
    let z = unary(&mut e, UnaryOp::Neg, y);
    assert_eq!(begin(&mut e, z).wait().unwrap_err().message, error.message);
    negated_once(&mut e);
}

#[test]
fn the_device_says_whether_a_launch_keeps_the_submitting_thread() {
    let (mut e, state) = engine();
    negated_once(&mut e);
    negated_once(&mut e);
    let here = std::thread::current().id();
    assert!(!state.launches.lock().unwrap().contains(&here));
    state.brief.store(true, Ordering::SeqCst);
    // The queue may take a moment to see that the run before has ended.
    let keeps_this_thread = |e: &mut Engine| {
        std::thread::sleep(Duration::from_millis(1));
        negated_once(e);
        state.launches.lock().unwrap().last() == Some(&here)
    };
    assert!((0..1000).any(|_| keeps_this_thread(&mut e)));
    // Behind a run that has not ended nothing is launched from here.
    state.holds.store(true, Ordering::SeqCst);
    let mut two_runs = || {
        std::thread::sleep(Duration::from_millis(1));
        let before = state.launches.lock().unwrap().len();
        for _ in 0..2 {
            let x = source(&mut e, &[1.0]);
            let y = unary(&mut e, UnaryOp::Neg, x);
            begin(&mut e, y);
        }
        state.wait_for(before + 2);
        let from_here: Vec<bool> = {
            let launches = state.launches.lock().unwrap();
            launches[before..].iter().map(|thread| *thread == here).collect()
        };
        state.complete(0);
        state.complete(0);
        from_here
    };
    let first_from_here = (0..1000).map(|_| two_runs()).find(|from_here| from_here[0]);
    assert_eq!(first_from_here, Some(vec![true, false]));
}

/// A Variable (1, 1).
fn variable(e: &mut Engine, x: f64) -> Key {
    let x = e.source(&x.to_ne_bytes(), Spec::new([1, 1], DType::F64)).unwrap();
    let v = e.variable(x, None).unwrap();
    e.graph.release(x).unwrap();
    v
}

fn assign(e: &mut Engine, v: Key, make: impl FnOnce(&mut Engine, NodeId) -> NodeId) {
    let x = e.read_variable(v).unwrap();
    let y = make(e, x);
    e.assign_variable(v, y).unwrap();
    e.graph.release(x).unwrap();
    e.graph.release(y).unwrap();
}

#[test]
fn of_what_is_computed_together_each_fails_by_itself() {
    let (mut e, _) = engine();
    let (bad, good) = (variable(&mut e, -1.0), variable(&mut e, 4.0));
    for v in [bad, good] {
        assign(&mut e, v, |e, x| e.graph.add(Op::Cholesky, &[x], None).unwrap());
    }
    negated_once(&mut e);
    let root = e.read_variable(good).unwrap();
    begin(&mut e, root).wait().unwrap();
    assert_eq!(held(&e, root), [2.0]);
    let failed = e.read_variable(bad).unwrap();
    let error = begin(&mut e, failed).wait().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Numerical);
}

/// Compiles `w <- op(w)`.
fn step(e: &mut Engine, w: Key, make: impl FnOnce(&mut Engine, NodeId) -> NodeId) -> Key {
    e.jit_begin().unwrap();
    assign(e, w, make);
    e.jit_end(&[]).unwrap()
}

#[test]
fn steps_under_way_write_over_each_other_in_order() {
    let (mut e, state) = engine();
    let w = variable(&mut e, 1.0);
    let double = step(&mut e, w, |e, x| {
        e.graph.add(Op::Binary(BinaryOp::Add), &[x, x], None).unwrap()
    });
    e.jit_run(double, &[]).unwrap().1.wait().unwrap();
    state.holds.store(true, Ordering::SeqCst);
    let runs: Vec<_> = (0..10).map(|_| e.jit_run(double, &[]).unwrap().1).collect();
    state.wait_for(11);
    for _ in 0..10 {
        let last = state.held.lock().unwrap().len() - 1;
        state.complete(last);
    }
    runs.iter().for_each(|run| run.wait().unwrap());
    state.holds.store(false, Ordering::SeqCst);
    let value = e.read_variable(w).unwrap();
    assert_eq!(held(&e, value), [2048.0]);
}

#[test]
fn a_failed_step_and_those_behind_it_are_taken_back() {
    let (mut e, state) = engine();
    let w = variable(&mut e, 4.0);
    let double = step(&mut e, w, |e, x| {
        e.graph.add(Op::Binary(BinaryOp::Add), &[x, x], None).unwrap()
    });
    e.jit_run(double, &[]).unwrap().1.wait().unwrap();
    let bad = step(&mut e, w, |e, x| {
        let negative = e.graph.add(Op::Unary(UnaryOp::Neg), &[x], None).unwrap();
        let root = e.graph.add(Op::Cholesky, &[negative], None).unwrap();
        e.graph.release(negative).unwrap();
        root
    });
    state.holds.store(true, Ordering::SeqCst);
    let failing = e.jit_run(bad, &[]).unwrap().1;
    // It cannot fail by itself, but it needs what the failing one writes.
    let behind = e.jit_run(double, &[]).unwrap().1;
    state.wait_for(2);
    state.complete(0);
    assert_eq!(failing.wait().unwrap_err().kind, ErrorKind::Numerical);
    assert_eq!(behind.wait().unwrap_err().kind, ErrorKind::Numerical);
    assert_eq!(e.variable_version(w).unwrap(), 1);
    let value = e.read_variable(w).unwrap();
    assert_eq!(held(&e, value), [8.0]);
}
