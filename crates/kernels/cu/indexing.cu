// Elements by their positions. Indices are checked first: an index out of range is refused, and read as 0 by the kernels after.
#include "compat.h"

// Refuses the first index outside [0, extent). One block.
template <class I> static void check_indices(const I *index, i64 count, i64 extent, Refusal *refusal, i64 step) {
    DYN_SHARED(i64, room);
    i64 first = count;
    ROLLED for (i64 i = threadIdx.x; i < count && first == count; i += blockDim.x) {
        if (index[i] < 0 || index[i] >= extent) {
            first = i;
        }
    }
    first = block_combine(room, first, [](i64 a, i64 b) { return a < b ? a : b; });
    if (threadIdx.x == 0 && first < count) {
        refuse(refusal, step, first, static_cast<i64>(index[first]), 0, 0);
    }
}

template <class I> static i64 within(I index, i64 extent) { return index < 0 || index >= extent ? 0 : index; }

// out[o, i, c] = x[o, index[i], c]
template <class T, class I> static void take(const T *x, const I *index, T *out, i64 size, i64 count, i64 extent, i64 inner) {
    ROLLED for (i64 i = GRID_START; i < size; i += GRID_STEP) {
        i64 c = i % inner, row = i / inner;
        out[i] = x[(row / count * extent + within(index[row % count], extent)) * inner + c];
    }
}

// out[i] = x[i with index[i] on an axis]; `others` are the axes of out as distances in x, 0 on that axis.
template <class T, class I>
static void gather(const T *x, const I *index, T *out, i64 size, Axes others, i64 extent, i64 stride) {
    ROLLED for (i64 i = GRID_START; i < size; i += GRID_STEP) {
        out[i] = x[others.offset(i) + within(index[i], extent) * stride];
    }
}

// A line of the source along the axis: `others` are the other axes as distances in out, `lane` is where the line starts in it.
struct Lines {
    i64 count;  // lines
    i64 length; // elements of a line
    i64 inner;  // distance of a line's elements in the source
    i64 extent; // extent of the axis in out
    i64 stride; // distance of neighbors on the axis in out
    i64 parts;  // threads of a line, each with a range of the axis
    i64 shared_index; // whether all lines have the index of the first
    Axes others;
};

// out[i with index[i] on an axis] += source[i], out being zero before. A thread has a line and a range of the axis, and adds in
// the order of the source: the same bits as one thread.
template <class T, class I> static void scatter_add(const I *index, const T *source, T *out, const Lines &lines) {
    i64 each = (lines.extent + lines.parts - 1) / lines.parts;
    ROLLED for (i64 i = GRID_START; i < lines.count * lines.parts; i += GRID_STEP) {
        i64 line = i % lines.count, low = i / lines.count * each, high = low + each;
        i64 start = line / lines.inner * lines.length * lines.inner + line % lines.inner;
        T *to = out + lines.others.offset(line);
        ROLLED for (i64 k = 0; k < lines.length; k++) {
            i64 at = lines.shared_index ? index[k] : index[start + k * lines.inner];
            if (at >= low && at < high && at < lines.extent) {
                to[at * lines.stride] += source[start + k * lines.inner];
            }
        }
    }
}

template <class T> static void zero(T *out, i64 count) {
    ROLLED for (i64 i = GRID_START; i < count; i += GRID_STEP) {
        out[i] = 0;
    }
}

#define CHECK(I)                                                                                                        \
    KERNEL void check_##I(const I *index, i64 count, i64 extent, Refusal *refusal, i64 step) {                          \
        check_indices<I>(index, count, extent, refusal, step);                                                          \
    }                                                                                                                   \
    EMU_EXPORT(check_##I)
CHECK(i32)
CHECK(i64)

#define MOVE(T, I)                                                                                                      \
    KERNEL void take_##T##_##I(const T *x, const I *index, T *out, i64 size, i64 count, i64 extent, i64 inner) {        \
        take<T, I>(x, index, out, size, count, extent, inner);                                                          \
    }                                                                                                                   \
    EMU_EXPORT(take_##T##_##I)                                                                                          \
    KERNEL void gather_##T##_##I(const T *x, const I *index, T *out, i64 size, Axes others, i64 extent, i64 stride) {   \
        gather<T, I>(x, index, out, size, others, extent, stride);                                                      \
    }                                                                                                                   \
    EMU_EXPORT(gather_##T##_##I)
#define MOVES(T) MOVE(T, i32) MOVE(T, i64)
MOVES(u8)
MOVES(u32)
MOVES(u64)

#define SCATTER(T, I)                                                                                                   \
    KERNEL void scatter_add_##T##_##I(const I *index, const T *source, T *out, Lines lines) {                           \
        scatter_add<T, I>(index, source, out, lines);                                                                   \
    }                                                                                                                   \
    EMU_EXPORT(scatter_add_##T##_##I)
#define SCATTERS(T) SCATTER(T, i32) SCATTER(T, i64)
SCATTERS(f32)
SCATTERS(f64)
SCATTERS(u8)
SCATTERS(u32)
SCATTERS(u64)

#define ZERO(T)                                                                                                         \
    KERNEL void zero_##T(T *out, i64 count) { zero<T>(out, count); }                                                    \
    EMU_EXPORT(zero_##T)
ZERO(u8)
ZERO(u32)
ZERO(u64)
