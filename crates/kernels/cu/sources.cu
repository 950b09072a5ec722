// Numbers without operands: positions along an axis, and Philox4x32-10 random numbers (Salmon, Moraes, Dror, Shaw: "Parallel
// random numbers: as easy as 1, 2, 3", SC 2011), as in core/random.rs bit for bit.
#include "compat.h"

// out[i] = i / inner % extent.
template <class T> static void iota(T *out, i64 count, i64 extent, i64 inner) {
    ROLLED for (i64 i = GRID_START; i < count; i += GRID_STEP) {
        out[i] = static_cast<T>(i / inner % extent);
    }
}
#define IOTA(T) \
    KERNEL void iota_##T(T *out, i64 count, i64 extent, i64 inner) { iota<T>(out, count, extent, inner); } \
    EMU_EXPORT(iota_##T)
IOTA(f32)
IOTA(f64)
IOTA(i32)
IOTA(i64)
IOTA(u32)
IOTA(u8)

struct Words {
    u32 w[4];
};

static Words philox(u64 block, u32 kind, u32 k0, u32 k1) {
    u32 c0 = static_cast<u32>(block), c1 = static_cast<u32>(block >> 32), c2 = kind, c3 = 0;
    for (int round = 0; round < 10; round++) {
        u64 p0 = static_cast<u64>(0xD2511F53u) * c0, p1 = static_cast<u64>(0xCD9E8D57u) * c2;
        c0 = static_cast<u32>(p1 >> 32) ^ c1 ^ k0;
        c2 = static_cast<u32>(p0 >> 32) ^ c3 ^ k1;
        c1 = static_cast<u32>(p1);
        c3 = static_cast<u32>(p0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

// Four elements of a block of the counter.
KERNEL void random_bits(const u32 *key, u32 *out, i64 count) {
    ROLLED for (i64 block = GRID_START; block * 4 < count; block += GRID_STEP) {
        Words words = philox(static_cast<u64>(block), 0, key[0], key[1]);
        for (int j = 0; j < 4 && block * 4 + j < count; j++) {
            out[block * 4 + j] = words.w[j];
        }
    }
}
EMU_EXPORT(random_bits)

// Multiples of 2^-24, from the words that random_bits gives.
KERNEL void uniform_f32(const u32 *key, f32 *out, i64 count) {
    ROLLED for (i64 block = GRID_START; block * 4 < count; block += GRID_STEP) {
        Words words = philox(static_cast<u64>(block), 0, key[0], key[1]);
        for (int j = 0; j < 4 && block * 4 + j < count; j++) {
            out[block * 4 + j] = static_cast<float>(words.w[j] >> 8) * (1.0f / 16777216.0f);
        }
    }
}
EMU_EXPORT(uniform_f32)

// A multiple of 2^-53 of two words.
static double unit(u32 high, u32 low) {
    return static_cast<double>((static_cast<u64>(high) << 32 | low) >> 11) * (1.0 / 9007199254740992.0);
}

KERNEL void uniform_f64(const u32 *key, f64 *out, i64 count) {
    ROLLED for (i64 block = GRID_START; block * 2 < count; block += GRID_STEP) {
        Words words = philox(static_cast<u64>(block), 1, key[0], key[1]);
        out[block * 2] = unit(words.w[0], words.w[1]);
        if (block * 2 + 1 < count) {
            out[block * 2 + 1] = unit(words.w[2], words.w[3]);
        }
    }
}
EMU_EXPORT(uniform_f64)

// The natural logarithm of x in (0, 1], x normal, in the arithmetic of the CPU's library (fdlibm), so with its bits: x is 2^k m, m
// between sqrt(1/2) and sqrt(2), and log(m) a polynomial of s = f / (2 + f), f = m - 1.
static double log_of(double x) {
    i64 bits = __double_as_longlong(x);
    u32 high = static_cast<u32>(bits >> 32) + (0x3ff00000u - 0x3fe6a09eu);
    double k = static_cast<double>(static_cast<i32>(high >> 20) - 0x3ff);
    high = (high & 0xfffffu) + 0x3fe6a09eu;
    double f = __longlong_as_double(static_cast<i64>(high) << 32 | (bits & 0xffffffffll)) - 1.0;
    double half = 0.5 * f * f, s = f / (2.0 + f), z = s * s, w = z * z;
    double even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    double odd = z * (6.666666666666735130e-01 +
                      w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    return s * (half + (odd + even)) + k * 1.90821492927058770002e-10 - half + f + k * 6.93147180369123816490e-01;
}

// Sine and cosine of x in [0, 2 pi), as above: n quarters of a turn, and a rest y + tail of at most pi / 4.
static void sine_and_cosine(double x, double &sine, double &cosine) {
    u32 high = static_cast<u32>(__double_as_longlong(x) >> 32);
    int n = (high > 0x3fe921fbu) + (high > 0x4002d97cu) + (high > 0x400f6a7au) + (high > 0x4015fdbcu);
    double y = x, tail = 0;
    if (n > 0) {
        // pi / 2 in parts of 33 bits, whose products with n are exact. The second is used where the first leaves few bits.
        double r = x - n * 1.57079632673412561417e+00, w = n * 6.07710050650619224932e-11;
        y = r - w;
        bool is_near = high == 0x3ff921fbu || high == 0x400921fbu || high == 0x4012d97cu || high == 0x401921fbu;
        auto exponent = [](double of) { return static_cast<int>(__double_as_longlong(of) >> 52 & 0x7ff); };
        for (int round = 0; is_near && round < 2 && exponent(x) - exponent(y) > (round ? 49 : 16); round++) {
            double before = r;
            w = n * (round ? 2.02226624871116645580e-21 : 6.07710050630396597660e-11);
            r = before - w;
            w = n * (round ? 8.47842766036889956997e-32 : 2.02226624879595063154e-21) - ((before - r) - w);
            y = r - w;
        }
        tail = (r - y) - w;
    }
    double z = y * y, zz = z * z, cube = z * y;
    double s1 = -1.66666666666666324348e-01;
    double p = 8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04 + z * 2.75573137070700676789e-06) +
               z * zz * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10);
    double s = n == 0 ? y + cube * (s1 + z * p) : y - ((z * (0.5 * tail - cube * p) - tail) - cube * s1);
    double q = z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 + z * 2.48015872894767294178e-05)) +
               zz * zz * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11));
    double half = 0.5 * z, rest = 1.0 - half;
    double c = rest + (((1.0 - rest) - half) + (z * q - y * tail));
    sine = n & 1 ? (n & 2 ? -c : c) : (n & 2 ? -s : s);
    cosine = n & 1 ? (n & 2 ? s : -s) : (n & 2 ? -c : c);
}

// Box and Muller: two elements of a block of the counter.
template <class T> static void normal(const u32 *key, T *out, i64 count) {
    ROLLED for (i64 block = GRID_START; block * 2 < count; block += GRID_STEP) {
        Words words = philox(static_cast<u64>(block), 2, key[0], key[1]);
        double radius = sqrt(-2.0 * log_of(1.0 - unit(words.w[0], words.w[1]))), sine, cosine;
        sine_and_cosine(6.283185307179586 * unit(words.w[2], words.w[3]), sine, cosine);
        out[block * 2] = static_cast<T>(radius * cosine);
        if (block * 2 + 1 < count) {
            out[block * 2 + 1] = static_cast<T>(radius * sine);
        }
    }
}
KERNEL void normal_f32(const u32 *key, f32 *out, i64 count) { normal<f32>(key, out, count); }
EMU_EXPORT(normal_f32)
KERNEL void normal_f64(const u32 *key, f64 *out, i64 count) { normal<f64>(key, out, count); }
EMU_EXPORT(normal_f64)
