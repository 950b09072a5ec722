//! Variables, derivatives and compiled functions.

use hyperglow_core::batch::{batch, sample as placeholder};
use hyperglow_core::engine::Engine;
use hyperglow_core::grad::vjp as derivatives;
use hyperglow_core::placement::DeviceId;
use hyperglow_core::slab::Key;
use hyperglow_core::{Error, NodeId, Result};
use napi::Env;
use napi::bindgen_prelude::{Either, JsObjectValue, Object};
use napi_derive::napi;

use crate::evaluate::{Array, promise, source_of};
use crate::state::{engine, ids, key, placement, spec};

/// Handles of nodes; 0 where there is none.
fn handles(found: Vec<Option<NodeId>>) -> Vec<f64> {
    found
        .into_iter()
        .map(|id| id.map_or(0.0, NodeId::to_number))
        .collect()
}

/// Cotangents of `wrt`; 0 where there is no path.
#[napi]
pub fn vjp(outputs: Vec<f64>, seeds: Vec<f64>, wrt: Vec<f64>) -> napi::Result<Vec<f64>> {
    engine(|e| {
        let found = derivatives(&mut e.graph, &ids(&outputs), &ids(&seeds), &ids(&wrt))?;
        Ok(handles(found))
    })
}

/// A placeholder for one sample of a batch, whose first axis counts the samples.
#[napi]
pub fn sample(batch: f64) -> napi::Result<f64> {
    engine(|e| Ok(placeholder(&mut e.graph, NodeId::from_number(batch))?.to_number()))
}

/// The outputs for all samples of the batches, which stand for the placeholders `samples`; 0 for an output that depends on none.
#[napi]
pub fn map_samples(outputs: Vec<f64>, samples: Vec<f64>, batches: Vec<f64>) -> napi::Result<Vec<f64>> {
    engine(|e| {
        let found = batch(&mut e.graph, &ids(&outputs), &ids(&samples), &ids(&batches))?;
        Ok(handles(found))
    })
}

/// Begins a differentiated function.
#[napi]
pub fn enter_trace() -> napi::Result<()> {
    engine(|e| {
        e.enter_history();
        Ok(())
    })
}

/// Ends a differentiated function.
#[napi]
pub fn leave_trace() -> napi::Result<()> {
    engine(|e| {
        e.leave_history();
        Ok(())
    })
}

/// A Variable with a node's value, on a device, by default the node's device.
#[napi]
pub fn variable_new(initial: f64, device: Option<u8>) -> napi::Result<f64> {
    engine(|e| Ok(e.variable(NodeId::from_number(initial), device.map(DeviceId))? as f64))
}

/// Number of a Variable's device.
#[napi]
pub fn variable_device(variable: f64) -> napi::Result<u8> {
    engine(|e| Ok(e.variable_device(key(variable))?.0))
}

/// A new handle of the current version.
#[napi]
pub fn variable_read(variable: f64) -> napi::Result<f64> {
    engine(|e| Ok(e.read_variable(key(variable))?.to_number()))
}

/// Assigns a new version.
#[napi]
pub fn variable_assign(variable: f64, node: f64) -> napi::Result<()> {
    engine(|e| e.assign_variable(key(variable), NodeId::from_number(node)))
}

/// Number of assignments, without the assignments of failed runs.
#[napi]
pub fn variable_version(variable: f64) -> napi::Result<f64> {
    engine(|e| Ok(e.variable_version(key(variable))? as f64))
}

/// Releases a Variable.
#[napi]
pub fn variable_release(variable: f64) -> napi::Result<()> {
    engine(|e| e.release_variable(key(variable)))
}

/// Begins compiling a function.
#[napi]
pub fn jit_begin() -> napi::Result<()> {
    engine(|e| e.jit_begin())
}

/// The next argument, on the device of a node; without a node, on the device that uses it.
#[napi]
pub fn jit_argument(extents: Vec<f64>, code: u32, like: Option<f64>) -> napi::Result<f64> {
    engine(|e| {
        let placement = match like {
            Some(like) => e.graph.node(NodeId::from_number(like))?.placement,
            None => placement(e, None),
        };
        Ok(e.jit_argument(spec(&extents, code)?, placement)?.to_number())
    })
}

/// Ends the compiled function.
#[napi]
pub fn jit_end(results: Vec<f64>) -> napi::Result<f64> {
    engine(|e| Ok(e.jit_end(&ids(&results))? as f64))
}

/// Abandons the compiled function.
#[napi]
pub fn jit_abort() -> napi::Result<()> {
    engine(|e| {
        e.jit_abort();
        Ok(())
    })
}

/// Queues a run; the results can be used at once and read after `done` has resolved. A brief run is finished at once: then
/// there is no promise, only the results. An argument 0 stands for the next of `given`, data without a node.
#[napi(
    ts_args_type = "program: number, args: Float64Array, given: Array<Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Uint32Array>",
    ts_return_type = "Array<number> | { outputs: Array<number>, done: Promise<void> }"
)]
pub fn jit_run<'env>(
    env: &'env Env,
    program: f64,
    arguments: &[f64],
    given: Vec<Array>,
) -> napi::Result<Either<Vec<f64>, Object<'env>>> {
    let (results, completion) = engine(|e| {
        let mut nodes = ids(arguments);
        let mut made = Vec::with_capacity(given.len());
        let run = given_arguments(e, key(program), &mut nodes, &given, &mut made)
            .and_then(|()| e.jit_run(key(program), &nodes));
        for id in made {
            e.graph.release(id)?;
        }
        run
    })?;
    let outputs: Vec<f64> = results.into_iter().map(NodeId::to_number).collect();
    let Some(done) = promise(env, vec![completion])? else {
        return Ok(Either::A(outputs));
    };
    let mut run = Object::new(env)?;
    run.set_named_property("outputs", outputs)?;
    run.set_named_property("done", done)?;
    Ok(Either::B(run))
}

/// Replaces arguments that are 0 by nodes of `given`, and adds the nodes to `made`.
fn given_arguments(
    e: &mut Engine,
    program: Key,
    arguments: &mut [NodeId],
    given: &[Array],
    made: &mut Vec<NodeId>,
) -> Result<()> {
    let mut rest = given.iter();
    let none = NodeId::from_number(0.0);
    for (index, argument) in arguments.iter_mut().enumerate() {
        if *argument != none {
            continue;
        }
        let missing = || Error::internal("jit", format!("argument {index} is missing"));
        let spec = e.jit_takes(program, index).cloned().ok_or_else(missing)?;
        let placement = placement(e, None);
        let id = source_of(e, rest.next().ok_or_else(missing)?, spec, placement)?;
        made.push(id);
        *argument = id;
    }
    Ok(())
}

/// The plan of a compiled function, as text.
#[napi]
pub fn jit_explain(program: f64) -> napi::Result<String> {
    engine(|e| e.jit_explain(key(program)))
}

/// Releases a compiled function.
#[napi]
pub fn jit_release(program: f64) -> napi::Result<()> {
    engine(|e| {
        e.jit_release(key(program));
        Ok(())
    })
}

/// Enters a named scope.
#[napi]
pub fn push_scope(name: String) -> napi::Result<()> {
    engine(|e| {
        e.graph.push_scope(&name);
        Ok(())
    })
}

/// Leaves the scope.
#[napi]
pub fn pop_scope() -> napi::Result<()> {
    engine(|e| {
        e.graph.pop_scope();
        Ok(())
    })
}
