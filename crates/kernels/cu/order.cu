// Stable sorting by merging, and running sums.
#include "compat.h"

// Lines along the middle axis of (outer, extent, inner): element i of line l is at x[(l / inner * extent + i) * inner + l % inner].
static inline i64 place(i64 line, i64 i, i64 extent, i64 inner) { return (line / inner * extent + i) * inner + line % inner; }

// Whether a comes before b: NaN last, first when descending.
template <class T> static bool before(T a, T b, bool descending) {
    return descending ? is_larger(a, b) : is_smaller(a, b);
}

// order[line * extent + i] = i
KERNEL void sort_start(i32 *order, i64 size, i64 extent) {
    ROLLED for (i64 i = GRID_START; i < size; i += GRID_STEP) {
        order[i] = static_cast<i32>(i % extent);
    }
}
EMU_EXPORT(sort_start)

// Merges sorted runs of `width` in pairs: each element finds its place by the number of elements of the other run before it.
template <class T>
static void sort_merge(const T *x, const i32 *from, i32 *to, i64 size, i64 extent, i64 inner, i64 width, bool descending) {
    ROLLED for (i64 i = GRID_START; i < size; i += GRID_STEP) {
        i64 line = i / extent, at = i % extent, pair = at / (2 * width) * 2 * width;
        i64 middle = pair + width < extent ? pair + width : extent, end = pair + 2 * width < extent ? pair + 2 * width : extent;
        const i32 *order = from + line * extent;
        bool is_left = at < middle;
        i64 low = is_left ? middle : pair, high = is_left ? end : middle, other = low;
        T value = x[place(line, order[at], extent, inner)];
        while (low < high) {
            i64 half = low + (high - low) / 2;
            T that = x[place(line, order[half], extent, inner)];
            // Of equal elements those of the left run come first.
            if (is_left ? before(that, value, descending) : !before(value, that, descending)) {
                low = half + 1;
            } else {
                high = half;
            }
        }
        i64 own = is_left ? at - pair : at - middle;
        to[line * extent + pair + own + (low - other)] = order[at];
    }
}
#define MERGE(T)                                                                                                        \
    KERNEL void sort_merge_##T(const T *x, const i32 *from, i32 *to, i64 size, i64 extent, i64 inner, i64 width,        \
                               i64 descending) {                                                                        \
        sort_merge<T>(x, from, to, size, extent, inner, width, descending != 0);                                        \
    }                                                                                                                   \
    EMU_EXPORT(sort_merge_##T)
MERGE(f32)
MERGE(f64)
MERGE(i32)
MERGE(i64)
MERGE(u32)
MERGE(u8)

// The first `count` places of every line: out (outer, count, inner).
KERNEL void sort_finish(const i32 *order, i32 *out, i64 size, i64 extent, i64 inner, i64 count) {
    ROLLED for (i64 i = GRID_START; i < size; i += GRID_STEP) {
        i64 line = i / (count * inner) * inner + i % inner, at = i / inner % count;
        out[i] = order[line * extent + at];
    }
}
EMU_EXPORT(sort_finish)

// Running sums along a line: a block takes as many elements as it has threads at a time, and carries their sum on. Float32 is
// summed in float64.
template <class T, class Value> static void cumsum(const T *x, T *out, i64 extent, i64 inner, bool reverse) {
    DYN_SHARED(Value, room);
    Value carry = 0;
    ROLLED for (i64 start = 0; start < extent; start += blockDim.x) {
        i64 i = start + threadIdx.x, at = place(blockIdx.x, reverse ? extent - 1 - i : i, extent, inner);
        Value value = i < extent ? static_cast<Value>(x[at]) : 0;
        ROLLED for (u32 step = 1; step < blockDim.x; step *= 2) {
            room[threadIdx.x] = value;
            SYNC_THREADS();
            if (threadIdx.x >= step) {
                value = room[threadIdx.x - step] + value;
            }
            SYNC_THREADS();
        }
        if (i < extent) {
            out[at] = static_cast<T>(carry + value);
        }
        room[threadIdx.x] = value;
        SYNC_THREADS();
        carry += room[blockDim.x - 1];
        SYNC_THREADS();
    }
}
#define CUMSUM(T, Value)                                                                                                \
    KERNEL void cumsum_##T(const T *x, T *out, i64 extent, i64 inner, i64 reverse) {                                    \
        cumsum<T, Value>(x, out, extent, inner, reverse != 0);                                                          \
    }                                                                                                                   \
    EMU_EXPORT(cumsum_##T)
CUMSUM(f32, f64)
CUMSUM(f64, f64)
CUMSUM(u8, u64)
CUMSUM(u32, u64)
CUMSUM(u64, u64)
