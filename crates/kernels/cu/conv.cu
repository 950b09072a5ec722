// Convolutions as matrix products whose second operand is gathered on the way to shared memory, so that no matrix of patches is
// stored: an instruction per product is the floor of the time. Groups of few channels would leave most of a tile empty; for these a
// thread computes a result, and the bytes of the operands are the floor. Each result's terms are added in a fixed order.
#include "compat.h"
#include "tiles.h"
#include "windows.h"

// Batch, channels of both sides, and groups of the forward convolution (N, C, in..) -> (N, O, out..).
struct Channels {
    i64 batch, in, out, groups;
};

// A term of a result, or of weights a column: where its element and its weight are, and how far the tap is from the first one.
struct Tap {
    i64 x, w;
    i32 at[3];
    i32 unused;
};

// taps[channel, tap] for the input channels of a group, or (backward) its output channels.
KERNEL void conv_taps(Tap *taps, i64 channels, Windows w, i64 backward, i64 weight_step) {
    i64 each = volume(w.kernel);
    ROLLED for (i64 i = GRID_START; i < channels * each; i += GRID_STEP) {
        i64 channel = i / each, tap = i % each;
        Spot s = spot(tap, w.kernel);
        for (u32 a = 0; a < 3; a++) {
            s.at[a] = static_cast<i32>(s.at[a] * w.dilation[a]);
        }
        i64 x = backward ? channel * volume(w.output) : channel * volume(w.input) + flat(s.at, w.input);
        taps[i] = {x, channel * weight_step + tap, {s.at[0], s.at[1], s.at[2]}, 0};
    }
}
EMU_EXPORT(conv_taps)

// The elements under the window at a position.
template <class T> struct Under {
    const T *x;
    Spot start;
    void place(const T *group, const Windows &w, i64 image_step, i64 image, i64 position) {
        Spot p = spot(position, w.output);
        for (u32 a = 0; a < 3; a++) {
            start.at[a] = static_cast<i32>(p.at[a] * w.stride[a] - w.pad[a]);
        }
        x = group + image * image_step + flat(start.at, w.input);
    }
    T operator()(const Windows &w, const Tap &tap) const {
        bool inside = true;
        for (u32 a = 0; a < 3; a++) {
            inside &= static_cast<u32>(start.at[a] + tap.at[a]) < static_cast<u32>(w.input[a]);
        }
        return inside ? x[tap.x] : static_cast<T>(0);
    }
};

// Terms of the forward convolution: lines are positions of all images.
template <class T> struct Patches {
    const Windows *w;
    const Tap *taps;
    Under<T> under;
    bool inside;
    static constexpr bool by_terms = false;
    Patches(const T *x, const Windows *w, const Tap *taps, const Channels &c, i64 position) : w(w), taps(taps) {
        i64 each = volume(w->output);
        inside = position < c.batch * each;
        position = inside ? position : 0;
        under.place(x, *w, c.in * volume(w->input), position / each, position % each);
    }
    void seek(i64) {}
    T operator()(u32, i64 term) const { return inside ? under(*w, taps[term]) : static_cast<T>(0); }
};

// Terms of the input's gradient: lines are positions in the input, terms the windows over them.
template <class T> struct Covers {
    const Windows *w;
    const Tap *taps;
    const T *dy;
    Spot end;
    bool inside;
    static constexpr bool by_terms = false;
    Covers(const T *dy, const Windows *w, const Tap *taps, const Channels &c, i64 position) : w(w), taps(taps), dy(dy) {
        i64 each = volume(w->input);
        inside = position < c.batch * each;
        position = inside ? position : 0;
        end = spot(position % each, w->input);
        this->dy = dy + position / each * c.out * volume(w->output);
        for (u32 a = 0; a < 3; a++) {
            end.at[a] += static_cast<i32>(w->pad[a]);
        }
    }
    void seek(i64) {}
    T operator()(u32, i64 term) const {
        Tap tap = taps[term];
        i32 out[3];
        bool covers = inside;
        for (u32 a = 0; a < 3; a++) {
            i32 away = end.at[a] - tap.at[a], stride = static_cast<i32>(w->stride[a]);
            out[a] = stride == 1 ? away : away / stride;
            covers &= away >= 0 && out[a] * stride == away && out[a] < w->output[a];
        }
        return covers ? dy[tap.x + flat(out, w->output)] : static_cast<T>(0);
    }
};

// Weights of the input's gradient: lines are input channels.
template <class T> struct Filters {
    const T *weights;
    const Tap *taps;
    i64 step, first, count;
    static constexpr bool by_terms = true;
    void seek(i64) {}
    T operator()(u32 line, i64 term) const {
        i64 channel = first + line;
        return channel < count ? weights[taps[term].w + channel * step] : static_cast<T>(0);
    }
};

// Terms of the weights' gradient are positions of all images; a thread loads one term of several lines.
template <class T> struct Slopes {
    const T *dy;
    i64 plane, image_step, first, count;
    const T *at;
    static constexpr bool by_terms = true;
    void seek(i64 term) {
        term += threadIdx.x % 16;
        at = dy + term / plane * image_step + term % plane;
    }
    T operator()(u32 line, i64) const {
        i64 channel = first + line;
        return channel < count ? at[channel * plane] : static_cast<T>(0);
    }
};
template <class T> struct Columns {
    const T *x;
    const Windows *w;
    const Tap *taps;
    i64 image_step, first, count;
    Under<T> under;
    static constexpr bool by_terms = true;
    void seek(i64 term) {
        term += threadIdx.x % 16;
        i64 plane = volume(w->output);
        under.place(x, *w, image_step, term / plane, term % plane);
    }
    T operator()(u32 line, i64) const {
        i64 column = first + line;
        return column < count ? under(*w, taps[column]) : static_cast<T>(0);
    }
};

// Which tile a block computes, of which group, and which terms it adds.
struct Part {
    i64 row, column, group, split, from, to;
};
static inline Part part(i64 side, i64 rows, i64 columns, i64 groups, i64 terms, i64 splits) {
    i64 down = (rows + side - 1) / side, across = (columns + side - 1) / side, at = blockIdx.x;
    i64 split = at % splits, tile = at / splits % (down * across), group = at / splits / (down * across) % groups;
    return {tile % down * side, tile / down * side, group, split, terms * split / splits, terms * (split + 1) / splits};
}

// out (split, N, O, out..), or backward (split, N, C, in..)
template <class T, u32 R>
static void conv(const T *x, const T *weights, T *out, const Tap *taps, const Channels &c, const Windows &w, bool backward,
                 i64 splits) {
    typedef Tile<T, R, 16> Tiles;
    DYN_SHARED(T, room);
    i64 ins = c.in / c.groups, outs = c.out / c.groups, each = volume(w.kernel);
    i64 rows = backward ? ins : outs, plane = backward ? volume(w.input) : volume(w.output);
    Part p = part(Tiles::SIDE, rows, c.batch * plane, c.groups, (backward ? outs : ins) * each, splits);
    weights += p.group * outs * ins * each;
    i64 position = p.column + threadIdx.x % Tiles::SIDE;
    T sum[R][R] = {};
    auto product = [](T p, T q, T s, u32, u32) { return fused(p, q, s); };
    if (backward) {
        Filters<T> a = {weights, taps, each, p.row, ins};
        Covers<T> b(x + p.group * outs * volume(w.output), &w, taps, c, position);
        Tiles::run(room, p.from, p.to, a, b, product, sum);
    } else {
        RowLines<T> a = {weights, outs, ins * each, p.row};
        Patches<T> b(x + p.group * ins * volume(w.input), &w, taps, c, position);
        Tiles::run(room, p.from, p.to, a, b, product, sum);
    }
    i64 channels = backward ? c.in : c.out;
    out += p.split * c.batch * channels * plane + p.group * rows * plane;
    for (u32 j = 0; j < R; j++) {
        i64 column = p.column + Tiles::column(j);
        T *at = out + column / plane * channels * plane + column % plane;
        for (u32 i = 0; i < R; i++) {
            i64 row = p.row + Tiles::row(i);
            if (row < rows && column < c.batch * plane) {
                at[row * plane] = sum[i][j];
            }
        }
    }
}

// out (split, O, C / groups, kernel..)
template <class T, u32 R>
static void conv_weights(const T *x, const T *dy, T *out, const Tap *taps, const Channels &c, const Windows &w, i64 splits) {
    typedef Tile<T, R, 16> Tiles;
    DYN_SHARED(T, room);
    i64 ins = c.in / c.groups, outs = c.out / c.groups, columns = ins * volume(w.kernel), plane = volume(w.output);
    Part p = part(Tiles::SIDE, outs, columns, c.groups, c.batch * plane, splits);
    Slopes<T> a = {dy + p.group * outs * plane, plane, c.out * plane, p.row, outs, nullptr};
    i64 from = volume(w.input);
    Columns<T> b = {x + p.group * ins * from, &w, taps, c.in * from, p.column, columns, {}};
    T sum[R][R] = {};
    Tiles::run(room, p.from, p.to, a, b, [](T p, T q, T s, u32, u32) { return fused(p, q, s); }, sum);
    out += (p.split * c.out + p.group * outs) * columns;
    for (u32 i = 0; i < R; i++) {
        for (u32 j = 0; j < R; j++) {
            i64 row = p.row + Tiles::row(i), column = p.column + Tiles::column(j);
            if (row < outs && column < columns) {
                out[row * columns + column] = sum[i][j];
            }
        }
    }
}

// A thread per result, for groups of few channels.
template <class T> static void direct(const T *x, const T *weights, T *out, const Channels &c, const Windows &w, bool backward) {
    i64 ins = c.in / c.groups, outs = c.out / c.groups, each = volume(w.kernel), from = volume(w.input), to = volume(w.output);
    i64 plane = backward ? from : to, channels = backward ? c.in : c.out;
    ROLLED for (i64 i = GRID_START; i < c.batch * channels * plane; i += GRID_STEP) {
        i64 line = i / plane, image = line / channels, channel = line % channels;
        f64 sum = 0;
        auto add = [&](T a, T b) { sum += static_cast<f64>(a) * static_cast<f64>(b); };
        if (backward) {
            const T *filter = weights + (channel / ins * outs * ins + channel % ins) * each;
            const T *dy = x + (image * c.out + channel / ins * outs) * to;
            Spot at = spot(i % plane, w.input);
            ROLLED for (i64 o = 0; o < outs; o++, filter += ins * each, dy += to) {
                each_window(w, at, [&](i64 tap, i64 y) { add(dy[y], filter[tap]); });
            }
        } else {
            const T *filter = weights + channel * ins * each, *input = x + (image * c.in + channel / outs * ins) * from;
            Spot at = spot(i % plane, w.output);
            ROLLED for (i64 k = 0; k < ins; k++, filter += each, input += from) {
                each_tap(w, at, [&](i64 tap, i64 y) { add(input[y], filter[tap]); });
            }
        }
        out[i] = static_cast<T>(sum);
    }
}

// A block per weight, for groups of few channels.
template <class T>
static void direct_weights(const T *x, const T *dy, T *out, const Tap *taps, const Channels &c, const Windows &w) {
    DYN_SHARED(f64, room);
    i64 ins = c.in / c.groups, outs = c.out / c.groups, columns = ins * volume(w.kernel);
    i64 from = volume(w.input), plane = volume(w.output), channel = blockIdx.x / columns;
    Tap tap = taps[blockIdx.x % columns];
    x += channel / outs * ins * from;
    dy += channel * plane;
    f64 sum = 0;
    ROLLED for (i64 i = threadIdx.x; i < c.batch * plane; i += blockDim.x) {
        i64 image = i / plane, position = i % plane;
        Under<T> under;
        under.place(x, w, c.in * from, image, position);
        sum += static_cast<f64>(under(w, tap)) * static_cast<f64>(dy[image * c.out * plane + position]);
    }
    sum = block_combine(room, sum, [](f64 a, f64 b) { return a + b; });
    if (threadIdx.x == 0) {
        out[blockIdx.x] = static_cast<T>(sum);
    }
}

#define CONV(T)                                                                                                          \
    KERNEL void conv_direct_##T(const T *x, const T *weights, T *out, Channels c, Windows w, i64 backward) {             \
        direct<T>(x, weights, out, c, w, backward != 0);                                                                 \
    }                                                                                                                    \
    EMU_EXPORT(conv_direct_##T)                                                                                          \
    KERNEL void conv_direct_weights_##T(const T *x, const T *dy, T *out, const Tap *taps, Channels c, Windows w) {       \
        direct_weights<T>(x, dy, out, taps, c, w);                                                                       \
    }                                                                                                                    \
    EMU_EXPORT(conv_direct_weights_##T)
#define CONV_TILES(T, R)                                                                                                 \
    KERNEL void conv_##T##_##R(const T *x, const T *weights, T *out, const Tap *taps, Channels c, Windows w,             \
                               i64 backward, i64 splits) {                                                               \
        conv<T, R>(x, weights, out, taps, c, w, backward != 0, splits);                                                  \
    }                                                                                                                    \
    EMU_EXPORT(conv_##T##_##R)                                                                                           \
    KERNEL void conv_weights_##T##_##R(const T *x, const T *dy, T *out, const Tap *taps, Channels c, Windows w,          \
                                       i64 splits) {                                                                     \
        conv_weights<T, R>(x, dy, out, taps, c, w, splits);                                                              \
    }                                                                                                                    \
    EMU_EXPORT(conv_weights_##T##_##R)
CONV(f32)
CONV(f64)
CONV_TILES(f32, 2)
CONV_TILES(f32, 4)
CONV_TILES(f64, 2)
CONV_TILES(f64, 4)
