// CUDA as C++: what a kernel may use, for the emulated driver. A thread of a block is a fiber, see fibers.cpp.
#ifndef HYPERGLOW_CUDA_EMU_H
#define HYPERGLOW_CUDA_EMU_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace emu {

struct Dim {
    unsigned x = 1, y = 1, z = 1;
};

// Where the running thread is in its grid.
struct Position {
    Dim thread, block, block_size, grid_size;
};
extern Position position;
// Dynamic shared memory of the running block: exactly the bytes of the launch.
extern unsigned char *shared;

// Ends the process with status 66: an emulated kernel did what a GPU leaves undefined.
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

void barrier(int line);
// Waits for the lanes of `mask`; then `deposits()[lane]` is what each lane has given.
void meet(int line, unsigned mask, uint64_t given);
const uint64_t *deposits();
unsigned lane();

// Atomics go through these, so that the race checker knows them as such.
uint64_t atomic_min(uint64_t *address, uint64_t value);
int atomic_min(int *address, int value);
int atomic_cas(int *address, int expected, int value);
uint32_t atomic_add(uint32_t *address, uint32_t value);
uint64_t atomic_add(uint64_t *address, uint64_t value);

template <class T> uint64_t to_bits(T value) {
    static_assert(sizeof(T) <= 8);
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    return bits;
}

template <class T> T exchange(int line, unsigned mask, T value, unsigned from) {
    if (from >= 32 || !(mask >> from & 1)) {
        // Beyond the warp a shuffle gives the own value; a lane that the mask leaves out gives anything.
        if (from < 32) {
            fail("line %d: a shuffle reads lane %u, which the mask %08x leaves out", line, from, mask);
        }
        from = lane();
    }
    meet(line, mask, to_bits(value));
    T result;
    std::memcpy(&result, &deposits()[from], sizeof(T));
    return result;
}

// A kernel as the driver calls it: `args[i]` points to argument i.
struct Kernel {
    const char *name;
    void (*call)(void **args);
    const size_t *sizes;
    size_t count;
};
void register_kernel(const char *source, Kernel kernel);

template <auto F> struct Thunk;
template <class... A, void (*F)(A...)> struct Thunk<F> {
    static constexpr size_t sizes[] = {sizeof(A)..., 0};
    static constexpr size_t count = sizeof...(A);
    template <size_t... I> static void unpack(void **args, std::index_sequence<I...>) {
        F(*static_cast<A *>(args[I])...);
    }
    static void call(void **args) { unpack(args, std::make_index_sequence<count>()); }
};

template <auto F> struct Export {
    Export(const char *source, const char *name) {
        register_kernel(source, {name, Thunk<F>::call, Thunk<F>::sizes, Thunk<F>::count});
    }
};

} // namespace emu

#define KERNEL static
#define ROLLED
#define UNROLLED_BY_4
#define __restrict__ __restrict
#define DYN_SHARED(T, name) T *name = reinterpret_cast<T *>(emu::shared)
#define EMU_EXPORT(kernel) static emu::Export<kernel> export_##kernel(EMU_SOURCE, #kernel);
#define SYNC_THREADS() emu::barrier(__LINE__)
#define SYNC_WARP(mask) emu::meet(__LINE__, mask, 0)
#define SHUFFLE(mask, value, source) emu::exchange(__LINE__, mask, value, source)
#define SHUFFLE_DOWN(mask, value, delta) emu::exchange(__LINE__, mask, value, emu::lane() + (delta))
#define SHUFFLE_XOR(mask, value, lanes) emu::exchange(__LINE__, mask, value, emu::lane() ^ (lanes))
#define ATOMIC_MIN(address, value) emu::atomic_min(reinterpret_cast<emu_atomic_t<decltype(address)>>(address), value)
#define ATOMIC_CAS(address, expected, value) emu::atomic_cas(address, expected, value)
#define ATOMIC_ADD(address, value) emu::atomic_add(reinterpret_cast<emu_atomic_t<decltype(address)>>(address), value)

template <class P> struct emu_atomic { using type = P; };
template <> struct emu_atomic<unsigned long long *> { using type = uint64_t *; };
template <class P> using emu_atomic_t = typename emu_atomic<P>::type;

static inline long long __double_as_longlong(double x) { return static_cast<long long>(emu::to_bits(x)); }
static inline double __longlong_as_double(long long bits) {
    double x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

#define threadIdx emu::position.thread
#define blockIdx emu::position.block
#define blockDim emu::position.block_size
#define gridDim emu::position.grid_size

#endif
