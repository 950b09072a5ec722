// Distances between rows (n, d), tile by tile; none is stored. A difference and a sum per pair and number are the floor of the time,
// three instructions with the square: a pass over n = 8192 samples of d = 784 numbers is 158 G instructions of a thread. Sums are
// not contracted, so that equally near rows are those of the processor, bit by bit.
#include "compat.h"
#include "tiles.h"

// What distances are ordered by: the largest difference, or the sum of their squares.
template <class T, u32 R>
static void distances(T *room, const T *x, i64 n, i64 d, bool euclidean, i64 row, i64 column, T (&sum)[R][R]) {
    typedef Tile<T, R, 16> Tiles;
    RowLines<T> a = {x, n, d, row}, b = {x, n, d, column};
    for (u32 i = 0; i < R; i++) {
        for (u32 j = 0; j < R; j++) {
            sum[i][j] = 0;
        }
    }
    if (euclidean) {
        Tiles::run(room, 0, d, a, b, [](T p, T q, T s, u32, u32) { return s + (p - q) * (p - q); }, sum);
    } else {
        auto largest = [](T p, T q, T s, u32, u32) {
            T far = magnitude(p - q);
            return is_nan(s) || far <= s ? s : far;
        };
        Tiles::run(room, 0, d, a, b, largest, sum);
    }
}

// The columns of split `split`: whole tiles.
struct Columns {
    i64 from, to;
};
static inline Columns columns_of(i64 n, i64 side, i64 split, i64 splits) {
    i64 tiles = (n + side - 1) / side;
    i64 to = tiles * (split + 1) / splits * side;
    return {tiles * split / splits * side, to < n ? to : n};
}

// A block finds for a tile of rows the k nearest among the columns of its split. Lists are sorted; entry `slot` of row r is at
// (split k + slot) n + r. held[split, r] is the length of a list.
template <class T, u32 R>
static void nearest(const T *x, i64 n, i64 d, bool euclidean, i64 k, i64 splits, T *far, i32 *index, i32 *held) {
    typedef Tile<T, R, 16> Tiles;
    DYN_SHARED(T, room);
    i64 split = blockIdx.x % splits, row = blockIdx.x / splits * Tiles::SIDE, own = row + threadIdx.x;
    bool keeps = threadIdx.x < Tiles::SIDE && own < n;
    Columns range = columns_of(n, Tiles::SIDE, split, splits);
    far += split * k * n + own;
    index += split * k * n + own;
    i64 length = 0;
    T worst = 0;
    ROLLED for (i64 column = range.from; column < range.to; column += Tiles::SIDE) {
        T sum[R][R];
        distances<T, R>(room, x, n, d, euclidean, row, column, sum);
        SYNC_THREADS();
        for (u32 i = 0; i < R; i++) {
            for (u32 j = 0; j < R; j++) {
                room[Tiles::row(i) * (Tiles::SIDE + 1) + Tiles::column(j)] = sum[i][j];
            }
        }
        SYNC_THREADS();
        i64 end = keeps ? (column + Tiles::SIDE < n ? Tiles::SIDE : n - column) : 0;
        ROLLED for (i64 c = 0; c < end; c++) {
            T value = room[threadIdx.x * (Tiles::SIDE + 1) + c];
            if (column + c == own || (length == k && !is_smaller(value, worst))) {
                continue;
            }
            i64 slot = length < k ? length++ : k - 1;
            ROLLED for (; slot > 0 && is_smaller(value, far[(slot - 1) * n]); slot--) {
                far[slot * n] = far[(slot - 1) * n];
                index[slot * n] = index[(slot - 1) * n];
            }
            far[slot * n] = value;
            index[slot * n] = static_cast<i32>(column + c);
            worst = far[(length - 1) * n];
        }
    }
    if (keeps) {
        held[split * n + own] = static_cast<i32>(length);
    }
}

// out[r, slot]: the k nearest of all splits' lists; of equally near rows the first. `taken` (splits, n) is scratch.
template <class T>
static void merge(const T *far, const i32 *index, const i32 *held, i32 *taken, i32 *out, i64 n, i64 k, i64 splits) {
    ROLLED for (i64 r = GRID_START; r < n; r += GRID_STEP) {
        ROLLED for (i64 split = 0; split < splits; split++) {
            taken[split * n + r] = 0;
        }
        ROLLED for (i64 slot = 0; slot < k; slot++) {
            i64 best = -1;
            T least = 0;
            ROLLED for (i64 split = 0; split < splits; split++) {
                i64 next = taken[split * n + r];
                if (next < held[split * n + r]) {
                    T value = far[(split * k + next) * n + r];
                    if (best < 0 || is_smaller(value, least)) {
                        best = split;
                        least = value;
                    }
                }
            }
            i64 next = taken[best * n + r]++;
            out[r * k + slot] = index[(best * k + next) * n + r];
        }
    }
}

// counts[split, r]: how many other rows of the split are within the radius of row r.
template <class T, u32 R>
static void within(const T *x, const T *radius, i64 n, i64 d, bool euclidean, bool closed, i64 splits, i32 *counts) {
    typedef Tile<T, R, 16> Tiles;
    DYN_SHARED(T, room);
    i64 split = blockIdx.x % splits, row = blockIdx.x / splits * Tiles::SIDE;
    Columns range = columns_of(n, Tiles::SIDE, split, splits);
    T limit[R];
    i32 count[R];
    for (u32 i = 0; i < R; i++) {
        i64 r = row + Tiles::row(i);
        limit[i] = r < n ? radius[r] : static_cast<T>(0);
        count[i] = 0;
    }
    ROLLED for (i64 column = range.from; column < range.to; column += Tiles::SIDE) {
        T sum[R][R];
        distances<T, R>(room, x, n, d, euclidean, row, column, sum);
        for (u32 i = 0; i < R; i++) {
            for (u32 j = 0; j < R; j++) {
                i64 r = row + Tiles::row(i), c = column + Tiles::column(j);
                T distance = euclidean ? root(sum[i][j]) : sum[i][j];
                bool inside = distance < limit[i] || (closed && distance == limit[i]);
                count[i] += r != c && c < n && inside;
            }
        }
    }
    i32 *parts = reinterpret_cast<i32 *>(room);
    SYNC_THREADS();
    for (u32 i = 0; i < R; i++) {
        parts[threadIdx.x % 16 * Tiles::SIDE + Tiles::row(i)] = count[i];
    }
    SYNC_THREADS();
    if (threadIdx.x < Tiles::SIDE && row + threadIdx.x < n) {
        i32 total = 0;
        ROLLED for (u32 lane = 0; lane < 16; lane++) {
            total += parts[lane * Tiles::SIDE + threadIdx.x];
        }
        counts[split * n + row + threadIdx.x] = total;
    }
}

// out[r] = the sum over splits of counts[split, r]
KERNEL void within_sum(const i32 *counts, i32 *out, i64 n, i64 splits) {
    ROLLED for (i64 r = GRID_START; r < n; r += GRID_STEP) {
        i32 total = 0;
        ROLLED for (i64 split = 0; split < splits; split++) {
            total += counts[split * n + r];
        }
        out[r] = total;
    }
}
EMU_EXPORT(within_sum)

// The bits of squared distances, which are not negative, are in their order. The median's bits are found a digit at a time, the
// highest first: each pass over the pairs counts the digits of those with the known bits.
#define DIGIT 11
#define BINS (1 << DIGIT)
struct Median {
    // Bits that are known, and the rank among the pairs with these bits.
    u64 bits, rank;
    // 0 once an element is not finite.
    u64 finite;
    u64 bins[BINS];
};
// What a block has seen in the last pass.
struct Seen {
    // The least bits beyond the lower median, and how many are up to it.
    u64 next, upto;
    // Number and sum of the distances that are not 0.
    u64 apart;
    f64 sum;
};

static inline u64 bits_of(f32 x) {
    union {
        f32 number;
        u32 bits;
    } value;
    value.number = x;
    return value.bits;
}
static inline u64 bits_of(f64 x) {
    union {
        f64 number;
        u64 bits;
    } value;
    value.number = x;
    return value.bits;
}
template <class T> static T number_of(u64 bits);
template <> f32 number_of<f32>(u64 bits) {
    union {
        u32 bits;
        f32 number;
    } value;
    value.bits = static_cast<u32>(bits);
    return value.number;
}
template <> f64 number_of<f64>(u64 bits) {
    union {
        u64 bits;
        f64 number;
    } value;
    value.bits = bits;
    return value.number;
}

// Calls visit(squared distance) for each pair of different rows once. Blocks take the tiles on and below the diagonal by turns.
template <class T, u32 R, class F> static void each_pair(T *room, const T *x, i64 n, i64 d, F visit) {
    typedef Tile<T, R, 16> Tiles;
    i64 across = (n + Tiles::SIDE - 1) / Tiles::SIDE;
    ROLLED for (i64 number = blockIdx.x; number < across * (across + 1) / 2; number += gridDim.x) {
        Place at = place_of(number);
        i64 row = at.row * Tiles::SIDE, column = at.column * Tiles::SIDE;
        T sum[R][R];
        distances<T, R>(room, x, n, d, true, row, column, sum);
        for (u32 i = 0; i < R; i++) {
            for (u32 j = 0; j < R; j++) {
                i64 r = row + Tiles::row(i), c = column + Tiles::column(j);
                if (r < n && c < r) {
                    visit(sum[i][j]);
                }
            }
        }
    }
}

// One block.
KERNEL void median_start(Median *median, i64 pairs) {
    ROLLED for (u32 i = threadIdx.x; i < BINS; i += blockDim.x) {
        median->bins[i] = 0;
    }
    if (threadIdx.x == 0) {
        median->bits = 0;
        median->rank = static_cast<u64>(pairs - 1) / 2;
        median->finite = 1;
    }
}
EMU_EXPORT(median_start)

template <class T> static void finite(const T *x, i64 size, Median *median) {
    ROLLED for (i64 i = GRID_START; i < size; i += GRID_STEP) {
        if (is_nan(x[i] - x[i])) {
            ATOMIC_MIN(&median->finite, static_cast<u64>(0));
        }
    }
}

// Counts the digit at `shift` of the pairs whose bits from `known` on are the known ones; known >= 64: of all.
template <class T, u32 R> static void count_digits(const T *x, i64 n, i64 d, Median *median, i64 shift, i64 known) {
    DYN_SHARED(T, room);
    u32 *bins = reinterpret_cast<u32 *>(room + Tile<T, R, 16>::ROOM);
    u64 bits = median->bits;
    ROLLED for (u32 i = threadIdx.x; i < BINS; i += blockDim.x) {
        bins[i] = 0;
    }
    SYNC_THREADS();
    each_pair<T, R>(room, x, n, d, [=](T square) {
        u64 key = bits_of(square);
        if (known >= 64 || key >> known == bits >> known) {
            ATOMIC_ADD(bins + (key >> shift & (BINS - 1)), 1u);
        }
    });
    SYNC_THREADS();
    ROLLED for (u32 i = threadIdx.x; i < BINS; i += blockDim.x) {
        if (bins[i] > 0) {
            ATOMIC_ADD(median->bins + i, static_cast<u64>(bins[i]));
        }
    }
}

// Takes the digit that the rank is in, and clears the bins. One block of 256 threads.
KERNEL void median_digit(Median *median, i64 shift) {
    DYN_SHARED(u64, sums);
    u32 each = BINS / blockDim.x, first = threadIdx.x * each;
    u64 own = 0;
    ROLLED for (u32 i = first; i < first + each; i++) {
        own += median->bins[i];
    }
    sums[threadIdx.x] = own;
    SYNC_THREADS();
    u64 before = 0, rank = median->rank;
    ROLLED for (u32 i = 0; i < threadIdx.x; i++) {
        before += sums[i];
    }
    SYNC_THREADS();
    ROLLED for (u32 i = first; i < first + each; i++) {
        u64 here = median->bins[i];
        if (before <= rank && rank < before + here) {
            median->bits |= static_cast<u64>(i) << shift;
            median->rank = rank - before;
        }
        before += here;
        median->bins[i] = 0;
    }
}
EMU_EXPORT(median_digit)

// What decides beside the lower median: the next larger distance, and the mean of those that are not 0.
template <class T, u32 R> static void rest(const T *x, i64 n, i64 d, const Median *median, Seen *seen) {
    DYN_SHARED(T, room);
    u64 lower = median->bits, next = ~0ull, upto = 0, apart = 0;
    f64 sum = 0;
    each_pair<T, R>(room, x, n, d, [&](T square) {
        u64 key = bits_of(square);
        upto += key <= lower;
        next = key > lower && key < next ? key : next;
        apart += key > 0;
        sum += static_cast<f64>(root(square));
    });
    u64 *integers = reinterpret_cast<u64 *>(room);
    auto add = [](u64 a, u64 b) { return a + b; };
    next = block_combine(integers, next, [](u64 a, u64 b) { return a < b ? a : b; });
    upto = block_combine(integers, upto, add);
    apart = block_combine(integers, apart, add);
    sum = block_combine(reinterpret_cast<f64 *>(room), sum, [](f64 a, f64 b) { return a + b; });
    if (threadIdx.x == 0) {
        seen[blockIdx.x] = {next, upto, apart, sum};
    }
}

// One thread.
template <class T> static void finish(const Median *median, const Seen *seen, i64 blocks, i64 pairs, T *out) {
    Seen all = {~0ull, 0, 0, 0};
    ROLLED for (i64 i = 0; i < blocks; i++) {
        Seen one = seen[i];
        all = {one.next < all.next ? one.next : all.next, all.upto + one.upto, all.apart + one.apart, all.sum + one.sum};
    }
    T low = root(number_of<T>(median->bits));
    T high = all.upto > static_cast<u64>(pairs) / 2 ? low : root(number_of<T>(all.next));
    f64 middle = (static_cast<f64>(low) + static_cast<f64>(high)) / 2;
    f64 mean = all.apart > 0 ? all.sum / static_cast<f64>(all.apart) : 1;
    f64 zero = 0;
    *out = static_cast<T>(!median->finite ? zero / zero : middle > 0 ? middle : mean);
}

#define NEIGHBORS(T)                                                                                                     \
    KERNEL void neighbors_merge_##T(const T *far, const i32 *index, const i32 *held, i32 *taken, i32 *out, i64 n, i64 k, \
                                    i64 splits) {                                                                        \
        merge<T>(far, index, held, taken, out, n, k, splits);                                                            \
    }                                                                                                                    \
    EMU_EXPORT(neighbors_merge_##T)                                                                                      \
    KERNEL void median_finite_##T(const T *x, i64 size, Median *median) { finite<T>(x, size, median); }                  \
    EMU_EXPORT(median_finite_##T)                                                                                        \
    KERNEL void median_finish_##T(const Median *median, const Seen *seen, i64 blocks, i64 pairs, T *out) {               \
        finish<T>(median, seen, blocks, pairs, out);                                                                     \
    }                                                                                                                    \
    EMU_EXPORT(median_finish_##T)
#define NEIGHBORS_TILES(T, R)                                                                                            \
    KERNEL void neighbors_##T##_##R(const T *x, i64 n, i64 d, i64 euclidean, i64 k, i64 splits, T *far, i32 *index,      \
                                    i32 *held) {                                                                         \
        nearest<T, R>(x, n, d, euclidean != 0, k, splits, far, index, held);                                             \
    }                                                                                                                    \
    EMU_EXPORT(neighbors_##T##_##R)                                                                                      \
    KERNEL void within_##T##_##R(const T *x, const T *radius, i64 n, i64 d, i64 euclidean, i64 closed, i64 splits,       \
                                 i32 *counts) {                                                                          \
        within<T, R>(x, radius, n, d, euclidean != 0, closed != 0, splits, counts);                                      \
    }                                                                                                                    \
    EMU_EXPORT(within_##T##_##R)                                                                                         \
    KERNEL void median_count_##T##_##R(const T *x, i64 n, i64 d, Median *median, i64 shift, i64 known) {                 \
        count_digits<T, R>(x, n, d, median, shift, known);                                                               \
    }                                                                                                                    \
    EMU_EXPORT(median_count_##T##_##R)                                                                                   \
    KERNEL void median_rest_##T##_##R(const T *x, i64 n, i64 d, const Median *median, Seen *seen) {                      \
        rest<T, R>(x, n, d, median, seen);                                                                               \
    }                                                                                                                    \
    EMU_EXPORT(median_rest_##T##_##R)
NEIGHBORS(f32)
NEIGHBORS(f64)
NEIGHBORS_TILES(f32, 2)
NEIGHBORS_TILES(f32, 4)
NEIGHBORS_TILES(f64, 2)
NEIGHBORS_TILES(f64, 4)
