// Sums and extrema over axes. Float32 is summed in float64, integers in 64 bits. The order of a sum depends on the shape alone.
#include "compat.h"

// Kept and reduced axes, neighbors of one kind merged. Every result is the combination of `terms` elements, which `splits` blocks
// share; with several splits the blocks write partial results.
struct Reduction {
    i64 outputs;
    i64 terms;
    i64 splits;
    Axes kept;
    Axes reduced;
};

template <class T> struct Limits;
#define LIMITS(T, LOW, HIGH)                       \
    template <> struct Limits<T> {                 \
        static T low() { return LOW; }             \
        static T high() { return HIGH; }           \
    };
static inline f64 infinity() {
    union {
        u64 bits;
        f64 number;
    } value;
    value.bits = 0x7ff0000000000000ull;
    return value.number;
}
LIMITS(f32, static_cast<f32>(-infinity()), static_cast<f32>(infinity()))
LIMITS(f64, -infinity(), infinity())
LIMITS(i32, static_cast<i32>(0x80000000u), 0x7fffffff)
LIMITS(i64, static_cast<i64>(0x8000000000000000ull), 0x7fffffffffffffffll)
LIMITS(u32, 0u, 0xffffffffu)
LIMITS(u8, 0, 255)

// Sums of integers are int64; unsigned arithmetic, since it may wrap.
template <class T> struct SumOf {
    typedef i64 type;
};
template <> struct SumOf<f32> {
    typedef f32 type;
};
template <> struct SumOf<f64> {
    typedef f64 type;
};

template <class T> struct Sum {
    typedef typename Wide<T>::type Value;
    typedef typename SumOf<T>::type Out;
    static Value start() { return 0; }
    static Value of(T x) { return widen(x, static_cast<Value *>(nullptr)); }
    static Value widen(T x, f64 *) { return static_cast<Value>(x); }
    static Value widen(T x, u64 *) { return static_cast<Value>(static_cast<i64>(x)); }
    static Value combine(Value a, Value b) { return a + b; }
};
template <class T> struct Max {
    typedef T Value;
    typedef T Out;
    static T start() { return Limits<T>::low(); }
    static T of(T x) { return x; }
    static T combine(T a, T b) { return is_nan(a) ? a : is_nan(b) ? b : b > a ? b : a; }
};
template <class T> struct Min {
    typedef T Value;
    typedef T Out;
    static T start() { return Limits<T>::high(); }
    static T of(T x) { return x; }
    static T combine(T a, T b) { return is_nan(a) ? a : is_nan(b) ? b : b < a ? b : a; }
};

// The terms of split `split`.
static inline void range(const Reduction &r, i64 split, i64 &from, i64 &to) {
    i64 each = (r.terms + r.splits - 1) / r.splits;
    from = split * each;
    to = from + each < r.terms ? from + each : r.terms;
}

// A block per result and split: threads take every blockDim.x-th term.
template <class T, class How>
static void reduce_rows(const T *x, typename How::Out *out, typename How::Value *partial, const Reduction &r) {
    DYN_SHARED(typename How::Value, room);
    i64 output = blockIdx.x / r.splits, split = blockIdx.x % r.splits, from, to;
    range(r, split, from, to);
    const T *start = x + r.kept.offset(output);
    typename How::Value value = How::start();
    ROLLED for (i64 i = from + threadIdx.x; i < to; i += blockDim.x) {
        value = How::combine(value, How::of(start[r.reduced.offset(i)]));
    }
    value = block_combine(room, value, How::combine);
    if (threadIdx.x == 0) {
        if (r.splits == 1) {
            out[output] = static_cast<typename How::Out>(value);
        } else {
            partial[blockIdx.x] = value;
        }
    }
}

// 32 neighboring results per block, for a kept innermost axis: rows of threads take every blockDim.y-th term.
template <class T, class How>
static void reduce_columns(const T *x, typename How::Out *out, typename How::Value *partial, const Reduction &r) {
    DYN_SHARED(typename How::Value, room);
    i64 output = blockIdx.x / r.splits * 32 + threadIdx.x, split = blockIdx.x % r.splits, from, to;
    range(r, split, from, to);
    typename How::Value value = How::start();
    if (output < r.outputs) {
        const T *start = x + r.kept.offset(output);
        ROLLED for (i64 i = from + threadIdx.y; i < to; i += blockDim.y) {
            value = How::combine(value, How::of(start[r.reduced.offset(i)]));
        }
    }
    room[threadIdx.y * 32 + threadIdx.x] = value;
    SYNC_THREADS();
    if (threadIdx.y == 0 && output < r.outputs) {
        ROLLED for (u32 row = 1; row < blockDim.y; row++) {
            value = How::combine(value, room[row * 32 + threadIdx.x]);
        }
        if (r.splits == 1) {
            out[output] = static_cast<typename How::Out>(value);
        } else {
            partial[output * r.splits + split] = value;
        }
    }
}

template <class How> static void reduce_partial(const typename How::Value *partial, typename How::Out *out, i64 outputs, i64 splits) {
    ROLLED for (i64 i = GRID_START; i < outputs; i += GRID_STEP) {
        typename How::Value value = partial[i * splits];
        ROLLED for (i64 split = 1; split < splits; split++) {
            value = How::combine(value, partial[i * splits + split]);
        }
        out[i] = static_cast<typename How::Out>(value);
    }
}

#define REDUCE(how, How, T)                                                                                             \
    KERNEL void how##_rows_##T(const T *x, How<T>::Out *out, How<T>::Value *partial, Reduction r) {                    \
        reduce_rows<T, How<T>>(x, out, partial, r);                                                                     \
    }                                                                                                                   \
    EMU_EXPORT(how##_rows_##T)                                                                                          \
    KERNEL void how##_columns_##T(const T *x, How<T>::Out *out, How<T>::Value *partial, Reduction r) {                 \
        reduce_columns<T, How<T>>(x, out, partial, r);                                                                  \
    }                                                                                                                   \
    EMU_EXPORT(how##_columns_##T)                                                                                       \
    KERNEL void how##_partial_##T(const How<T>::Value *partial, How<T>::Out *out, i64 outputs, i64 splits) {           \
        reduce_partial<How<T>>(partial, out, outputs, splits);                                                          \
    }                                                                                                                   \
    EMU_EXPORT(how##_partial_##T)
#define ALL(T) REDUCE(sum, Sum, T) REDUCE(max, Max, T) REDUCE(min, Min, T)
ALL(f32)
ALL(f64)
ALL(i32)
ALL(i64)
ALL(u32)
ALL(u8)

// The first index of the largest element along the middle axis; NaN is the largest. A block per result.
template <class T> struct Found {
    T value;
    i64 at;
};
template <class T> static void arg_max(const T *x, i32 *out, i64 extent, i64 inner) {
    DYN_SHARED(Found<T>, room);
    const T *start = x + blockIdx.x / inner * extent * inner + blockIdx.x % inner;
    auto better = [](Found<T> a, Found<T> b) {
        if (a.at < 0 || b.at < 0) {
            return a.at < 0 ? b : a;
        }
        bool before = is_larger(b.value, a.value) || (!is_larger(a.value, b.value) && b.at < a.at);
        return before ? b : a;
    };
    Found<T> best = {static_cast<T>(0), -1};
    ROLLED for (i64 i = threadIdx.x; i < extent; i += blockDim.x) {
        best = better(best, Found<T>{start[i * inner], i});
    }
    best = block_combine(room, best, better);
    if (threadIdx.x == 0) {
        out[blockIdx.x] = static_cast<i32>(best.at);
    }
}
#define ARG_MAX(T)                                                                                                      \
    KERNEL void arg_max_##T(const T *x, i32 *out, i64 extent, i64 inner) { arg_max<T>(x, out, extent, inner); }        \
    EMU_EXPORT(arg_max_##T)
ARG_MAX(f32)
ARG_MAX(f64)
ARG_MAX(i32)
ARG_MAX(i64)
ARG_MAX(u32)
ARG_MAX(u8)
