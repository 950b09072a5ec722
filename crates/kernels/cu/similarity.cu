// Similarity matrices of samples, tile by tile; none is stored. A tile's distances are sums over differences, so that samples far
// from 0 keep their digits: two instructions per pair and number, which is the floor of the time where samples are wide.
// Similarities have the samples' precision; what is summed over samples is summed in float64, but that a gradient's sums of up to
// 1024 samples have the samples' precision before they are added.
#include "compat.h"
#include "tiles.h"

enum Kind { GAUSSIAN, LAPLACIAN, LINEAR, POLYNOMIAL, INVERSE_MULTIQUADRIC, EQUAL };

// A set of samples (m, width) and its similarity.
struct Set {
    const void *x;
    i64 width;
    i64 kind;
    i64 degree;
    // Number of parameters.
    i64 count;
};

// The sets of each group whose similarities are multiplied.
#define MAX_GROUPS 32
#define MAX_MEMBERS 64
struct Groups {
    i64 count;
    // Behind the last member of each group.
    i64 end[MAX_GROUPS];
    i64 member[MAX_MEMBERS];
};

// What all tiles know.
struct Sets {
    const Set *sets;
    // Of each set `most` factors.
    const f64 *factors;
    i64 most;
    i64 count;
    i64 m;
    // Whether the diagonal takes no part.
    i64 hollow;
};

// Writes the description of a set, with up to 4 of its parameters from `first` on. One thread.
template <class T>
static void describe(Set *sets, f64 *factors, i64 most, i64 number, const Set &set, i64 first, const T *const (&parameters)[4]) {
    sets[number] = set;
    ROLLED for (i64 i = first; i < set.count && i < first + 4; i++) {
        f64 p = static_cast<f64>(*parameters[i - first]);
        f64 factor = set.kind == GAUSSIAN ? -0.5 / (p * p) : set.kind == LAPLACIAN ? -1.0 / p : p;
        factors[number * most + i] = static_cast<f64>(static_cast<T>(factor));
    }
}

// The constants of e^x, as in math/constants.rs: the results have the processor's bits.
template <class T> struct Exponential;
template <> struct Exponential<f32> {
    static constexpr f32 rounder = 12582912.0f, high = 0.693359375f, low = -2.1219444005469057e-4f, normal = -87.0f, lowest = -30.0f;
    static f32 tail(f32 r) {
        f32 sum = 1.989110345e-4f;
        sum = fused(sum, r, 1.393375139e-3f);
        sum = fused(sum, r, 8.333310824e-3f);
        sum = fused(sum, r, 4.166646401e-2f);
        sum = fused(sum, r, 1.666666668e-1f);
        return fused(sum, r, 0.5f);
    }
    // 2^n from n + rounder.
    static f32 power(f32 sum) {
        union {
            f32 number;
            u32 bits;
        } value;
        value.number = sum;
        value.bits = (value.bits + 127) << 23;
        return value.number;
    }
};
template <> struct Exponential<f64> {
    static constexpr f64 rounder = 6755399441055744.0, high = 0.6931471803691238, low = 1.9082149292705877e-10, normal = -708.0,
                         lowest = -50.0;
    static f64 tail(f64 r) {
        f64 sum = 2.0914689542549555e-9;
        sum = fused(sum, r, 2.5105220609870554e-8);
        sum = fused(sum, r, 2.7557273636924405e-7);
        sum = fused(sum, r, 2.755725539154403e-6);
        sum = fused(sum, r, 2.4801587325552618e-5);
        sum = fused(sum, r, 1.9841269874827454e-4);
        sum = fused(sum, r, 1.3888888888883746e-3);
        sum = fused(sum, r, 8.333333333326132e-3);
        sum = fused(sum, r, 4.166666666666667e-2);
        sum = fused(sum, r, 1.666666666666667e-1);
        return fused(sum, r, 0.5);
    }
    static f64 power(f64 sum) {
        union {
            f64 number;
            u64 bits;
        } value;
        value.number = sum;
        value.bits = (value.bits + 1023) << 52;
        return value.number;
    }
};
// 2^n, and e^r - 1 for x = n ln 2 + r.
template <class T> static T exp_factors(T x, T &rest) {
    typedef Exponential<T> E;
    T sum = fused(x, static_cast<T>(1.4426950408889634), E::rounder), n = sum - E::rounder;
    T r = fused(n, -E::low, fused(n, -E::high, x));
    rest = fused(E::tail(r) * r, r, r);
    return E::power(sum);
}
// e^x for x <= 0; 0 where that is no normal number.
template <class T> static T exp_of_negative(T x) {
    T lowest = Exponential<T>::normal, rest, power = exp_factors(lowest > x ? lowest : x, rest);
    return x < lowest ? static_cast<T>(0) : fused(power, rest, power);
}
// e^x - 1 for x <= 0.
template <class T> static T expm1_of_negative(T x) {
    T lowest = Exponential<T>::lowest, rest, power = exp_factors(lowest > x ? lowest : x, rest);
    return fused(power, rest, power - 1);
}

// What decides about the similarity of two samples, for a tile of pairs: the sum of squared or absolute differences, the inner
// product (POLYNOMIAL), or the number of entries that differ.
template <class T, u32 R> static void measure(T *room, const Set &set, i64 m, i64 row, i64 column, T (&sum)[R][R]) {
    typedef Tile<T, R, 16> Tiles;
    const T *x = static_cast<const T *>(set.x);
    RowLines<T> a = {x, m, set.width, row}, b = {x, m, set.width, column};
    for (u32 i = 0; i < R; i++) {
        for (u32 j = 0; j < R; j++) {
            sum[i][j] = 0;
        }
    }
    if (set.kind == LAPLACIAN) {
        Tiles::run(room, 0, set.width, a, b, [](T p, T q, T s, u32, u32) { return s + magnitude(p - q); }, sum);
    } else if (set.kind == EQUAL) {
        Tiles::run(room, 0, set.width, a, b, [](T p, T q, T s, u32, u32) { return s + static_cast<T>(p != q); }, sum);
    } else if (set.kind == POLYNOMIAL) {
        Tiles::run(room, 0, set.width, a, b, [](T p, T q, T s, u32, u32) { return fused(p, q, s); }, sum);
    } else {
        Tiles::run(room, 0, set.width, a, b, [](T p, T q, T s, u32, u32) { return fused(p - q, p - q, s); }, sum);
    }
}

// A similarity from its measure: as it is, or minus what centering removes, so that similarities near it keep their digits: a
// constant (k - 1, k - 1/c, k - offset^degree), or half the squared norms of both samples (LINEAR: -|a - b|^2 / 2).
template <class T> static T value_of(const Set &set, const f64 *factors, T s, bool plain) {
    T c = set.count > 0 ? static_cast<T>(factors[0]) : static_cast<T>(0);
    switch (set.kind) {
    case GAUSSIAN:
    case LAPLACIAN: {
        T sum = 0;
        ROLLED for (i64 i = 0; i < set.count; i++) {
            T power = static_cast<T>(factors[i]) * s;
            sum += plain ? exp_of_negative(power) : expm1_of_negative(power);
        }
        return set.count == 1 ? sum : static_cast<T>(1.0 / static_cast<f64>(set.count)) * sum;
    }
    case POLYNOMIAL: {
        // (t + c)^p - c^p = t (b^(p-1) + b^(p-2) c + .. + c^(p-1)), b = t + c
        T offset = static_cast<T>(factors[1]), sum = 1, power = offset, base = fused(c, s, offset);
        ROLLED for (i64 i = 1; i < set.degree; i++) {
            sum = fused(sum, base, power);
            power *= offset;
        }
        return c * s * sum;
    }
    case INVERSE_MULTIQUADRIC: {
        T far = root(c * c + s);
        return plain ? 1 / far : -s / (c * far * (c + far));
    }
    case EQUAL:
        return static_cast<T>(s == 0) - static_cast<T>(!plain);
    default:
        return static_cast<T>(-0.5) * s;
    }
}

// The factor of the difference of the samples, of its sign, or of the other sample, in the derivative of a similarity.
template <class T> static T slope_of(const Set &set, const f64 *factors, T s) {
    T c = set.count > 0 ? static_cast<T>(factors[0]) : static_cast<T>(0);
    switch (set.kind) {
    case GAUSSIAN:
    case LAPLACIAN: {
        T sum = 0;
        ROLLED for (i64 i = 0; i < set.count; i++) {
            T factor = static_cast<T>(factors[i]);
            sum += factor * exp_of_negative(factor * s);
        }
        return static_cast<T>((set.kind == GAUSSIAN ? 2.0 : 1.0) / static_cast<f64>(set.count)) * sum;
    }
    case POLYNOMIAL: {
        T base = fused(c, s, static_cast<T>(factors[1])), power = static_cast<T>(set.degree) * c;
        ROLLED for (i64 i = 1; i < set.degree; i++) {
            power *= base;
        }
        return power;
    }
    case INVERSE_MULTIQUADRIC: {
        T square = c * c + s;
        return -1 / (square * root(square));
    }
    case EQUAL:
        return 0;
    default:
        return -1;
    }
}

// The sum over a tile's columns (or rows) of what each thread has summed up for its lines: parts is 16 x SIDE.
template <class Tiles> static f64 sum_of_line(const f64 *parts) {
    f64 total = 0;
    ROLLED for (u32 lane = 0; lane < 16; lane++) {
        total += parts[lane * Tiles::SIDE + threadIdx.x];
    }
    return total;
}

// Blocks take the tiles on and below the diagonal by turns. Of each tile: the sums of its rows and of its columns for each group
// in `rows` (groups, tiles, tiles SIDE), and, if there are `pairs` of sets, the sums of products of two sets' similarities, of
// which each block has one number per pair in `partial`. A thread keeps its similarities in `slots` and its sums of products in
// `products`, where no other thread reads: both stay in the second-level cache.
template <class T, u32 R>
static void tiles(const Sets &s, const Groups &groups, bool plain, i64 pairs, T *slots, f64 *products, f64 *rows, f64 *partial) {
    typedef Tile<T, R, 16> Tiles;
    DYN_SHARED(T, room);
    f64 *parts = reinterpret_cast<f64 *>(room);
    i64 across = (s.m + Tiles::SIDE - 1) / Tiles::SIDE, length = across * Tiles::SIDE;
    slots += blockIdx.x * s.count * R * R * TILE_THREADS + threadIdx.x;
    products += blockIdx.x * pairs * TILE_THREADS + threadIdx.x;
    ROLLED for (i64 p = 0; p < pairs; p++) {
        products[p * TILE_THREADS] = 0;
    }
    ROLLED for (i64 number = blockIdx.x; number < across * (across + 1) / 2; number += gridDim.x) {
        Place at = place_of(number);
        i64 row = at.row * Tiles::SIDE, column = at.column * Tiles::SIDE;
        ROLLED for (i64 a = 0; a < s.count; a++) {
            Set set = s.sets[a];
            T sum[R][R];
            measure<T, R>(room, set, s.m, row, column, sum);
            for (u32 k = 0; k < R * R; k++) {
                slots[(a * R * R + k) * TILE_THREADS] = sum[k / R][k % R];
            }
            ROLLED for (u32 k = 0; k < R * R; k++) {
                i64 r = row + Tiles::row(k / R), c = column + Tiles::column(k % R);
                bool counts = r < s.m && c < s.m && !(s.hollow && r == c);
                T *slot = slots + (a * R * R + k) * TILE_THREADS;
                *slot = counts ? value_of(set, s.factors + a * s.most, *slot, plain) : static_cast<T>(0);
            }
        }
        ROLLED for (i64 g = 0, first = 0; g < groups.count; first = groups.end[g], g++) {
            f64 of_row[R] = {}, of_column[R] = {};
            for (u32 i = 0; i < R; i++) {
                for (u32 j = 0; j < R; j++) {
                    f64 value = 1;
                    ROLLED for (i64 k = first; k < groups.end[g]; k++) {
                        value *= static_cast<f64>(slots[((groups.member[k] * R + i) * R + j) * TILE_THREADS]);
                    }
                    of_row[i] += value;
                    of_column[j] += value;
                }
            }
            SYNC_THREADS();
            for (u32 i = 0; i < R; i++) {
                parts[threadIdx.x % 16 * Tiles::SIDE + Tiles::row(i)] = of_row[i];
            }
            SYNC_THREADS();
            if (threadIdx.x < Tiles::SIDE) {
                rows[(g * across + at.column) * length + row + threadIdx.x] = sum_of_line<Tiles>(parts);
            }
            SYNC_THREADS();
            for (u32 j = 0; j < R; j++) {
                parts[threadIdx.x / 16 * Tiles::SIDE + Tiles::column(j)] = of_column[j];
            }
            SYNC_THREADS();
            if (threadIdx.x < Tiles::SIDE && at.row != at.column) {
                rows[(g * across + at.row) * length + column + threadIdx.x] = sum_of_line<Tiles>(parts);
            }
        }
        ROLLED for (i64 a = 0, p = 0; pairs > 0 && a < s.count; a++) {
            ROLLED for (i64 b = a; b < s.count; b++, p++) {
                f64 sum = 0;
                for (u32 k = 0; k < R * R; k++) {
                    f64 one = static_cast<f64>(slots[(a * R * R + k) * TILE_THREADS]);
                    sum += one * static_cast<f64>(slots[(b * R * R + k) * TILE_THREADS]);
                }
                // A tile below the diagonal stands for its mirror image, too.
                products[p * TILE_THREADS] += at.row == at.column ? sum : 2 * sum;
            }
        }
    }
    ROLLED for (i64 p = 0; p < pairs; p++) {
        f64 total = block_combine(parts, products[p * TILE_THREADS], [](f64 a, f64 b) { return a + b; });
        if (threadIdx.x == 0) {
            partial[blockIdx.x * pairs + p] = total;
        }
    }
}

// out[g, i] = the sum over tiles of rows[g, tile, i]
KERNEL void similarity_rows(const f64 *rows, f64 *out, i64 groups, i64 across, i64 length, i64 m) {
    ROLLED for (i64 at = GRID_START; at < groups * m; at += GRID_STEP) {
        i64 g = at / m, i = at % m;
        f64 sum = 0;
        ROLLED for (i64 tile = 0; tile < across; tile++) {
            sum += rows[(g * across + tile) * length + i];
        }
        out[at] = sum;
    }
}
EMU_EXPORT(similarity_rows)

// K_ij - alpha (r_i + r_j) + beta R centers a matrix of row sums r and sum R.
struct Centering {
    f64 alpha, beta;
};
static inline Centering centering(i64 m, bool hollow) {
    f64 n = static_cast<f64>(m);
    return hollow ? Centering{1 / (n - 2), 1 / ((n - 1) * (n - 2))} : Centering{1 / n, 1 / (n * n)};
}

// out[a, b] = sum K_a K_b - 2 alpha r_a r_b + beta R_a R_b. A block per pair (a, b).
KERNEL void similarity_products(const f64 *rows, const f64 *partial, f64 *out, i64 sets, i64 m, i64 hollow, i64 blocks) {
    DYN_SHARED(f64, room);
    i64 a = blockIdx.x / sets, b = blockIdx.x % sets, low = a < b ? a : b, high = a < b ? b : a;
    i64 pairs = sets * (sets + 1) / 2, pair = low * sets - low * (low - 1) / 2 + high - low;
    f64 all = 0, both = 0, of_a = 0, of_b = 0;
    ROLLED for (i64 i = threadIdx.x; i < blocks; i += blockDim.x) {
        all += partial[i * pairs + pair];
    }
    // The same bits for (b, a).
    ROLLED for (i64 i = threadIdx.x; i < m; i += blockDim.x) {
        both += rows[low * m + i] * rows[high * m + i];
        of_a += rows[low * m + i];
        of_b += rows[high * m + i];
    }
    auto add = [](f64 x, f64 y) { return x + y; };
    all = block_combine(room, all, add);
    both = block_combine(room, both, add);
    of_a = block_combine(room, of_a, add);
    of_b = block_combine(room, of_b, add);
    if (threadIdx.x == 0) {
        Centering c = centering(m, hollow != 0);
        out[blockIdx.x] = all - 2 * c.alpha * both + c.beta * of_a * of_b;
    }
}
EMU_EXPORT(similarity_products)

// totals[a] = sum of r_a. A block per set.
KERNEL void similarity_totals(const f64 *rows, f64 *totals, i64 m) {
    DYN_SHARED(f64, room);
    f64 sum = 0;
    ROLLED for (i64 i = threadIdx.x; i < m; i += blockDim.x) {
        sum += rows[blockIdx.x * m + i];
    }
    sum = block_combine(room, sum, [](f64 x, f64 y) { return x + y; });
    if (threadIdx.x == 0) {
        totals[blockIdx.x] = sum;
    }
}
EMU_EXPORT(similarity_totals)

// What the similarities of set b weigh those of set `of` with.
static inline f64 weight_of(const f64 *cotangent, i64 of, i64 b, i64 sets) {
    return cotangent[of * sets + b] + cotangent[b * sets + of];
}

// shifts[i] + shifts[j] is what centering subtracts from the weighted sum of the sets' similarities at (i, j).
KERNEL void similarity_shifts(const f64 *rows, const f64 *totals, const f64 *cotangent, f64 *shifts, i64 of, i64 sets, i64 m,
                              i64 hollow) {
    Centering c = centering(m, hollow != 0);
    ROLLED for (i64 i = GRID_START; i < m; i += GRID_STEP) {
        f64 shift = 0;
        ROLLED for (i64 b = 0; b < sets; b++) {
            shift += weight_of(cotangent, of, b, sets) * (c.alpha * rows[b * m + i] - c.beta * totals[b] / 2);
        }
        shifts[i] = shift;
    }
}
EMU_EXPORT(similarity_shifts)

// weights[i - from, j] = 2 (sum of the centered similarities at (i, j), weighted) (slope of set `of` at (i, j)), for `count` rows
// from `from` on. A block per tile.
template <class T, u32 R>
static void weights(const Sets &s, i64 of, const f64 *cotangent, const f64 *shifts, i64 from, i64 count, T *out) {
    typedef Tile<T, R, 16> Tiles;
    DYN_SHARED(T, room);
    i64 across = (s.m + Tiles::SIDE - 1) / Tiles::SIDE;
    i64 row = from + blockIdx.x / across * Tiles::SIDE, column = blockIdx.x % across * Tiles::SIDE;
    f64 weight[R][R] = {};
    T slope[R][R] = {}, sum[R][R];
    ROLLED for (i64 b = 0; b < s.count; b++) {
        f64 factor = weight_of(cotangent, of, b, s.count);
        if (factor == 0 && b != of) {
            continue;
        }
        Set set = s.sets[b];
        const f64 *factors = s.factors + b * s.most;
        measure<T, R>(room, set, s.m, row, column, sum);
        // Each thread has entries of its own in shared memory: a loop that is not unrolled has no registers to index.
        SYNC_THREADS();
        T *own = room + threadIdx.x;
        if (b == of) {
            for (u32 k = 0; k < R * R; k++) {
                own[k * TILE_THREADS] = sum[k / R][k % R];
            }
            ROLLED for (u32 k = 0; k < R * R; k++) {
                own[k * TILE_THREADS] = slope_of(set, factors, own[k * TILE_THREADS]);
            }
            for (u32 k = 0; k < R * R; k++) {
                slope[k / R][k % R] = own[k * TILE_THREADS];
            }
        }
        for (u32 k = 0; k < R * R; k++) {
            own[k * TILE_THREADS] = sum[k / R][k % R];
        }
        ROLLED for (u32 k = 0; k < R * R; k++) {
            own[k * TILE_THREADS] = value_of(set, factors, own[k * TILE_THREADS], false);
        }
        for (u32 k = 0; k < R * R; k++) {
            weight[k / R][k % R] += factor * static_cast<f64>(own[k * TILE_THREADS]);
        }
    }
    for (u32 i = 0; i < R; i++) {
        for (u32 j = 0; j < R; j++) {
            i64 r = row + Tiles::row(i), c = column + Tiles::column(j);
            if (r < from + count && c < s.m) {
                f64 centered = s.hollow && r == c ? 0 : weight[i][j] - (shifts[r] + shifts[c]);
                out[(r - from) * s.m + c] = static_cast<T>(2 * centered * static_cast<f64>(slope[i][j]));
            }
        }
    }
}

// out[i - from, k] = the sum over samples j of weights[i - from, j] times x_ik - x_jk, its sign (LAPLACIAN), or x_jk (POLYNOMIAL);
// 0 for EQUAL. Each of `splits` blocks of a tile takes a range of samples, and writes (split, count, width).
template <class T, u32 R>
static void apply(const T *weights, const T *x, T *out, i64 kind, i64 m, i64 width, i64 from, i64 count, i64 splits) {
    typedef Tile<T, R, 16> Tiles;
    DYN_SHARED(T, room);
    i64 across = (width + Tiles::SIDE - 1) / Tiles::SIDE, split = blockIdx.x % splits, tile = blockIdx.x / splits;
    i64 row = tile / across * Tiles::SIDE, column = tile % across * Tiles::SIDE;
    i64 each = (m + splits - 1) / splits, first = split * each, end = first + each < m ? first + each : m;
    RowLines<T> a = {weights, count, m, row};
    ColumnLines<T> b = {x, width, column};
    T sum[R][R] = {}, own[R][R];
    for (u32 i = 0; i < R; i++) {
        for (u32 j = 0; j < R; j++) {
            i64 r = row + Tiles::row(i), c = column + Tiles::column(j);
            own[i][j] = r < count && c < width ? x[(from + r) * width + c] : static_cast<T>(0);
        }
    }
    if (kind == POLYNOMIAL) {
        Tiles::run(room, first, end, a, b, [](T w, T q, T s, u32, u32) { return fused(w, q, s); }, sum);
    } else if (kind == LAPLACIAN) {
        auto signed_weight = [&own](T w, T q, T s, u32 i, u32 j) { return s + (own[i][j] > q ? w : own[i][j] < q ? -w : 0); };
        Tiles::run(room, first, end, a, b, signed_weight, sum);
    } else if (kind != EQUAL) {
        Tiles::run(room, first, end, a, b, [&own](T w, T q, T s, u32 i, u32 j) { return fused(w, own[i][j] - q, s); }, sum);
    }
    for (u32 i = 0; i < R; i++) {
        for (u32 j = 0; j < R; j++) {
            i64 r = row + Tiles::row(i), c = column + Tiles::column(j);
            if (r < count && c < width) {
                out[(split * count + r) * width + c] = sum[i][j];
            }
        }
    }
}

#define SIMILARITY(T)                                                                                                   \
    KERNEL void similarity_set_##T(Set *sets, f64 *factors, i64 most, i64 number, const T *x, i64 width, i64 kind,      \
                                   i64 degree, i64 count, i64 first, const T *p0, const T *p1, const T *p2,             \
                                   const T *p3) {                                                                       \
        const T *parameters[4] = {p0, p1, p2, p3};                                                                      \
        describe<T>(sets, factors, most, number, Set{x, width, kind, degree, count}, first, parameters);                \
    }                                                                                                                   \
    EMU_EXPORT(similarity_set_##T)
// `to` counts the elements of `out` before the first result.
#define SIMILARITY_TILES(T, R)                                                                                          \
    KERNEL void similarity_tiles_##T##_##R(const Set *sets, const f64 *factors, i64 most, i64 count, i64 m, i64 hollow, \
                                           Groups groups, i64 plain, i64 pairs, T *slots, f64 *products, f64 *rows,     \
                                           f64 *partial) {                                                              \
        tiles<T, R>(Sets{sets, factors, most, count, m, hollow}, groups, plain != 0, pairs, slots, products, rows,      \
                    partial);                                                                                           \
    }                                                                                                                   \
    EMU_EXPORT(similarity_tiles_##T##_##R)                                                                              \
    KERNEL void similarity_weights_##T##_##R(const Set *sets, const f64 *factors, i64 most, i64 count, i64 m,           \
                                             i64 hollow, i64 of, const f64 *cotangent, const f64 *shifts, i64 from,     \
                                             i64 rows, T *out) {                                                        \
        weights<T, R>(Sets{sets, factors, most, count, m, hollow}, of, cotangent, shifts, from, rows, out);             \
    }                                                                                                                   \
    EMU_EXPORT(similarity_weights_##T##_##R)                                                                            \
    KERNEL void similarity_apply_##T##_##R(const T *weights, const T *x, T *out, i64 to, i64 kind, i64 m, i64 width,    \
                                           i64 from, i64 count, i64 splits) {                                           \
        apply<T, R>(weights, x, out + to, kind, m, width, from, count, splits);                                         \
    }                                                                                                                   \
    EMU_EXPORT(similarity_apply_##T##_##R)
SIMILARITY(f32)
SIMILARITY(f64)
SIMILARITY_TILES(f32, 2)
SIMILARITY_TILES(f32, 4)
SIMILARITY_TILES(f64, 2)
SIMILARITY_TILES(f64, 4)
