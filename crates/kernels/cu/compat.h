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
#define SYNC_THREADS() __syncthreads()
#define SYNC_WARP(mask) __syncwarp(mask)
#define SHUFFLE(mask, value, lane) __shfl_sync(mask, value, lane)
#define SHUFFLE_DOWN(mask, value, delta) __shfl_down_sync(mask, value, delta)
#define SHUFFLE_XOR(mask, value, lanes) __shfl_xor_sync(mask, value, lanes)
#define ATOMIC_MIN(address, value) atomicMin(address, value)
#define ATOMIC_CAS(address, expected, value) atomicCAS(address, expected, value)
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

// What a run refuses: the first step that refuses wins, and of its refusals the first element. The host reads it with the
// results. `step` and `values` are written by the winner alone.
struct Refusal {
    // (step << 40 | element), all ones while nothing refuses.
    u64 key;
    i64 integer;
    double number;
    i64 detail;
};

#endif
