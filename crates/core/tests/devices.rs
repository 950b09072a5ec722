//! Several devices in one engine.

mod support;

use std::any::Any;
use std::sync::Arc;

use hyperglow_core::backend::{Backend, Executable, Launch};
use hyperglow_core::device::Device;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::engine::Engine;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::grad::vjp;
use hyperglow_core::op::{Distribution, Op, Reduction, Spec};
use hyperglow_core::placement::{DeviceId, Placement};
use hyperglow_core::plan::Program;
use hyperglow_core::reference::ReferenceBackend;
use hyperglow_core::run::Queue;
use hyperglow_core::slab::Key;
use hyperglow_core::storage::{Buffer, Storage};
use hyperglow_core::{DType, NodeId, Result};
use support::forward;

/// A reference device that knows its own memory and takes no other.
struct Named {
    name: &'static str,
    reference: ReferenceBackend,
}

struct Owned {
    owner: &'static str,
    bytes: Buffer,
}

impl Storage for Owned {
    fn byte_len(&self) -> usize {
        self.bytes.byte_len()
    }
    fn read_part(&self, from: usize, out: &mut [u8]) -> Result<()> {
        self.bytes.read_part(from, out)
    }
    fn write_part(&self, from: usize, bytes: &[u8]) -> Result<()> {
        self.bytes.write_part(from, bytes)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Runs(&'static str, Box<dyn Executable>);

impl Executable for Runs {
    fn launch(&mut self, launch: &mut Launch<'_>) -> Result<()> {
        let own = |buffer: &Buffer| {
            let owned = buffer.as_any().downcast_ref::<Owned>().unwrap();
            assert_eq!(owned.owner, self.0, "memory of another device");
            owned.bytes.clone()
        };
        let inputs: Vec<Buffer> = launch.inputs.iter().map(own).collect();
        let outputs: Vec<Buffer> = launch.outputs.iter().map(own).collect();
        self.1.run(&inputs, &outputs)
    }
}

impl Device for Named {
    fn name(&self) -> &str {
        self.name
    }
    forward!(limits);
    forward!(kernel);
}

impl Backend for Named {
    fn allocate(&self, bytes: usize) -> Result<Buffer> {
        let (owner, bytes) = (self.name, self.reference.allocate(bytes)?);
        Ok(Arc::new(Owned { owner, bytes }))
    }
    fn upload(&self, bytes: &[u8]) -> Result<Buffer> {
        let (owner, bytes) = (self.name, self.reference.upload(bytes)?);
        Ok(Arc::new(Owned { owner, bytes }))
    }
    forward!(memory);
    fn prepare(&self, program: Arc<Program>) -> Result<Box<dyn Executable>> {
        Ok(Box::new(Runs(self.name, self.reference.prepare(program)?)))
    }
}

const LEFT: DeviceId = DeviceId(0);
const RIGHT: DeviceId = DeviceId(1);

fn engine() -> Engine {
    let device = |name| -> (Arc<dyn Backend>, Arc<Queue>) {
        let reference = ReferenceBackend;
        (
            Arc::new(Named { name, reference }),
            Arc::new(Queue::start(name).unwrap()),
        )
    };
    Engine::on_devices(vec![device("left"), device("right")], LEFT)
}

fn source(e: &mut Engine, device: DeviceId, data: &[f64]) -> NodeId {
    let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_ne_bytes()).collect();
    e.source_at(Placement::on(device), &bytes, Spec::new([data.len()], DType::F64))
        .unwrap()
}

fn constant(e: &mut Engine, number: f64, like: NodeId) -> NodeId {
    let spec = e.graph.spec(like).unwrap().clone();
    e.graph.add(Op::constant(number), &[], Some(&spec)).unwrap()
}

fn binary(e: &mut Engine, op: BinaryOp, a: NodeId, b: NodeId) -> NodeId {
    e.graph.add(Op::Binary(op), &[a, b], None).unwrap()
}

fn total(e: &mut Engine, x: NodeId) -> NodeId {
    let axes = [0].into();
    let kind = Reduction::Sum;
    e.graph.add(Op::Reduce { kind, axes }, &[x], None).unwrap()
}

fn device(e: &Engine, id: NodeId) -> DeviceId {
    e.graph.node(id).unwrap().placement.device
}

fn read(e: &mut Engine, id: NodeId) -> Vec<f64> {
    for run in e.evaluate(&[id]).unwrap() {
        run.wait().unwrap();
    }
    let node = e.graph.node(id).unwrap();
    let mut bytes = vec![0; node.spec.bytes()];
    node.value.as_ref().unwrap().buffer.read(&mut bytes).unwrap();
    bytes
        .chunks_exact(8)
        .map(|b| f64::from_ne_bytes(b.try_into().unwrap()))
        .collect()
}

/// `x * x * x`
fn cube(e: &mut Engine, x: NodeId) -> NodeId {
    let square = binary(e, BinaryOp::Mul, x, x);
    binary(e, BinaryOp::Mul, square, x)
}

/// The gradient of a scalar.
fn gradient(e: &mut Engine, y: NodeId, x: NodeId) -> NodeId {
    let one = constant(e, 1.0, y);
    vjp(&mut e.graph, &[y], &[one], &[x]).unwrap()[0].unwrap()
}

#[test]
fn operands_on_two_devices_are_refused() {
    let mut e = engine();
    let (a, b) = (source(&mut e, LEFT, &[1.0]), source(&mut e, RIGHT, &[2.0]));
    let live = e.graph.live();
    let error = e.graph.add(Op::Binary(BinaryOp::Add), &[a, b], None).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Device);
    let text = error.to_string();
    assert_eq!(
        text,
        "add: operands on \"left\" and on \"right\"; bring them to one device, for instance with x.to(\"left\")"
    );
    assert_eq!(e.graph.live(), live);
    let brought = e.to(b, LEFT).unwrap();
    let sum = binary(&mut e, BinaryOp::Add, a, brought);
    assert_eq!((read(&mut e, sum), device(&e, sum)), (vec![3.0], LEFT));
}

#[test]
fn what_goes_there_and_back_is_computed_where_it_is() {
    let mut e = engine();
    let x = source(&mut e, LEFT, &[1.0, 2.0]);
    let squared = binary(&mut e, BinaryOp::Mul, x, x);
    let there = e.to(squared, RIGHT).unwrap();
    let more = binary(&mut e, BinaryOp::Add, there, there);
    let back = e.to(more, LEFT).unwrap();
    let all = binary(&mut e, BinaryOp::Add, back, squared);
    let text = e.explain(&[all]).unwrap();
    let places =
        ["mul", "from left to right", "add", "from right to left"].map(|part| text.find(part).unwrap());
    assert!(places.is_sorted(), "{text}");
    assert_eq!(
        [there, more, back, all].map(|id| device(&e, id)),
        [RIGHT, RIGHT, LEFT, LEFT]
    );
    assert_eq!(read(&mut e, all), [3.0, 12.0]);
    // Asked for together, on both devices.
    let next = binary(&mut e, BinaryOp::Add, all, x);
    let moved = e.to(next, RIGHT).unwrap();
    let last = cube(&mut e, moved);
    for run in e.evaluate(&[last, moved, next, back]).unwrap() {
        run.wait().unwrap();
    }
    assert_eq!(read(&mut e, last), [64.0, 2744.0]);
    assert_eq!(
        [read(&mut e, moved), read(&mut e, next), read(&mut e, back)],
        [[4.0, 14.0], [4.0, 14.0], [2.0, 8.0]]
    );
    assert!(e.explain(&[all]).unwrap().contains("the values are there"));
    let same = e.to(x, LEFT).unwrap();
    assert_eq!(same, x);
}

#[test]
fn derivatives_of_any_order_come_back() {
    let mut e = engine();
    e.enter_history();
    let x = source(&mut e, LEFT, &[1.0, 2.0]);
    let there = e.to(x, RIGHT).unwrap();
    let y = cube(&mut e, there);
    let y = total(&mut e, y);
    let first = gradient(&mut e, y, x);
    assert_eq!(device(&e, first), LEFT);
    assert_eq!(read(&mut e, first), [3.0, 12.0]);
    let slope = total(&mut e, first);
    let second = gradient(&mut e, slope, x);
    assert_eq!(
        (read(&mut e, second), device(&e, second)),
        (vec![6.0, 12.0], LEFT)
    );
    // What is used on both devices gets its gradient from both.
    let here = total(&mut e, x);
    let both = e.to(y, LEFT).unwrap();
    let both = binary(&mut e, BinaryOp::Add, both, here);
    let found = gradient(&mut e, both, x);
    assert_eq!(read(&mut e, found), [4.0, 13.0]);
    let seed = source(&mut e, RIGHT, &[1.0, 1.0]);
    let refused = vjp(&mut e.graph, &[x], &[seed], &[x]).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Device);
}

#[test]
fn what_is_made_of_nothing_goes_where_it_is_used() {
    let mut e = engine();
    let (left, right) = (source(&mut e, LEFT, &[1.0]), source(&mut e, RIGHT, &[2.0]));
    let two = constant(&mut e, 2.0, left);
    let four = binary(&mut e, BinaryOp::Add, two, two);
    // Before it has a value and after.
    for _ in 0..2 {
        let (a, b) = (
            binary(&mut e, BinaryOp::Mul, four, left),
            binary(&mut e, BinaryOp::Mul, right, four),
        );
        assert_eq!((device(&e, a), device(&e, b)), (LEFT, RIGHT));
        assert_eq!((read(&mut e, a), read(&mut e, b)), (vec![4.0], vec![8.0]));
        assert_eq!((read(&mut e, four), device(&e, four)), (vec![4.0], LEFT));
    }
    // A reader on the other device waits while it gets its value here.
    let waits = constant(&mut e, 3.0, left);
    let later = binary(&mut e, BinaryOp::Add, right, waits);
    assert_eq!(read(&mut e, waits), [3.0]);
    assert_eq!(read(&mut e, later), [5.0]);
    let placed = e.to(waits, RIGHT).unwrap();
    let refused = e.graph.add(Op::Binary(BinaryOp::Add), &[placed, left], None);
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Device);
    // Of a gradient, too: it comes from where it was used.
    e.enter_history();
    let w = constant(&mut e, 3.0, left);
    let there = binary(&mut e, BinaryOp::Mul, w, right);
    let there = total(&mut e, there);
    let d = gradient(&mut e, there, w);
    assert_eq!((read(&mut e, d), device(&e, d)), (vec![2.0], RIGHT));
    let here = binary(&mut e, BinaryOp::Mul, w, left);
    let here = total(&mut e, here);
    let brought = e.to(there, LEFT).unwrap();
    let both = binary(&mut e, BinaryOp::Add, here, brought);
    let d = gradient(&mut e, both, w);
    assert_eq!((read(&mut e, d), device(&e, d)), (vec![3.0], LEFT));
}

#[test]
fn random_numbers_are_the_same_everywhere() {
    let mut e = engine();
    let bytes: Vec<u8> = [7u32, 9].iter().flat_map(|x| x.to_ne_bytes()).collect();
    let drawn = [LEFT, RIGHT].map(|device| {
        let key = e
            .source_at(Placement::on(device), &bytes, Spec::new([2], DType::U32))
            .unwrap();
        let spec = Spec::new([5], DType::F64);
        let x = e
            .graph
            .add(Op::Random(Distribution::Normal), &[key], Some(&spec))
            .unwrap();
        assert_eq!(self::device(&e, x), device);
        read(&mut e, x)
    });
    assert_eq!(drawn[0], drawn[1]);
}

fn value(e: &mut Engine, v: Key) -> Vec<f64> {
    let x = e.read_variable(v).unwrap();
    let numbers = read(e, x);
    e.graph.release(x).unwrap();
    numbers
}

#[test]
fn a_variable_stays_on_its_device() {
    let mut e = engine();
    let x = source(&mut e, LEFT, &[1.0, 2.0]);
    let v = e.variable(x, Some(RIGHT)).unwrap();
    let read_here = e.read_variable(v).unwrap();
    assert_eq!(device(&e, read_here), RIGHT);
    assert_eq!(value(&mut e, v), [1.0, 2.0]);
    let error = e.assign_variable(v, x).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Device);
    assert!(error.to_string().contains("x.to(\"right\")"), "{error}");
    assert_eq!(e.variable_version(v).unwrap(), 0);
    let free = constant(&mut e, 5.0, x);
    e.assign_variable(v, free).unwrap();
    let now = e.read_variable(v).unwrap();
    assert_eq!((device(&e, now), read(&mut e, now)), (RIGHT, vec![5.0, 5.0]));
    // Assignments on both devices are computed along with whatever is asked for.
    let w = e.variable(x, None).unwrap();
    let doubled = binary(&mut e, BinaryOp::Add, x, x);
    e.assign_variable(w, doubled).unwrap();
    let moved = e.to(doubled, RIGHT).unwrap();
    e.assign_variable(v, moved).unwrap();
    let other = source(&mut e, LEFT, &[9.0]);
    let other = binary(&mut e, BinaryOp::Add, other, other);
    assert_eq!(read(&mut e, other), [18.0]);
    for of in [v, w] {
        let x = e.read_variable(of).unwrap();
        assert!(e.graph.node(x).unwrap().value.is_some());
        assert_eq!(read(&mut e, x), [2.0, 4.0]);
    }
    assert_eq!(e.counts().variables, 2);
}

#[test]
fn what_is_brought_is_the_value_of_that_moment() {
    let mut e = engine();
    let x = source(&mut e, LEFT, &[1.0; 50_000]);
    let v = e.variable(x, None).unwrap();
    e.graph.release(x).unwrap();
    e.jit_begin().unwrap();
    let w = e.read_variable(v).unwrap();
    let twice = binary(&mut e, BinaryOp::Add, w, w);
    e.assign_variable(v, twice).unwrap();
    let step = e.jit_end(&[]).unwrap();
    for power in 0..6 {
        let now = e.read_variable(v).unwrap();
        let there = e.to(now, RIGHT).unwrap();
        let runs = e.evaluate(&[there]).unwrap();
        e.graph.release(now).unwrap();
        e.jit_run(step, &[]).unwrap();
        e.jit_run(step, &[]).unwrap();
        runs.iter().for_each(|run| run.wait().unwrap());
        assert!(
            read(&mut e, there)
                .iter()
                .all(|&x| x == f64::from(1 << (2 * power)))
        );
    }
}

#[test]
fn a_failure_goes_along_and_no_further() {
    let mut e = engine();
    let bad = source(&mut e, LEFT, &[-1.0]);
    let matrix = Spec::new([1, 1], DType::F64);
    let bad = e.graph.add(Op::Reshape, &[bad], Some(&matrix)).unwrap();
    let root = e.graph.add(Op::Cholesky, &[bad], None).unwrap();
    let there = e.to(root, RIGHT).unwrap();
    let y = e.graph.add(Op::Unary(UnaryOp::Neg), &[there], None).unwrap();
    let good = source(&mut e, RIGHT, &[3.0]);
    let v = e.variable(good, None).unwrap();
    let flat = e
        .graph
        .add(Op::Reshape, &[y], Some(&Spec::new([1], DType::F64)))
        .unwrap();
    e.assign_variable(v, flat).unwrap();
    let fine = e.graph.add(Op::Unary(UnaryOp::Neg), &[good], None).unwrap();
    assert_eq!(read(&mut e, fine), [-3.0]);
    let failed = e.read_variable(v).unwrap();
    let runs = e.evaluate(&[failed]).unwrap();
    let error = runs.iter().find_map(|run| run.wait().err()).unwrap();
    assert_eq!((error.kind, &*error.op), (ErrorKind::Numerical, "cholesky"));
}

#[test]
fn a_compiled_function_runs_on_one_device() {
    let mut e = engine();
    let spec = Spec::new([2], DType::F64);
    let x = source(&mut e, RIGHT, &[1.0, 2.0]);
    let rate = source(&mut e, LEFT, &[0.5, 0.5]);
    let v = e.variable(x, None).unwrap();
    let captured = constant(&mut e, 10.0, x);
    read(&mut e, captured);
    e.jit_begin().unwrap();
    let a = e.jit_argument(spec.clone(), Placement::on(RIGHT)).unwrap();
    // A number, which goes where it is used.
    let r = e.jit_argument(spec.clone(), Placement::free(LEFT)).unwrap();
    let w = e.read_variable(v).unwrap();
    let moved = binary(&mut e, BinaryOp::Mul, w, r);
    let sum = binary(&mut e, BinaryOp::Add, moved, a);
    e.assign_variable(v, sum).unwrap();
    let result = binary(&mut e, BinaryOp::Add, sum, captured);
    let refused = e.to(result, LEFT).unwrap_err();
    assert!(
        refused.kind == ErrorKind::Device && refused.to_string().contains("one device"),
        "{refused}"
    );
    let f = e.jit_end(&[result]).unwrap();
    let free = constant(&mut e, 0.5, x);
    for round in 0..3 {
        let (found, run) = e.jit_run(f, &[x, free]).unwrap();
        run.wait().unwrap();
        let now = value(&mut e, v);
        let expected = [[1.5, 3.0], [1.75, 3.5], [1.875, 3.75]][round];
        assert_eq!((now.clone(), device(&e, found[0])), (expected.to_vec(), RIGHT));
        assert_eq!(read(&mut e, found[0]), [expected[0] + 10.0, expected[1] + 10.0]);
    }
    assert_eq!(e.jit_run(f, &[rate, free]).err().unwrap().kind, ErrorKind::Device);
    // Results on two devices are two programs.
    e.jit_begin().unwrap();
    let a = e.jit_argument(spec.clone(), Placement::on(RIGHT)).unwrap();
    let b = e.jit_argument(spec, Placement::on(LEFT)).unwrap();
    let refused = e.jit_end(&[a, b]).unwrap_err();
    assert!(
        refused.kind == ErrorKind::Device && refused.to_string().contains("x.to(device)"),
        "{refused}"
    );
    assert!(!e.is_tracing());
}

#[test]
fn a_free_value_that_functions_capture_stays_free() {
    let mut e = engine();
    let spec = Spec::new([2], DType::F64);
    let (on_left, on_right) = (
        source(&mut e, LEFT, &[1.0, 2.0]),
        source(&mut e, RIGHT, &[3.0, 4.0]),
    );
    let free = constant(&mut e, 0.5, on_left);
    read(&mut e, free);
    for (side, x, expected) in [(LEFT, on_left, [1.5, 2.5]), (RIGHT, on_right, [3.5, 4.5])] {
        e.jit_begin().unwrap();
        let a = e.jit_argument(spec.clone(), Placement::on(side)).unwrap();
        let sum = binary(&mut e, BinaryOp::Add, a, free);
        let f = e.jit_end(&[sum]).unwrap();
        let (found, run) = e.jit_run(f, &[x]).unwrap();
        run.wait().unwrap();
        assert_eq!(
            (read(&mut e, found[0]), device(&e, found[0])),
            (expected.to_vec(), side)
        );
        assert!(e.graph.node(free).unwrap().placement.is_free);
        for x in [on_left, on_right] {
            assert!(e.graph.add(Op::Binary(BinaryOp::Mul), &[x, free], None).is_ok());
        }
    }
}

#[test]
fn bytes_come_in_parts_to_a_node_that_nobody_else_reads() {
    let mut e = engine();
    let spec = Spec::new([3], DType::F64);
    let x = e.room(Placement::on(RIGHT), spec.clone()).unwrap();
    let bytes: Vec<u8> = [1.0, 2.0, 3.0f64].iter().flat_map(|x| x.to_ne_bytes()).collect();
    e.fill(x, 16, &bytes[16..]).unwrap();
    e.fill(x, 0, &bytes[..16]).unwrap();
    assert_eq!((read(&mut e, x), device(&e, x)), (vec![1.0, 2.0, 3.0], RIGHT));
    assert_eq!(e.fill(x, 1, &bytes).unwrap_err().kind, ErrorKind::Internal);
    let held = e.graph.node(x).unwrap().value.as_ref().unwrap().buffer.clone();
    assert_eq!(e.fill(x, 0, &bytes).unwrap_err().kind, ErrorKind::Internal);
    drop(held);
    let pending = binary(&mut e, BinaryOp::Add, x, x);
    assert_eq!(e.fill(pending, 0, &bytes).unwrap_err().kind, ErrorKind::Internal);
    assert_eq!(read(&mut e, x), [1.0, 2.0, 3.0]);
}
