// The one include of every kernel. NVRTC compiles the kernels without any header of NVIDIA's; g++ compiles the same text for the
// emulated driver (EMU).
#ifndef HYPERGLOW_COMPAT_H
#define HYPERGLOW_COMPAT_H

#ifdef EMU
#include "cuda_emu.h"
#else
#define KERNEL extern "C" __global__
// Shared memory is dynamic only: the launch states its bytes, so the emulated driver can check every access.
#define DYN_SHARED(T, name)                                      \
    extern __shared__ __align__(16) unsigned char name##_raw[]; \
    T *name = reinterpret_cast<T *>(name##_raw)
#define EMU_EXPORT(kernel)
// Before a loop that is not worth unrolling: memory bounds it, and the text is part of the library.
#define ROLLED _Pragma("unroll 1")
// Before an inner loop of many steps: the next steps' reads overlap with the arithmetic, and the text stays short.
#define UNROLLED_BY_4 _Pragma("unroll 4")
#define SYNC_THREADS() __syncthreads()
#define SYNC_WARP(mask) __syncwarp(mask)
#define SHUFFLE(mask, value, lane) __shfl_sync(mask, value, lane)
#define SHUFFLE_DOWN(mask, value, delta) __shfl_down_sync(mask, value, delta)
#define SHUFFLE_XOR(mask, value, lanes) __shfl_xor_sync(mask, value, lanes)
#define ATOMIC_MIN(address, value) atomicMin(address, value)
#define ATOMIC_CAS(address, expected, value) atomicCAS(address, expected, value)
#define ATOMIC_ADD(address, value) atomicAdd(address, value)
#endif

typedef signed char i8;
typedef unsigned char u8;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;
typedef float f32;
typedef double f64;

// The most axes that a kernel takes after the launcher has merged axes.
#define MAX_AXES 8

// The number of the thread in its grid, and the number of threads, for loops over all elements.
#define GRID_START (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x)
#define GRID_STEP (static_cast<i64>(gridDim.x) * blockDim.x)

static inline bool is_nan(float x) { return x != x; }
static inline bool is_nan(double x) { return x != x; }
static inline bool is_nan(i32) { return false; }
static inline bool is_nan(u32) { return false; }
static inline bool is_nan(i64) { return false; }
static inline bool is_nan(u8) { return false; }
// Orders in which NaN is the largest.
template <class T> static bool is_larger(T a, T b) { return is_nan(a) ? !is_nan(b) : a > b; }
template <class T> static bool is_smaller(T a, T b) { return is_nan(b) ? !is_nan(a) : a < b; }

// The type in which elements are summed.
template <class T> struct Wide {
    typedef u64 type;
};
template <> struct Wide<f32> {
    typedef f64 type;
};
template <> struct Wide<f64> {
    typedef f64 type;
};

// What a run refuses: the first step that refuses writes it, of its refusals the first element. The host reads it with the
// results (src/cuda/refusal.rs).
struct Refusal {
    // step << 40 | element; all ones while nothing refuses.
    u64 key;
    i64 integer;
    f64 number;
    i64 detail;
};

// Records a refusal, unless an earlier step has. One thread of a launch calls it, and launches come one after the other.
static inline void refuse(Refusal *refusal, i64 step, i64 element, i64 integer, f64 number, i64 detail) {
    if (refusal->key == ~0ull) {
        refusal->integer = integer;
        refusal->number = number;
        refusal->detail = detail;
        refusal->key = static_cast<u64>(step) << 40 | static_cast<u64>(element);
    }
}

// Axes of a loop: extents, and the distance of neighbors in another tensor.
struct Axes {
    i64 count;
    i64 extent[MAX_AXES];
    i64 stride[MAX_AXES];

    // Where element `i` of the loop is in the other tensor.
    i64 offset(i64 i) const {
        i64 at = 0;
        ROLLED for (i64 axis = count - 1; axis >= 0; axis--) {
            at += i % extent[axis] * stride[axis];
            i /= extent[axis];
        }
        return at;
    }
};

// Combines the values of a block's threads, a power of two, in a fixed order; every thread gets the result. `room` holds one
// value per thread.
template <class T, class F> static T block_combine(T *room, T value, F combine) {
    u32 threads = blockDim.x * blockDim.y, me = threadIdx.y * blockDim.x + threadIdx.x;
    SYNC_THREADS();
    room[me] = value;
    ROLLED for (u32 half = threads / 2; half > 0; half /= 2) {
        SYNC_THREADS();
        if (me < half) {
            room[me] = combine(room[me], room[me + half]);
        }
    }
    SYNC_THREADS();
    return room[0];
}

#endif
