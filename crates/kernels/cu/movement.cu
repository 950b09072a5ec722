// Copies of elements by their size: the rows of a concatenation, and padding.
#include "compat.h"

// out[r, at + c] = x[r, c], with rows of `pitch` elements in `out`.
template <class T> static void copy_rows(const T *x, T *out, i64 rows, i64 row, i64 pitch, i64 at) {
    ROLLED for (i64 i = GRID_START; i < rows * row; i += GRID_STEP) {
        out[i / row * pitch + at + i % row] = x[i];
    }
}

// Zeros, and x[i / step] where an index less `low` is a multiple of the step and within x, per axis.
struct Padding {
    i64 count;
    i64 extent[MAX_AXES];
    i64 low[MAX_AXES];
    i64 step[MAX_AXES];
    i64 input[MAX_AXES];
    i64 stride[MAX_AXES];
};
template <class T> static void pad(const T *x, T *out, i64 size, Padding padding) {
    ROLLED for (i64 i = GRID_START; i < size; i += GRID_STEP) {
        i64 rest = i, from = 0;
        bool inside = true;
        ROLLED for (i64 axis = padding.count - 1; axis >= 0; axis--) {
            i64 at = rest % padding.extent[axis] - padding.low[axis], step = padding.step[axis];
            rest /= padding.extent[axis];
            inside = inside && at >= 0 && at % step == 0 && at / step < padding.input[axis];
            from += at / step * padding.stride[axis];
        }
        out[i] = inside ? x[from] : static_cast<T>(0);
    }
}

#define MOVEMENT(T)                                                                                \
    KERNEL void copy_rows_##T(const T *x, T *out, i64 rows, i64 row, i64 pitch, i64 at) {          \
        copy_rows<T>(x, out, rows, row, pitch, at);                                                \
    }                                                                                              \
    EMU_EXPORT(copy_rows_##T)                                                                      \
    KERNEL void pad_##T(const T *x, T *out, i64 size, Padding padding) { pad<T>(x, out, size, padding); } \
    EMU_EXPORT(pad_##T)
MOVEMENT(u8)
MOVEMENT(u32)
MOVEMENT(u64)
