// Tiles of results whose terms are pairs of elements: matrix products, distances, convolutions. Each kernel says where its
// operands' elements are and how two of them are combined.
#ifndef HYPERGLOW_TILES_H
#define HYPERGLOW_TILES_H

#include "compat.h"

#define TILE_THREADS 256

// Neighbors that are read together.
template <class T, u32 N> struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Few {
    T v[N];
};

// 256 threads, as 16 rows of 16, compute 16 R x 16 R results; each has R x R of them. Operands go through shared memory,
// DEPTH terms at a time: while the threads combine some terms, the next ones are on their way from memory.
//
// An operand is a struct with
//   by_terms              whether neighboring terms are neighbors in memory, else neighboring lines are
//   seek(term)            called before the terms from `term` on are loaded
//   (line, term)          the element of a line of the tile; 0 outside
template <class T, u32 R, u32 DEPTH> struct Tile {
    static constexpr u32 SIDE = 16 * R;
    static constexpr u32 WIDE = R < 4 ? R : 4;
    // Lines of shared memory keep the alignment of `Few`, and do not begin in the same bank.
    static constexpr u32 PITCH = SIDE + WIDE;
    static constexpr u32 OPERAND = DEPTH * PITCH;
    // Elements of shared memory: two operands, twice.
    static constexpr u32 ROOM = 4 * OPERAND;
    static constexpr u32 EACH = SIDE * DEPTH / TILE_THREADS;

    // The line of the tile that is number `i` of a thread's lines; `lane` is the thread's row or column.
    static u32 line(u32 lane, u32 i) { return lane * WIDE + i % WIDE + 16 * WIDE * (i / WIDE); }
    static u32 row(u32 i) { return line(threadIdx.x / 16, i); }
    static u32 column(u32 i) { return line(threadIdx.x % 16, i); }

    // Which elements of an operand a thread loads.
    struct Share {
        u32 line, term, line_step, term_step;
        Share(bool by_terms)
            : line(by_terms ? threadIdx.x / DEPTH : threadIdx.x % SIDE), term(by_terms ? threadIdx.x % DEPTH : threadIdx.x / SIDE),
              line_step(by_terms ? TILE_THREADS / DEPTH : 0), term_step(by_terms ? 0 : TILE_THREADS / SIDE) {}
    };
    template <class Operand> static void fetch(Operand &from, const Share &share, i64 at, i64 end, T (&kept)[EACH]) {
        from.seek(at);
        for (u32 e = 0; e < EACH; e++) {
            i64 term = at + share.term + e * share.term_step;
            kept[e] = term < end ? from(share.line + e * share.line_step, term) : static_cast<T>(0);
        }
    }
    static void store(T *room, const Share &share, const T (&kept)[EACH]) {
        for (u32 e = 0; e < EACH; e++) {
            room[(share.term + e * share.term_step) * PITCH + share.line + e * share.line_step] = kept[e];
        }
    }
    static void read(const T *room, u32 lane, T (&out)[R]) {
        for (u32 i = 0; i < R; i += WIDE) {
            Few<T, WIDE> few = *reinterpret_cast<const Few<T, WIDE> *>(room + line(lane, i));
            for (u32 j = 0; j < WIDE; j++) {
                out[i + j] = few.v[j];
            }
        }
    }

    // sum[i][j] = combine(a, b, sum[i][j], i, j) for the terms in [from, end) in order. `room` may be used by others again after
    // the next barrier.
    template <class A, class B, class F>
    static void run(T *room, i64 from, i64 end, A &a, B &b, F combine, T (&sum)[R][R]) {
        Share of_a(a.by_terms), of_b(b.by_terms);
        T kept_a[EACH], kept_b[EACH];
        fetch(a, of_a, from, end, kept_a);
        fetch(b, of_b, from, end, kept_b);
        SYNC_THREADS();
        ROLLED for (i64 at = from, turn = 0; at < end; at += DEPTH, turn ^= 1) {
            T *left = room + turn * 2 * OPERAND, *right = left + OPERAND;
            store(left, of_a, kept_a);
            store(right, of_b, kept_b);
            SYNC_THREADS();
            if (at + DEPTH < end) {
                fetch(a, of_a, at + DEPTH, end, kept_a);
                fetch(b, of_b, at + DEPTH, end, kept_b);
            }
            UNROLLED_BY_4 for (u32 term = 0; term < DEPTH; term++) {
                T ours[R], theirs[R];
                read(left + term * PITCH, threadIdx.x / 16, ours);
                read(right + term * PITCH, threadIdx.x % 16, theirs);
                for (u32 i = 0; i < R; i++) {
                    for (u32 j = 0; j < R; j++) {
                        sum[i][j] = combine(ours[i], theirs[j], sum[i][j], i, j);
                    }
                }
            }
        }
    }
};

static inline f32 fused(f32 a, f32 b, f32 c) { return fmaf(a, b, c); }
static inline f64 fused(f64 a, f64 b, f64 c) { return fma(a, b, c); }
static inline f32 root(f32 x) { return sqrtf(x); }
static inline f64 root(f64 x) { return sqrt(x); }
static inline f32 magnitude(f32 x) { return fabsf(x); }
static inline f64 magnitude(f64 x) { return fabs(x); }

// Rows of a matrix (count, width) as an operand whose terms are the columns.
template <class T> struct RowLines {
    const T *x;
    i64 count, width, first;
    static constexpr bool by_terms = true;
    void seek(i64) {}
    T operator()(u32 line, i64 term) const {
        i64 row = first + line;
        return row < count ? x[row * width + term] : static_cast<T>(0);
    }
};

// Columns of a matrix (rows, width) as an operand whose terms are the rows.
template <class T> struct ColumnLines {
    const T *x;
    i64 width, first;
    static constexpr bool by_terms = false;
    void seek(i64) {}
    T operator()(u32 line, i64 term) const {
        i64 column = first + line;
        return column < width ? x[term * width + column] : static_cast<T>(0);
    }
};

// Tile `number` of those on and below the diagonal: row and column of tiles.
struct Place {
    i64 row, column;
};
static inline Place place_of(i64 number) {
    i64 row = static_cast<i64>((sqrt(8.0 * static_cast<f64>(number) + 1.0) - 1.0) / 2.0);
    // The root is rounded.
    row -= row * (row + 1) / 2 > number;
    row += (row + 1) * (row + 2) / 2 <= number;
    return {row, number - row * (row + 1) / 2};
}

#endif
