// Windows over the last three axes: fewer axes have leading extents of 1.
#ifndef HYPERGLOW_WINDOWS_H
#define HYPERGLOW_WINDOWS_H

#include "compat.h"

// Extents, and how windows lie. Each number, padded extents and planes are below 2^31.
struct Windows {
    i64 input[3], kernel[3], output[3], stride[3], pad[3], dilation[3];
};

static inline i64 volume(const i64 (&extent)[3]) { return extent[0] * extent[1] * extent[2]; }

// The coordinates of a flat position.
struct Spot {
    i32 at[3];
};
static inline Spot spot(i64 flat, const i64 (&extent)[3]) {
    u32 i = static_cast<u32>(flat), last = static_cast<u32>(extent[2]), middle = static_cast<u32>(extent[1]);
    u32 rest = i / last;
    return {{static_cast<i32>(rest / middle), static_cast<i32>(rest % middle), static_cast<i32>(i % last)}};
}
static inline i64 flat(const i32 (&at)[3], const i64 (&extent)[3]) { return (at[0] * extent[1] + at[1]) * extent[2] + at[2]; }

// Calls visit(tap, position in the input) for the taps of the window at `out` that are not in the padding, in order.
template <class F> static void each_tap(const Windows &w, const Spot &out, F visit) {
    i32 start[3];
    for (u32 a = 0; a < 3; a++) {
        start[a] = static_cast<i32>(out.at[a] * w.stride[a] - w.pad[a]);
    }
    i64 tap = 0;
    ROLLED for (i32 i = 0; i < w.kernel[0]; i++) {
        i64 x = start[0] + i * w.dilation[0];
        ROLLED for (i32 j = 0; j < w.kernel[1]; j++) {
            i64 y = start[1] + j * w.dilation[1];
            bool inside = x >= 0 && x < w.input[0] && y >= 0 && y < w.input[1];
            ROLLED for (i32 k = 0; k < w.kernel[2]; k++, tap++) {
                i64 z = start[2] + k * w.dilation[2];
                if (inside && z >= 0 && z < w.input[2]) {
                    visit(tap, (x * w.input[1] + y) * w.input[2] + z);
                }
            }
        }
    }
}

// The windows along an axis that hold an element, of which those count whose distance to the element is a multiple of the dilation.
struct Reach {
    i32 from, to;
};
static inline Reach reach(const Windows &w, u32 axis, i32 at) {
    i64 stride = w.stride[axis], last = at + w.pad[axis], first = last - (w.kernel[axis] - 1) * w.dilation[axis];
    i64 from = first > 0 ? (first + stride - 1) / stride : 0, to = last / stride + 1;
    return {static_cast<i32>(from), static_cast<i32>(to < w.output[axis] ? to : w.output[axis])};
}
// The tap of the window `out` that is at an element; -1 if none is.
static inline i32 tap_at(const Windows &w, u32 axis, i32 at, i32 out) {
    i32 away = static_cast<i32>(at + w.pad[axis] - out * w.stride[axis]), dilation = static_cast<i32>(w.dilation[axis]);
    return dilation == 1 ? away : away % dilation ? -1 : away / dilation;
}

// Calls visit(tap, position in the output) for the windows that hold the element `in`, in order.
template <class F> static void each_window(const Windows &w, const Spot &in, F visit) {
    Reach x = reach(w, 0, in.at[0]), y = reach(w, 1, in.at[1]), z = reach(w, 2, in.at[2]);
    ROLLED for (i32 i = x.from; i < x.to; i++) {
        i32 a = tap_at(w, 0, in.at[0], i);
        ROLLED for (i32 j = y.from; j < y.to; j++) {
            i32 b = tap_at(w, 1, in.at[1], j);
            ROLLED for (i32 k = z.from; k < z.to; k++) {
                i32 c = tap_at(w, 2, in.at[2], k);
                if (a >= 0 && b >= 0 && c >= 0) {
                    visit((a * w.kernel[1] + b) * w.kernel[2] + c, (i * w.output[1] + j) * w.output[2] + k);
                }
            }
        }
    }
}

#endif
