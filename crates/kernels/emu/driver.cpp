// An emulated libcuda.so: the entry points that the host part calls, on kernels compiled in. Work is done at the call; with
// EMU_LAZY=1 it is done at the next synchronization, so that a missing one shows.
//
// EMU_DEVICES=<n>, EMU_VERSION=<cuDriverGetVersion>, EMU_CAPABILITY=<10 major + minor>, EMU_MEMORY=<bytes>: another machine.
// EMU_LOST=<n>: the device is lost at the n-th launch. EMU_SHUFFLE=<seed>: threads and blocks in another order.
#include "driver.h"
#include "memory.h"
#include "modules.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace emu;

namespace {

using Work = std::function<void()>;

struct Graph {
    std::vector<Work> nodes;
};
struct Stream {
    bool capturing = false, invalid = false;
    std::thread::id capturer;
    std::unique_ptr<Graph> graph;
};
struct Event {
    bool recorded = false;
};

std::recursive_mutex lock;
thread_local void *current = nullptr;
bool initialized = false;
Result lost = SUCCESS;
int context_object;
std::set<Stream *> streams;
std::set<Event *> events;
std::set<Module *> modules;
std::set<Graph *> graphs, executables;
std::deque<Work> pending;

long number(const char *name, long otherwise) {
    const char *given = getenv(name);
    return given ? atol(given) : otherwise;
}
bool is_lazy() {
    static const bool lazy = number("EMU_LAZY", 0) != 0;
    return lazy;
}

// Does what was put off.
void drain() {
    while (!pending.empty()) {
        Work work = std::move(pending.front());
        pending.pop_front();
        work();
    }
}

Stream *capturing_here() {
    for (Stream *stream : streams) {
        if (stream->capturing && stream->capturer == std::this_thread::get_id()) {
            return stream;
        }
    }
    return nullptr;
}

// Puts work into a stream, or into the graph that the stream captures.
Result enqueue(Stream *stream, Work work) {
    if (stream && !streams.count(stream)) {
        return INVALID_HANDLE;
    }
    if (stream && stream->capturing) {
        stream->graph->nodes.push_back(std::move(work));
    } else if (is_lazy()) {
        pending.push_back(std::move(work));
    } else {
        work();
    }
    return SUCCESS;
}

// What may not happen while this thread captures: it ends the capture.
Result forbidden_in_capture() {
    if (Stream *stream = capturing_here()) {
        stream->invalid = true;
        return CAPTURE_UNSUPPORTED;
    }
    return SUCCESS;
}

struct Entry {
    std::lock_guard<std::recursive_mutex> guard{lock};
    Result result;
    explicit Entry(bool needs_context = true) {
        result = !initialized ? NOT_INITIALIZED : lost != SUCCESS ? lost : needs_context && !current ? INVALID_CONTEXT : SUCCESS;
    }
};
#define ENTER(...)                                                                                                           \
    Entry entry{__VA_ARGS__};                                                                                                \
    if (entry.result != SUCCESS)                                                                                             \
        return entry.result;
#define TRY(expression)                                                                                                      \
    if (Result tried = (expression); tried != SUCCESS)                                                                       \
        return tried;

// A launch with its arguments copied.
struct Launch {
    const Function *function;
    Dim grid, block;
    size_t shared;
    std::vector<std::vector<unsigned char>> arguments;

    void run() {
        std::vector<void *> pointers;
        for (auto &argument : arguments) {
            pointers.push_back(argument.data());
        }
        run_function(*function, grid, block, shared, pointers.data());
    }
};

long launches = 0;

} // namespace

API cuInit(unsigned) {
    std::lock_guard<std::recursive_mutex> guard(lock);
    initialized = true;
    return number("EMU_DEVICES", 1) > 0 ? SUCCESS : NO_DEVICE;
}
API cuDriverGetVersion(int *version) {
    *version = static_cast<int>(number("EMU_VERSION", 13000));
    return SUCCESS;
}
API cuDeviceGetCount(int *count) {
    ENTER(false)
    *count = static_cast<int>(number("EMU_DEVICES", 1));
    return SUCCESS;
}
API cuDeviceGet(Device *device, int ordinal) {
    ENTER(false)
    *device = ordinal;
    return ordinal >= 0 && ordinal < number("EMU_DEVICES", 1) ? SUCCESS : INVALID_DEVICE;
}
API cuDeviceGetName(char *name, int bytes, Device) {
    ENTER(false)
    snprintf(name, static_cast<size_t>(bytes), "CPU emulation");
    return SUCCESS;
}
API cuDeviceTotalMem_v2(size_t *bytes, Device) {
    ENTER(false)
    *bytes = memory::total();
    return SUCCESS;
}
API cuDeviceGetAttribute(int *value, int attribute, Device) {
    ENTER(false)
    long capability = number("EMU_CAPABILITY", 90);
    switch (attribute) {
    case 1: *value = 1024; return SUCCESS;                                   // MAX_THREADS_PER_BLOCK
    case 8: *value = 48 << 10; return SUCCESS;                               // MAX_SHARED_MEMORY_PER_BLOCK
    case 16: *value = 4; return SUCCESS;                                     // MULTIPROCESSOR_COUNT
    case 75: *value = static_cast<int>(capability / 10); return SUCCESS;     // COMPUTE_CAPABILITY_MAJOR
    case 76: *value = static_cast<int>(capability % 10); return SUCCESS;     // COMPUTE_CAPABILITY_MINOR
    case 97: *value = 200 << 10; return SUCCESS;                             // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
    case 115: *value = 1; return SUCCESS;                                    // MEMORY_POOLS_SUPPORTED
    default: return INVALID_VALUE;
    }
}
API cuDevicePrimaryCtxRetain(void **context, Device) {
    ENTER(false)
    *context = &context_object;
    return SUCCESS;
}
API cuDevicePrimaryCtxRelease_v2(Device) {
    ENTER(false)
    return SUCCESS;
}
API cuCtxSetCurrent(void *context) {
    ENTER(false)
    current = context;
    return SUCCESS;
}
API cuCtxGetCurrent(void **context) {
    ENTER(false)
    *context = current;
    return SUCCESS;
}
API cuMemGetInfo_v2(size_t *free, size_t *total) {
    ENTER()
    *free = memory::free_bytes();
    *total = memory::total();
    return SUCCESS;
}

API cuDeviceGetDefaultMemPool(void **pool, Device) {
    ENTER(false)
    *pool = &context_object;
    return SUCCESS;
}
API cuMemPoolSetAttribute(void *, int, void *) {
    ENTER(false)
    return SUCCESS;
}
API cuMemPoolGetAttribute(void *, int, void *value) {
    ENTER(false)
    // Nothing is kept.
    *static_cast<uint64_t *>(value) = 0;
    return SUCCESS;
}
API cuMemPoolTrimTo(void *, size_t) {
    ENTER(false)
    return SUCCESS;
}
API cuMemAllocAsync(DevicePointer *pointer, size_t bytes, Stream *stream) {
    ENTER()
    if (stream && stream->capturing) {
        stream->invalid = true;
        return CAPTURE_UNSUPPORTED;
    }
    if (bytes == 0) {
        return INVALID_VALUE;
    }
    void *block = memory::allocate(bytes);
    if (!block) {
        // What is freed in the order of the stream comes back first.
        drain();
        block = memory::allocate(bytes);
    }
    *pointer = reinterpret_cast<DevicePointer>(block);
    return block ? SUCCESS : OUT_OF_MEMORY;
}
API cuMemFreeAsync(DevicePointer pointer, Stream *stream) {
    ENTER()
    if (stream && stream->capturing) {
        stream->invalid = true;
        return CAPTURE_UNSUPPORTED;
    }
    if (!memory::is_device(pointer, 0)) {
        return INVALID_VALUE;
    }
    return enqueue(stream, [pointer] { memory::release(pointer); });
}
API cuMemHostAlloc(void **pointer, size_t bytes, unsigned) {
    ENTER()
    TRY(forbidden_in_capture())
    if (posix_memalign(pointer, 4096, std::max<size_t>(bytes, 1))) {
        return OUT_OF_MEMORY;
    }
    memory::pinned_blocks[reinterpret_cast<uintptr_t>(*pointer)] = bytes;
    return SUCCESS;
}
API cuMemFreeHost(void *pointer) {
    ENTER()
    TRY(forbidden_in_capture())
    if (!memory::pinned_blocks.erase(reinterpret_cast<uintptr_t>(pointer))) {
        return INVALID_VALUE;
    }
    drain();
    free(pointer);
    return SUCCESS;
}
API cuMemcpyHtoDAsync_v2(DevicePointer to, const void *from, size_t bytes, Stream *stream) {
    ENTER()
    if (!memory::is_device(to, bytes)) {
        return INVALID_VALUE;
    }
    auto *target = reinterpret_cast<void *>(to);
    if (memory::is_pinned(from, bytes)) {
        return enqueue(stream, [=] { std::memcpy(target, from, bytes); });
    }
    // Pageable memory is copied before the call returns.
    auto *start = static_cast<const unsigned char *>(from);
    std::vector<unsigned char> copy(start, start + bytes);
    return enqueue(stream, [target, copy] { std::memcpy(target, copy.data(), copy.size()); });
}
API cuMemcpyDtoHAsync_v2(void *to, DevicePointer from, size_t bytes, Stream *stream) {
    ENTER()
    if (!memory::is_device(from, bytes)) {
        return INVALID_VALUE;
    }
    auto *source = reinterpret_cast<const void *>(from);
    bool pinned = memory::is_pinned(to, bytes);
    if (!pinned && stream && stream->capturing) {
        stream->invalid = true;
        return CAPTURE_UNSUPPORTED;
    }
    TRY(enqueue(stream, [=] { std::memcpy(to, source, bytes); }))
    if (!pinned) {
        drain();
    }
    return SUCCESS;
}
API cuMemcpyDtoDAsync_v2(DevicePointer to, DevicePointer from, size_t bytes, Stream *stream) {
    ENTER()
    if (!memory::is_device(to, bytes) || !memory::is_device(from, bytes)) {
        return INVALID_VALUE;
    }
    return enqueue(stream, [=] {
        std::memmove(reinterpret_cast<void *>(to), reinterpret_cast<const void *>(from), bytes);
    });
}
API cuMemsetD8Async(DevicePointer to, unsigned char byte, size_t bytes, Stream *stream) {
    ENTER()
    if (!memory::is_device(to, bytes)) {
        return INVALID_VALUE;
    }
    return enqueue(stream, [=] { std::memset(reinterpret_cast<void *>(to), byte, bytes); });
}

API cuStreamCreate(Stream **stream, unsigned) {
    ENTER()
    *stream = new Stream;
    streams.insert(*stream);
    return SUCCESS;
}
API cuStreamDestroy_v2(Stream *stream) {
    ENTER()
    if (!streams.erase(stream)) {
        return INVALID_HANDLE;
    }
    drain();
    delete stream;
    return SUCCESS;
}
API cuStreamSynchronize(Stream *stream) {
    ENTER()
    TRY(forbidden_in_capture())
    if (stream && !streams.count(stream)) {
        return INVALID_HANDLE;
    }
    drain();
    return lost;
}
API cuStreamWaitEvent(Stream *, Event *event, unsigned) {
    ENTER()
    return events.count(event) ? SUCCESS : INVALID_HANDLE;
}
API cuStreamBeginCapture_v2(Stream *stream, int) {
    ENTER()
    if (!stream || !streams.count(stream) || stream->capturing) {
        return CAPTURE_UNSUPPORTED;
    }
    stream->capturing = true;
    stream->invalid = false;
    stream->capturer = std::this_thread::get_id();
    stream->graph = std::make_unique<Graph>();
    return SUCCESS;
}
API cuStreamEndCapture(Stream *stream, Graph **graph) {
    ENTER()
    *graph = nullptr;
    if (!stream || !streams.count(stream) || !stream->capturing) {
        return INVALID_VALUE;
    }
    stream->capturing = false;
    if (stream->invalid) {
        stream->graph.reset();
        return CAPTURE_INVALIDATED;
    }
    *graph = stream->graph.release();
    graphs.insert(*graph);
    return SUCCESS;
}
API cuGraphInstantiateWithFlags(Graph **executable, Graph *graph, unsigned long long) {
    ENTER()
    if (!graphs.count(graph)) {
        return INVALID_HANDLE;
    }
    *executable = new Graph(*graph);
    executables.insert(*executable);
    return SUCCESS;
}
API cuGraphUpload(Graph *executable, Stream *) {
    ENTER()
    return executables.count(executable) ? SUCCESS : INVALID_HANDLE;
}
API cuGraphLaunch(Graph *executable, Stream *stream) {
    ENTER()
    if (!executables.count(executable)) {
        return INVALID_HANDLE;
    }
    auto nodes = executable->nodes;
    return enqueue(stream, [nodes] {
        for (const Work &work : nodes) {
            work();
        }
    });
}
API cuGraphDestroy(Graph *graph) {
    ENTER()
    if (!graphs.erase(graph)) {
        return INVALID_HANDLE;
    }
    delete graph;
    return SUCCESS;
}
API cuGraphExecDestroy(Graph *executable) {
    ENTER()
    if (!executables.erase(executable)) {
        return INVALID_HANDLE;
    }
    drain();
    delete executable;
    return SUCCESS;
}

API cuEventCreate(Event **event, unsigned) {
    ENTER()
    *event = new Event;
    events.insert(*event);
    return SUCCESS;
}
API cuEventRecord(Event *event, Stream *stream) {
    ENTER()
    if (!events.count(event)) {
        return INVALID_HANDLE;
    }
    return enqueue(stream, [event] { event->recorded = true; });
}
API cuEventQuery(Event *event) {
    ENTER()
    if (!events.count(event)) {
        return INVALID_HANDLE;
    }
    return event->recorded ? SUCCESS : NOT_READY;
}
API cuEventSynchronize(Event *event) {
    ENTER()
    TRY(forbidden_in_capture())
    if (!events.count(event)) {
        return INVALID_HANDLE;
    }
    drain();
    return lost;
}
API cuEventDestroy_v2(Event *event) {
    ENTER()
    if (!events.count(event)) {
        return INVALID_HANDLE;
    }
    drain();
    events.erase(event);
    delete event;
    return SUCCESS;
}

API cuModuleLoadData(Module **module, const void *image) {
    ENTER()
    std::unique_ptr<Module> loaded;
    TRY(load_module(static_cast<const char *>(image), loaded))
    *module = loaded.release();
    modules.insert(*module);
    return SUCCESS;
}
API cuModuleUnload(Module *module) {
    ENTER()
    if (!modules.erase(module)) {
        return INVALID_HANDLE;
    }
    drain();
    delete module;
    return SUCCESS;
}
API cuModuleGetFunction(Function **function, Module *module, const char *name) {
    ENTER()
    return modules.count(module) ? find_function(*module, name, *function) : INVALID_HANDLE;
}
API cuFuncSetAttribute(Function *function, int attribute, int value) {
    ENTER()
    if (attribute != 8 || value < 0 || value > 200 << 10) { // MAX_DYNAMIC_SHARED_SIZE_BYTES
        return INVALID_VALUE;
    }
    function->shared_limit = static_cast<size_t>(value);
    return SUCCESS;
}
API cuLaunchKernel(Function *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, Stream *stream, void **arguments, void **) {
    ENTER()
    uint64_t threads = uint64_t(bx) * by * bz;
    if (gx == 0 || gy == 0 || gz == 0 || threads == 0 || threads > 1024 || bz > 64 || gx > 0x7fffffff || gy > 65535 ||
        gz > 65535 || shared > function->shared_limit) {
        return INVALID_VALUE;
    }
    if (++launches == number("EMU_LOST", -1)) {
        lost = ILLEGAL_ADDRESS;
        return lost;
    }
    auto launch = std::make_shared<Launch>(Launch{function, {gx, gy, gz}, {bx, by, bz}, shared, {}});
    for (size_t i = 0; i < function->sizes.size(); i++) {
        auto *from = static_cast<const unsigned char *>(arguments[i]);
        launch->arguments.emplace_back(from, from + function->sizes[i]);
    }
    return enqueue(stream, [launch] { launch->run(); });
}

API cuGetErrorName(Result code, const char **name) {
    switch (code) {
    case SUCCESS: *name = "CUDA_SUCCESS"; break;
    case INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
    case OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case NOT_INITIALIZED: *name = "CUDA_ERROR_NOT_INITIALIZED"; break;
    case NO_DEVICE: *name = "CUDA_ERROR_NO_DEVICE"; break;
    case INVALID_DEVICE: *name = "CUDA_ERROR_INVALID_DEVICE"; break;
    case INVALID_CONTEXT: *name = "CUDA_ERROR_INVALID_CONTEXT"; break;
    case INVALID_PTX: *name = "CUDA_ERROR_INVALID_PTX"; break;
    case UNSUPPORTED_PTX_VERSION: *name = "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"; break;
    case INVALID_HANDLE: *name = "CUDA_ERROR_INVALID_HANDLE"; break;
    case NOT_FOUND: *name = "CUDA_ERROR_NOT_FOUND"; break;
    case NOT_READY: *name = "CUDA_ERROR_NOT_READY"; break;
    case ILLEGAL_ADDRESS: *name = "CUDA_ERROR_ILLEGAL_ADDRESS"; break;
    case CAPTURE_UNSUPPORTED: *name = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"; break;
    case CAPTURE_INVALIDATED: *name = "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"; break;
    default: *name = nullptr; return INVALID_VALUE;
    }
    return SUCCESS;
}
API cuGetErrorString(Result code, const char **text) {
    return cuGetErrorName(code, text);
}
