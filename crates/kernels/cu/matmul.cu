// Matrix products by tiles (tiles.h). Large tiles read each number from shared memory once per 8 products, so that arithmetic is the
// floor of the time; of thin matrices, and where tiles are few, memory is. The terms of a sum are added in order, each with one
// rounding; where several blocks share the terms, their sums are added in order.
#include "compat.h"
#include "tiles.h"

// Distances of neighbors: of matrices, rows and columns.
struct Strides {
    i64 matrix, row, column;
};

// Lines of a matrix, which lie in either order.
template <class T> struct Lines {
    const T *x;
    i64 count, first, line_step, term_step;
    bool by_terms;
    void seek(i64) {}
    T operator()(u32 line, i64 term) const {
        i64 at = first + line;
        return at < count ? x[at * line_step + term * term_step] : static_cast<T>(0);
    }
};

// Rows of tiles that are computed together: their operands stay in the second-level cache.
#define BAND 8

// out (split, matrix, m, n)
template <class T, u32 R>
static void matmul(const T *a, const T *b, T *out, i64 m, i64 n, i64 k, const Strides &as, const Strides &bs, i64 splits, i64 matrices) {
    typedef Tile<T, R, (R < 8 ? 16 : 8)> Tiles;
    DYN_SHARED(T, room);
    i64 down = (m + Tiles::SIDE - 1) / Tiles::SIDE, across = (n + Tiles::SIDE - 1) / Tiles::SIDE;
    i64 split = blockIdx.x % splits, tile = blockIdx.x / splits % (down * across), matrix = blockIdx.x / splits / (down * across);
    i64 top = tile / (BAND * across) * BAND, height = down - top < BAND ? down - top : BAND, rest = tile - top * across;
    i64 row = (top + rest % height) * Tiles::SIDE, column = rest / height * Tiles::SIDE;
    Lines<T> ours = {a + matrix * as.matrix, m, row, as.row, as.column, as.column == 1};
    Lines<T> theirs = {b + matrix * bs.matrix, n, column, bs.column, bs.row, bs.row == 1};
    T sum[R][R] = {};
    Tiles::run(room, k * split / splits, k * (split + 1) / splits, ours, theirs,
               [](T p, T q, T s, u32, u32) { return fused(p, q, s); }, sum);
    out += (split * matrices + matrix) * m * n;
    for (u32 i = 0; i < R; i++) {
        i64 r = row + Tiles::row(i);
        for (u32 j = 0; j < R; j++) {
            i64 c = column + Tiles::column(j);
            if (r < m && c < n) {
                out[r * n + c] = sum[i][j];
            }
        }
    }
}

// out[i] = the sum over splits of partial[split, i]
template <class T> static void add_splits(const T *partial, T *out, i64 size, i64 splits) {
    ROLLED for (i64 i = GRID_START; i < size; i += GRID_STEP) {
        f64 sum = 0;
        ROLLED for (i64 split = 0; split < splits; split++) {
            sum += static_cast<f64>(partial[split * size + i]);
        }
        out[i] = static_cast<T>(sum);
    }
}

// `to` counts the elements of `out` before the first sum.
#define ADD_SPLITS(T)                                                                                            \
    KERNEL void add_splits_##T(const T *partial, T *out, i64 to, i64 size, i64 splits) {                         \
        add_splits<T>(partial, out + to, size, splits);                                                          \
    }                                                                                                            \
    EMU_EXPORT(add_splits_##T)
#define MATMUL(T, R)                                                                                             \
    KERNEL void matmul_##T##_##R(const T *a, const T *b, T *out, i64 m, i64 n, i64 k, Strides as, Strides bs,    \
                                 i64 splits, i64 matrices) {                                                     \
        matmul<T, R>(a, b, out, m, n, k, as, bs, splits, matrices);                                              \
    }                                                                                                            \
    EMU_EXPORT(matmul_##T##_##R)
ADD_SPLITS(f32)
ADD_SPLITS(f64)
MATMUL(f32, 1)
MATMUL(f32, 2)
MATMUL(f32, 4)
MATMUL(f32, 8)
MATMUL(f64, 1)
MATMUL(f64, 2)
MATMUL(f64, 4)
