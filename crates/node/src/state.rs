//! The engine of this JavaScript thread, the process's devices, and the conversion of errors.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use hyperglow_core::backend::Backend;
use hyperglow_core::engine::{DeviceQueue, Engine, MAX_PENDING_NODES};
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::Spec;
use hyperglow_core::placement::{DeviceId, Placement};
use hyperglow_core::prepared::panic_text;
use hyperglow_core::reference::ReferenceBackend;
use hyperglow_core::run::Queue;
use hyperglow_core::slab::Key;
use hyperglow_core::{DType, Error, NodeId, Result, Shape};
use hyperglow_kernels::{CpuBackend, CudaBackend};
use napi::Env;
use napi::bindgen_prelude::{FnArgs, Function, FunctionRef, Unknown};
use napi_derive::napi;

type ErrorFactory = FunctionRef<FnArgs<(String, String)>, Unknown<'static>>;

thread_local! {
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
    static WARNINGS: RefCell<Option<(Env, FunctionRef<String, Unknown<'static>>)>> = const { RefCell::new(None) };
    static ERRORS: RefCell<Option<(Env, ErrorFactory)>> = const { RefCell::new(None) };
}

/// The devices of the process.
pub struct Devices {
    /// The processor.
    pub cpu: Arc<CpuBackend>,
    /// The CUDA devices, which follow `cpu` and `reference`; otherwise why there are none.
    pub cuda: Result<Vec<Arc<CudaBackend>>>,
    /// All devices, by number.
    pub devices: Vec<DeviceQueue>,
    /// The default device.
    pub default_device: DeviceId,
}

static DEVICES: OnceLock<Result<Devices>> = OnceLock::new();

/// The devices and their queues, started on first use and shared by every JavaScript thread.
pub fn devices() -> Result<&'static Devices> {
    DEVICES
        .get_or_init(|| {
            let cpu = Arc::new(CpuBackend::from_environment()?);
            let cuda: Result<Vec<Arc<CudaBackend>>> =
                CudaBackend::all().map(|all| all.into_iter().map(Arc::new).collect());
            let mut backends: Vec<Arc<dyn Backend>> = vec![cpu.clone(), Arc::new(ReferenceBackend)];
            for backend in cuda.iter().flatten() {
                backends.push(backend.clone());
            }
            let default_device = default_among(&backends, cuda.as_ref().err())?;
            let site = |backend: Arc<dyn Backend>| {
                let queue = Queue::start(backend.name())?;
                Ok((backend, Arc::new(queue)))
            };
            let devices = backends.into_iter().map(site).collect::<Result<_>>()?;
            Ok(Devices {
                cpu,
                cuda,
                devices,
                default_device,
            })
        })
        .as_ref()
        .map_err(Clone::clone)
}

/// The device that `HYPERGLOW_DEVICE` names; by default the first. `cuda` is `cuda:0`; `auto` is that, too, where there is one.
fn default_among(backends: &[Arc<dyn Backend>], no_cuda: Option<&Error>) -> Result<DeviceId> {
    let Some(given) = std::env::var_os("HYPERGLOW_DEVICE").filter(|given| !given.is_empty()) else {
        return Ok(DeviceId::default());
    };
    let is_auto = given == "auto";
    let name = if is_auto || given == "cuda" {
        "cuda:0".into()
    } else {
        given.clone()
    };
    let at = backends.iter().position(|backend| name == backend.name());
    match (at, no_cuda) {
        (Some(at), _) => Ok(DeviceId(at as u8)),
        (None, _) if is_auto => Ok(DeviceId::default()),
        (None, Some(why)) if name.to_string_lossy().starts_with("cuda:") => Err(why.clone()),
        (None, _) => {
            let names: Vec<&str> = backends.iter().map(|backend| backend.name()).collect();
            Err(Error::new(
                ErrorKind::Device,
                "HYPERGLOW_DEVICE",
                format!("there is no device {given:?}"),
                format!("this machine has {}", names.join(" and ")),
            ))
        }
    }
}

/// Placement on a device; without a device, on the device that uses the node.
pub fn placement(engine: &Engine, device: Option<u8>) -> Placement {
    match device {
        Some(device) => Placement::on(DeviceId(device)),
        None => Placement::free(engine.graph.default_device()),
    }
}

/// Runs `f` on this thread's engine. Errors and panics become JavaScript errors.
pub fn engine<T>(f: impl FnOnce(&mut Engine) -> Result<T>) -> napi::Result<T> {
    let run = || {
        ENGINE.with(|cell| {
            let mut slot = cell
                .try_borrow_mut()
                .map_err(|_| Error::internal("engine", "it was entered twice"))?;
            if slot.is_none() {
                let Devices {
                    devices,
                    default_device,
                    ..
                } = devices()?;
                *slot = Some(Engine::on_devices(devices.clone(), *default_device));
            }
            match slot.as_mut() {
                Some(engine) => f(engine),
                None => Err(Error::internal("engine", "it is missing")),
            }
        })
    };
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(Error::internal("engine", panic_text(&*panic))))
        .map_err(to_js)
}

/// The JavaScript error of a Rust error, made by the registered factory.
pub fn to_js(error: Error) -> napi::Error {
    let text = error.to_string();
    ERRORS
        .with(|cell| {
            let held = cell.borrow();
            let (env, factory) = held.as_ref()?;
            let make = factory.borrow_back(env).ok()?;
            let made = make
                .call(FnArgs {
                    data: (error.kind.code().to_string(), text.clone()),
                })
                .ok()?;
            Some(napi::Error::from(made))
        })
        .unwrap_or_else(|| napi::Error::from_reason(text))
}

/// Registers the function that makes an error from a code and a message.
#[napi(ts_args_type = "factory: (code: string, message: string) => Error")]
pub fn register_error_factory(
    env: Env,
    factory: Function<FnArgs<(String, String)>, Unknown<'static>>,
) -> napi::Result<()> {
    let reference = factory.create_ref()?;
    ERRORS.with(|cell| *cell.borrow_mut() = Some((env, reference)));
    Ok(())
}

/// Registers the function that is called once, at the first evaluation of retained history.
#[napi(ts_args_type = "handler: (message: string) => void")]
pub fn register_warning_handler(env: Env, handler: Function<String, Unknown<'static>>) -> napi::Result<()> {
    let reference = handler.create_ref()?;
    WARNINGS.with(|cell| *cell.borrow_mut() = Some((env, reference)));
    Ok(())
}

/// Evaluates if too many pending nodes have no handle, and calls the registered function the first time.
pub fn bound_pending(engine: &mut Engine) -> Result<()> {
    if !engine.bound_pending()? {
        return Ok(());
    }
    // The handler is removed, so it is called once.
    if let Some((env, handler)) = WARNINGS.with(RefCell::take)
        && let Ok(tell) = handler.borrow_back(&env)
    {
        let _ = tell.call(format!(
            "more than {MAX_PENDING_NODES} operations were waiting without a value being asked for, so they were computed; \
             await evaluate(...) in your loop, or compile its body with jit"
        ));
    }
    Ok(())
}

/// The error for memory that V8 refuses for a result.
pub fn no_room(bytes: usize) -> Error {
    Error::new(
        ErrorKind::Device,
        "memory",
        format!("{bytes} bytes wanted at once, the system refused"),
        "ask for less at a time, or dispose of what is no longer needed",
    )
}

/// The ids of JavaScript numbers.
pub fn ids(numbers: &[f64]) -> Vec<NodeId> {
    numbers.iter().map(|&n| NodeId::from_number(n)).collect()
}

/// The key of a JavaScript number; keys have at most 53 bits.
pub fn key(number: f64) -> Key {
    number as Key
}

/// The dtype of a code.
pub fn dtype(code: u32) -> Result<DType> {
    DType::from_code(code).ok_or_else(|| {
        Error::dtype(
            "dtype",
            format!("there is no dtype {code}"),
            "use one of the named dtypes",
        )
    })
}

/// A shape from JavaScript.
pub fn shape(extents: &[f64]) -> Shape {
    extents.iter().map(|&d| d as usize).collect()
}

/// Extents or axes from JavaScript. Numbers, since integers of 32 bits would wrap: inference refuses numbers that
/// are too large.
pub fn sizes(numbers: &[f64]) -> Box<[usize]> {
    numbers.iter().map(|&n| n as usize).collect()
}

/// A spec from JavaScript.
pub fn spec(extents: &[f64], code: u32) -> Result<Spec> {
    Ok(Spec {
        shape: shape(extents),
        dtype: dtype(code)?,
    })
}
