// Planted bugs, each with a correct twin: what the emulated driver must find, and what it must leave alone.
// A name says which build finds the bug: every build, `asan` or `race`.
#include "compat.h"

// Each thread passes its number to the next one through shared memory.
static void rotate(i32 *out, i32 *room, bool first_barrier) {
    room[threadIdx.x] = static_cast<i32>(threadIdx.x);
    if (first_barrier) {
        SYNC_THREADS();
    }
    out[blockIdx.x * blockDim.x + threadIdx.x] = room[(threadIdx.x + 1) % blockDim.x];
}
KERNEL void fine_barrier(i32 *out) {
    DYN_SHARED(i32, room);
    rotate(out, room, true);
}
EMU_EXPORT(fine_barrier)
KERNEL void race_missing_barrier(i32 *out) {
    DYN_SHARED(i32, room);
    rotate(out, room, false);
}
EMU_EXPORT(race_missing_barrier)

KERNEL void fine_bounds(i32 *out) { out[blockIdx.x * blockDim.x + threadIdx.x] = 1; }
EMU_EXPORT(fine_bounds)
KERNEL void asan_global_bounds(i32 *out) { out[blockIdx.x * blockDim.x + threadIdx.x + 1] = 1; }
EMU_EXPORT(asan_global_bounds)
KERNEL void asan_shared_bounds(i32 *out) {
    DYN_SHARED(i32, room);
    room[threadIdx.x + 1] = 1;
    SYNC_THREADS();
    out[threadIdx.x] = room[threadIdx.x + 1];
}
EMU_EXPORT(asan_shared_bounds)

KERNEL void every_divergent_barrier(i32 *out) {
    if (threadIdx.x < 16) {
        SYNC_THREADS();
    } else {
        SYNC_THREADS();
    }
    out[threadIdx.x] = 1;
}
EMU_EXPORT(every_divergent_barrier)
KERNEL void every_skipped_barrier(i32 *out) {
    if (threadIdx.x == 3) {
        return;
    }
    SYNC_THREADS();
    out[threadIdx.x] = 1;
}
EMU_EXPORT(every_skipped_barrier)

static i32 warp_sum(i32 value, u32 mask) {
    for (u32 step = 16; step > 0; step /= 2) {
        value += SHUFFLE_XOR(mask, value, step);
    }
    return value;
}
KERNEL void fine_shuffle(i32 *out) {
    out[blockIdx.x * blockDim.x + threadIdx.x] = warp_sum(static_cast<i32>(threadIdx.x), 0xffffffffu);
}
EMU_EXPORT(fine_shuffle)
KERNEL void every_partial_mask(i32 *out) {
    out[threadIdx.x] = warp_sum(static_cast<i32>(threadIdx.x), 0x0000ffffu | 1u << (threadIdx.x % 32));
}
EMU_EXPORT(every_partial_mask)
KERNEL void every_absent_lane(i32 *out) {
    if (threadIdx.x % 32 != 7) {
        out[threadIdx.x] = warp_sum(1, 0xffffffffu);
    }
}
EMU_EXPORT(every_absent_lane)

static void within_warp(i32 *out, i32 *room, bool sync) {
    room[threadIdx.x] = static_cast<i32>(threadIdx.x);
    if (sync) {
        SYNC_WARP(0xffffffffu);
    }
    out[blockIdx.x * blockDim.x + threadIdx.x] = room[threadIdx.x ^ 1];
}
KERNEL void fine_warp(i32 *out) {
    DYN_SHARED(i32, room);
    within_warp(out, room, true);
}
EMU_EXPORT(fine_warp)
KERNEL void race_missing_warp_sync(i32 *out) {
    DYN_SHARED(i32, room);
    within_warp(out, room, false);
}
EMU_EXPORT(race_missing_warp_sync)

KERNEL void race_between_blocks(i32 *out) {
    if (threadIdx.x == 0) {
        out[0] = static_cast<i32>(blockIdx.x);
    }
}
EMU_EXPORT(race_between_blocks)
KERNEL void fine_atomic(i32 *out) { ATOMIC_MIN(out, static_cast<i32>(threadIdx.x)); }
EMU_EXPORT(fine_atomic)
KERNEL void race_not_atomic(i32 *out) {
    if (static_cast<i32>(threadIdx.x) > *out) {
        *out = static_cast<i32>(threadIdx.x);
    }
}
EMU_EXPORT(race_not_atomic)
KERNEL void race_uninitialized(i32 *out) {
    DYN_SHARED(i32, room);
    if (threadIdx.x > 0) {
        room[threadIdx.x] = 1;
    }
    SYNC_THREADS();
    out[threadIdx.x] = room[threadIdx.x];
}
EMU_EXPORT(race_uninitialized)
