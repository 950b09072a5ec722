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
