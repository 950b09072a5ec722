// Sums and maxima over windows, a thread per result: neighbors read neighbors, and what windows share stays in the first-level
// cache, so that the bytes of operand and result are the floor of the time. Float32 is summed in float64.
#include "compat.h"
#include "windows.h"

template <class T> static void sum(const T *x, T *out, i64 planes, const Windows &w) {
    i64 from = volume(w.input), to = volume(w.output);
    ROLLED for (i64 i = GRID_START; i < planes * to; i += GRID_STEP) {
        const T *plane = x + i / to * from;
        typename Wide<T>::type total = 0;
        each_tap(w, spot(i % to, w.output), [&](i64, i64 at) { total += static_cast<typename Wide<T>::type>(plane[at]); });
        out[i] = static_cast<T>(total);
    }
}

template <class T> static void sum_grad(const T *dy, T *out, i64 planes, const Windows &w) {
    i64 from = volume(w.output), to = volume(w.input);
    ROLLED for (i64 i = GRID_START; i < planes * to; i += GRID_STEP) {
        const T *plane = dy + i / to * from;
        typename Wide<T>::type total = 0;
        each_window(w, spot(i % to, w.input), [&](i64, i64 at) { total += static_cast<typename Wide<T>::type>(plane[at]); });
        out[i] = static_cast<T>(total);
    }
}

// The first maximum: its position (where `index` is not null), or itself.
template <class T> static void maximum(const T *x, i32 *index, T *out, i64 planes, const Windows &w) {
    i64 from = volume(w.input), to = volume(w.output);
    ROLLED for (i64 i = GRID_START; i < planes * to; i += GRID_STEP) {
        const T *plane = x + i / to * from;
        i64 best = -1;
        T most = 0;
        each_tap(w, spot(i % to, w.output), [&](i64, i64 at) {
            T value = plane[at];
            if (best < 0 || is_larger(value, most)) {
                best = at;
                most = value;
            }
        });
        if (index) {
            index[i] = static_cast<i32>(best);
        } else {
            out[i] = most;
        }
    }
}

// Each element adds up what the windows have whose maximum it is.
template <class T> static void max_grad(const i32 *index, const T *dy, T *out, i64 planes, const Windows &w) {
    i64 from = volume(w.output), to = volume(w.input);
    ROLLED for (i64 i = GRID_START; i < planes * to; i += GRID_STEP) {
        i64 plane = i / to * from, own = i % to;
        typename Wide<T>::type total = 0;
        each_window(w, spot(own, w.input), [&](i64, i64 at) {
            if (index[plane + at] == own) {
                total += static_cast<typename Wide<T>::type>(dy[plane + at]);
            }
        });
        out[i] = static_cast<T>(total);
    }
}

#define WINDOW(T)                                                                                                \
    KERNEL void window_sum_##T(const T *x, T *out, i64 planes, Windows w) { sum<T>(x, out, planes, w); }         \
    EMU_EXPORT(window_sum_##T)                                                                                   \
    KERNEL void window_sum_grad_##T(const T *dy, T *out, i64 planes, Windows w) { sum_grad<T>(dy, out, planes, w); } \
    EMU_EXPORT(window_sum_grad_##T)                                                                              \
    KERNEL void window_max_##T(const T *x, T *out, i64 planes, Windows w) {                                      \
        maximum<T>(x, nullptr, out, planes, w);                                                                  \
    }                                                                                                            \
    EMU_EXPORT(window_max_##T)                                                                                   \
    KERNEL void window_arg_max_##T(const T *x, i32 *out, i64 planes, Windows w) {                                \
        maximum<T>(x, out, nullptr, planes, w);                                                                  \
    }                                                                                                            \
    EMU_EXPORT(window_arg_max_##T)                                                                               \
    KERNEL void window_max_grad_##T(const i32 *index, const T *dy, T *out, i64 planes, Windows w) {              \
        max_grad<T>(index, dy, out, planes, w);                                                                  \
    }                                                                                                            \
    EMU_EXPORT(window_max_grad_##T)
WINDOW(f32)
WINDOW(f64)
WINDOW(i32)
WINDOW(i64)
WINDOW(u32)
WINDOW(u8)
