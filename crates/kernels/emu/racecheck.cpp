// Finds races and reads of uninitialized shared memory. The kernels alone are compiled with -fsanitize=thread; the callbacks that
// the compiler inserts are defined here instead of in its runtime, which knows nothing of fibers.
//
// A byte remembers its last write and two last reads. Two accesses, one of them a write, race when they come from other threads
// of a block without a barrier between (within a warp: without a barrier or warp operation between), or from other blocks of a
// launch, unless both are atomic.
#include "fibers.h"

#include <dlfcn.h>
#include <string>
#include <unordered_map>

namespace emu::race {
namespace {

struct Access {
    unsigned grid = 0, block = 0, thread = 0, barriers = 0, meetings = 0;
    bool atomic = false;
    void *where = nullptr;
};

struct Shadow {
    Access write, reads[2];
};

std::unordered_map<uintptr_t, Shadow> shadows;
Access now;
const char *stack = nullptr;
size_t stack_bytes = 0;
const char *shared_memory = nullptr;
size_t shared_bytes = 0;

bool races(const Access &before) {
    if (before.grid != now.grid || (before.atomic && now.atomic)) {
        return false;
    }
    if (before.block != now.block) {
        return true;
    }
    if (before.thread == now.thread || before.barriers != now.barriers) {
        return false;
    }
    return before.thread / 32 != now.thread / 32 || before.meetings == now.meetings;
}

[[noreturn]] void report(const char *what, uintptr_t at, const Access &before, void *where) {
    Dl_info self{}, other{};
    dladdr(where, &self);
    dladdr(before.where, &other);
    auto offset = [](void *pc, const Dl_info &info) {
        return static_cast<size_t>(static_cast<char *>(pc) - static_cast<char *>(info.dli_fbase));
    };
    fail("%s of address %#zx at +%#zx, before by block %u, thread %u at +%#zx (addr2line -e %s)", what, size_t(at),
         offset(where, self), before.block, before.thread, before.where ? offset(before.where, other) : 0,
         self.dli_fname ? self.dli_fname : "?");
}

void access(const void *address, size_t bytes, bool write, void *where) {
    auto *start = static_cast<const char *>(address);
    if (start >= stack && start < stack + stack_bytes) {
        return;
    }
    bool in_shared = start >= shared_memory && start < shared_memory + shared_bytes;
    now.where = where;
    for (size_t i = 0; i < bytes; i++) {
        auto at = reinterpret_cast<uintptr_t>(start + i);
        Shadow &shadow = shadows[at];
        if (races(shadow.write)) {
            report(write ? "two writes race: a write" : "a read races with a write: a read", at, shadow.write, where);
        }
        if (write) {
            for (const Access &read : shadow.reads) {
                if (races(read)) {
                    report("a write races with a read: a write", at, read, where);
                }
            }
            shadow.write = now;
            continue;
        }
        if (in_shared && (shadow.write.grid != now.grid || shadow.write.block != now.block)) {
            report("a read of shared memory that the block has not written: a read", at, shadow.write, where);
        }
        // One read of this thread and one of another are remembered.
        Access &own = shadow.reads[0];
        if (own.grid != now.grid || own.block != now.block || own.thread == now.thread) {
            own = now;
        } else {
            shadow.reads[1] = own;
            own = now;
        }
    }
}

} // namespace

void begin_grid(const char *) {
    now = {};
    static unsigned grids = 0;
    now.grid = ++grids;
    shadows.clear();
}
void begin_block(const void *memory, size_t bytes) {
    shared_memory = static_cast<const char *>(memory);
    shared_bytes = bytes;
    // The heap may give two blocks the same addresses, which they do not share.
    for (size_t i = 0; i < bytes; i++) {
        shadows.erase(reinterpret_cast<uintptr_t>(shared_memory + i));
    }
}
void end_block() {}
void switched(unsigned block, unsigned thread, unsigned barriers, unsigned meetings, const char *base, size_t bytes) {
    now.block = block;
    now.thread = thread;
    now.barriers = barriers;
    now.meetings = meetings;
    stack = base;
    stack_bytes = bytes;
}
void atomic_access(const void *address, size_t bytes) {
    now.atomic = true;
    access(address, bytes, false, __builtin_return_address(0));
    access(address, bytes, true, __builtin_return_address(0));
    now.atomic = false;
}

} // namespace emu::race

#define VISIBLE extern "C" __attribute__((visibility("hidden")))
#define ACCESSES(N)                                                                                                          \
    VISIBLE void __tsan_read##N(void *p) { emu::race::access(p, N, false, __builtin_return_address(0)); }                    \
    VISIBLE void __tsan_write##N(void *p) { emu::race::access(p, N, true, __builtin_return_address(0)); }                    \
    VISIBLE void __tsan_unaligned_read##N(void *p) { emu::race::access(p, N, false, __builtin_return_address(0)); }          \
    VISIBLE void __tsan_unaligned_write##N(void *p) { emu::race::access(p, N, true, __builtin_return_address(0)); }
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
VISIBLE void __tsan_read_range(void *p, size_t n) { emu::race::access(p, n, false, __builtin_return_address(0)); }
VISIBLE void __tsan_write_range(void *p, size_t n) { emu::race::access(p, n, true, __builtin_return_address(0)); }
VISIBLE void __tsan_func_entry(void *) {}
VISIBLE void __tsan_func_exit() {}
VISIBLE void __tsan_init() {}
VISIBLE void __tsan_vptr_update(void **, void *) {}
VISIBLE void __tsan_vptr_read(void **) {}
