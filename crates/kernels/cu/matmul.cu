// Matrix products by tiles of 64 x 64: 256 threads with 4 x 4 results each, operands through shared memory 16 terms at a time.
// The terms of a sum are added in order, each with one rounding.
#include "compat.h"

#define TILE 64
#define DEPTH 16
#define PITCH (TILE + 1)

// Distances of neighbors: of matrices, rows and columns.
struct Strides {
    i64 matrix, row, column;
};

// Elements of `from` (rows, columns) from (row, column) on into room[column][row], zeros outside.
template <class T>
static void load(T *room, const T *from, i64 rows, i64 columns, i64 row, i64 column, i64 row_step, i64 column_step) {
    for (u32 i = threadIdx.x; i < TILE * DEPTH; i += blockDim.x) {
        // Neighboring threads read neighboring elements.
        u32 r = column_step == 1 ? i / DEPTH : i % TILE, c = column_step == 1 ? i % DEPTH : i / TILE;
        bool inside = row + r < rows && column + c < columns;
        room[c * PITCH + r] = inside ? from[(row + r) * row_step + (column + c) * column_step] : static_cast<T>(0);
    }
}

static inline f32 fused(f32 a, f32 b, f32 c) { return fmaf(a, b, c); }
static inline f64 fused(f64 a, f64 b, f64 c) { return fma(a, b, c); }

template <class T>
static void matmul(const T *a, const T *b, T *out, i64 m, i64 n, i64 k, const Strides &as, const Strides &bs) {
    DYN_SHARED(T, room);
    T *left = room, *right = room + DEPTH * PITCH;
    i64 across = (n + TILE - 1) / TILE, down = (m + TILE - 1) / TILE;
    i64 matrix = blockIdx.x / (across * down), tile = blockIdx.x % (across * down);
    i64 row = tile / across * TILE, column = tile % across * TILE;
    a += matrix * as.matrix;
    b += matrix * bs.matrix;
    out += matrix * m * n;
    u32 y = threadIdx.x / 16, x = threadIdx.x % 16;
    T sum[4][4] = {};
    for (i64 at = 0; at < k; at += DEPTH) {
        load(left, a, m, k, row, at, as.row, as.column);
        load(right, b, n, k, column, at, bs.column, bs.row);
        SYNC_THREADS();
        for (u32 term = 0; term < DEPTH; term++) {
            T ours[4], theirs[4];
            for (u32 i = 0; i < 4; i++) {
                ours[i] = left[term * PITCH + y + 16 * i];
                theirs[i] = right[term * PITCH + x + 16 * i];
            }
            for (u32 i = 0; i < 4; i++) {
                for (u32 j = 0; j < 4; j++) {
                    sum[i][j] = fused(ours[i], theirs[j], sum[i][j]);
                }
            }
        }
        SYNC_THREADS();
    }
    for (u32 i = 0; i < 4; i++) {
        for (u32 j = 0; j < 4; j++) {
            i64 r = row + y + 16 * i, c = column + x + 16 * j;
            if (r < m && c < n) {
                out[r * n + c] = sum[i][j];
            }
        }
    }
}

#define MATMUL(T)                                                                                                       \
    KERNEL void matmul_##T(const T *a, const T *b, T *out, i64 m, i64 n, i64 k, Strides as, Strides bs) {               \
        matmul<T>(a, b, out, m, n, k, as, bs);                                                                          \
    }                                                                                                                   \
    EMU_EXPORT(matmul_##T)
MATMUL(f32)
MATMUL(f64)
