// A block of CUDA threads as fibers of one thread of the operating system. A fiber runs until it waits: at a barrier, for the
// lanes of its warp, or because it has ended. The scheduler refuses what a GPU leaves undefined.
#include "fibers.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#ifndef __x86_64__
#error "the emulated driver switches stacks of x86-64 only"
#endif

// Saves the callee-saved registers on the stack, its pointer in *from, and goes on where `to` was saved.
extern "C" void emu_switch(void **from, void *to);
asm(R"(
.text
.globl emu_switch
.hidden emu_switch
.type emu_switch,@function
emu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emu_switch,.-emu_switch
)");

namespace emu {

Position position;
unsigned char *shared = nullptr;

namespace {

constexpr size_t STACK = 128 << 10;
constexpr unsigned WARP = 32;

enum class State { Ready, Barrier, Meeting, Ended };

struct Fiber {
    void *stack_pointer = nullptr;
    char *stack = nullptr;
    State state = State::Ready;
    Dim thread;
    int line = 0;
    unsigned mask = 0;
    uint64_t given = 0;
    uint64_t seen[WARP] = {};
    unsigned meetings = 0;
};

std::vector<std::unique_ptr<Fiber>> fibers;
Fiber *running = nullptr;
unsigned running_number = 0;
void *scheduler = nullptr;
const std::function<void()> *body = nullptr;
const char *kernel_name = "";
unsigned barriers = 0;
unsigned block_number = 0;

std::map<std::string, std::map<std::string, Kernel>> &registry() {
    static std::map<std::string, std::map<std::string, Kernel>> kernels;
    return kernels;
}

void yield() { emu_switch(&running->stack_pointer, scheduler); }

void entry() {
    (*body)();
    running->state = State::Ended;
    yield();
    std::abort();
}

void prepare(Fiber &fiber) {
    if (!fiber.stack) {
        void *stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED) {
            fail("no memory for the stack of a thread");
        }
        fiber.stack = static_cast<char *>(stack);
    }
    // As a call would leave it: the return address of `entry` on a multiple of 16 bytes.
    void **top = reinterpret_cast<void **>(fiber.stack + STACK);
    *--top = nullptr;
    *--top = reinterpret_cast<void *>(entry);
    for (int i = 0; i < 6; i++) {
        *--top = nullptr;
    }
    fiber.stack_pointer = top;
    fiber.state = State::Ready;
    fiber.meetings = 0;
}

// Runs one fiber until it waits.
void resume(unsigned number) {
    Fiber &fiber = *fibers[number];
    running = &fiber;
    running_number = number;
    position.thread = fiber.thread;
    race::switched(block_number, number, barriers, fiber.meetings, fiber.stack, STACK);
    emu_switch(&scheduler, fiber.stack_pointer);
    running = nullptr;
}

// Lets the lanes of a warp go on that wait for each other. Returns whether any did.
bool release_meeting(unsigned first, unsigned count) {
    for (unsigned at = 0; at < count; at++) {
        Fiber &one = *fibers[first + at];
        if (one.state != State::Meeting) {
            continue;
        }
        uint64_t given[WARP] = {};
        for (unsigned lane = 0; lane < WARP; lane++) {
            if (!(one.mask >> lane & 1)) {
                continue;
            }
            Fiber *other = lane < count ? fibers[first + lane].get() : nullptr;
            if (!other || other->state != State::Meeting || other->line != one.line || other->mask != one.mask) {
                position.thread = one.thread;
                fail("line %d: the mask %08x names lane %u, which does not arrive there", one.line, one.mask, lane);
            }
            given[lane] = other->given;
        }
        for (unsigned lane = 0; lane < WARP; lane++) {
            if (one.mask >> lane & 1) {
                Fiber &other = *fibers[first + lane];
                std::memcpy(other.seen, given, sizeof given);
                other.state = State::Ready;
                other.meetings++;
            }
        }
        return true;
    }
    return false;
}

// Every warp up to its next barrier or end.
void run_warp(unsigned first, unsigned count, std::minstd_rand *dice) {
    do {
        for (bool any = true; any;) {
            any = false;
            unsigned turn = dice ? (*dice)() % count : 0;
            for (unsigned i = 0; i < count; i++) {
                unsigned at = (i + turn) % count;
                if (fibers[first + at]->state == State::Ready) {
                    resume(first + at);
                    any = true;
                }
            }
        }
    } while (release_meeting(first, count));
}

// Lets a block go on whose threads all wait at one barrier. Returns whether it has ended.
bool release_barrier(unsigned threads) {
    Fiber *waiting = nullptr;
    bool ended = false;
    for (unsigned i = 0; i < threads; i++) {
        Fiber &fiber = *fibers[i];
        if (fiber.state == State::Ended) {
            ended = true;
            continue;
        }
        if (waiting && waiting->line != fiber.line) {
            position.thread = fiber.thread;
            fail("threads of one block wait at the barriers of lines %d and %d", waiting->line, fiber.line);
        }
        waiting = &fiber;
    }
    if (waiting && ended) {
        position.thread = waiting->thread;
        fail("line %d: a barrier that other threads of the block never reach", waiting->line);
    }
    for (unsigned i = 0; i < threads; i++) {
        if (fibers[i]->state == State::Barrier) {
            fibers[i]->state = State::Ready;
        }
    }
    barriers++;
    return !waiting;
}

void run_block(unsigned threads, std::minstd_rand *dice) {
    for (unsigned i = 0; i < threads; i++) {
        prepare(*fibers[i]);
    }
    barriers = 0;
    do {
        unsigned warps = (threads + WARP - 1) / WARP, turn = dice ? (*dice)() % warps : 0;
        for (unsigned i = 0; i < warps; i++) {
            unsigned first = (i + turn) % warps * WARP;
            run_warp(first, std::min(WARP, threads - first), dice);
        }
    } while (!release_barrier(threads));
}

} // namespace

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "CUDA emulation: kernel %s, block (%u, %u, %u), thread (%u, %u, %u): ", kernel_name, position.block.x,
            position.block.y, position.block.z, position.thread.x, position.thread.y, position.thread.z);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    fflush(stderr);
    _exit(66);
}

unsigned lane() { return running_number % WARP; }
const uint64_t *deposits() { return running->seen; }

void barrier(int line) {
    running->state = State::Barrier;
    running->line = line;
    yield();
}

void meet(int line, unsigned mask, uint64_t given) {
    if (!(mask >> lane() & 1)) {
        fail("line %d: the mask %08x leaves out the lane %u that gives it", line, mask, lane());
    }
    running->state = State::Meeting;
    running->line = line;
    running->mask = mask;
    running->given = given;
    yield();
}

uint64_t atomic_min(uint64_t *address, uint64_t value) {
    race::atomic_access(address, sizeof *address);
    uint64_t old = *address;
    *address = std::min(old, value);
    return old;
}

int atomic_min(int *address, int value) {
    race::atomic_access(address, sizeof *address);
    int old = *address;
    *address = std::min(old, value);
    return old;
}

int atomic_cas(int *address, int expected, int value) {
    race::atomic_access(address, sizeof *address);
    int old = *address;
    if (old == expected) {
        *address = value;
    }
    return old;
}

template <class T> static T add(T *address, T value) {
    race::atomic_access(address, sizeof *address);
    T old = *address;
    *address = old + value;
    return old;
}
uint32_t atomic_add(uint32_t *address, uint32_t value) { return add(address, value); }
uint64_t atomic_add(uint64_t *address, uint64_t value) { return add(address, value); }

void register_kernel(const char *source, Kernel kernel) { registry()[source][kernel.name] = kernel; }

bool has_source(const std::string &source) { return registry().count(source) > 0; }

const Kernel *find_kernel(const std::string &source, const std::string &name) {
    auto of = registry().find(source);
    if (of == registry().end()) {
        return nullptr;
    }
    auto kernel = of->second.find(name);
    return kernel == of->second.end() ? nullptr : &kernel->second;
}

void run_grid(const char *name, Dim grid, Dim block, size_t shared_bytes, const std::function<void()> &call) {
    static const char *seed = getenv("EMU_SHUFFLE");
    static std::minstd_rand order(seed ? static_cast<unsigned>(atoi(seed)) : 1);
    std::minstd_rand *dice = seed ? &order : nullptr;
    kernel_name = name;
    body = &call;
    position = {{}, {}, block, grid};
    unsigned threads = block.x * block.y * block.z;
    while (fibers.size() < threads) {
        fibers.push_back(std::make_unique<Fiber>());
    }
    for (unsigned i = 0; i < threads; i++) {
        fibers[i]->thread = {i % block.x, i / block.x % block.y, i / block.x / block.y};
    }
    race::begin_grid(name);
    uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
    for (uint64_t i = 0; i < blocks; i++) {
        // Blocks run in any order on a GPU: backwards when shuffled.
        uint64_t at = seed ? blocks - 1 - i : i;
        position.block = {unsigned(at % grid.x), unsigned(at / grid.x % grid.y), unsigned(at / grid.x / grid.y)};
        block_number = static_cast<unsigned>(at);
        // A heap block of exactly the launch's size, so that the address sanitizer sees an access beyond it.
        std::unique_ptr<unsigned char[]> memory(shared_bytes ? new unsigned char[shared_bytes] : nullptr);
        if (shared_bytes) {
            std::memset(memory.get(), 0xff, shared_bytes);
        }
        shared = memory.get();
        race::begin_block(shared, shared_bytes);
        run_block(threads, dice);
        race::end_block();
        shared = nullptr;
    }
    kernel_name = "";
}

#ifndef EMU_RACE
namespace race {
void begin_grid(const char *) {}
void begin_block(const void *, size_t) {}
void end_block() {}
void switched(unsigned, unsigned, unsigned, unsigned, const char *, size_t) {}
void atomic_access(const void *, size_t) {}
} // namespace race
#endif

} // namespace emu
