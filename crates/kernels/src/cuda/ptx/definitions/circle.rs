//! Sine and cosine of large arguments: the argument's fraction of pi / 2 from as many digits of 2 / pi as its exponent asks for
//! (Payne and Hanek 1983).

use crate::cuda::ptx::emitter::{Class, Emitter, Reg};
use crate::cuda::ptx::float::{Float, Truth};
use crate::math::{Ordered, Vector, sine_and_cosine_of_sum};

/// 64 zeros, then the binary digits of 2 / pi.
pub(in crate::cuda::ptx) const TWO_OVER_PI: [u64; 20] = [
    0,
    0xA2F9_836E_4E44_1529,
    0xFC27_57D1_F534_DDC0,
    0xDB62_9599_3C43_9041,
    0xFE51_63AB_DEBB_C561,
    0xB724_6E3A_424D_D2E0,
    0x0649_2EEA_09D1_921C,
    0xFE1D_EB1C_B129_A73E,
    0xE882_35F5_2EBB_4484,
    0xE99C_7026_B45F_7E41,
    0x3991_D639_8353_39F4,
    0x9C84_5F8B_BDF9_283B,
    0x1FF8_97FF_DE05_980F,
    0xEF2F_118B_5A0A_6D1F,
    0x6D36_7ECF_27CB_09B7,
    0x4F46_3F66_9E5F_EA2D,
    0x7527_BAC7_EBE5_F17B,
    0x3D07_39F7_8A52_92EA,
    0x6BFB_5FB1_1F8D_5D08,
    0x5603_3046_FC7B_6BAB,
];

/// pi / 2 rounded, and the rest.
const HALF_PI: (f64, f64) = (std::f64::consts::FRAC_PI_2, 6.123_233_995_736_766e-17);
/// An argument m 2^k with a whole number m of 53 bits is multiplied by 192 digits, the first of which has the weight 2^(2 - k): that is
/// the digit at `k + FIRST_DIGIT`.
const FIRST_DIGIT: i64 = 61;
/// What the exponent's bits of m 2^k are above k.
const BIAS: i64 = 1075;

/// 64-bit integers.
#[derive(Clone, Copy)]
struct Words<'e>(&'e Emitter);

impl Words<'_> {
    fn op(self, mnemonic: &str, x: Reg, y: impl std::fmt::Display) -> Reg {
        self.0.op(Class::B64, mnemonic, &[&x, &y])
    }

    /// Three words of digits from the digit `first` on.
    fn digits(self, first: Reg) -> [Reg; 3] {
        let to = self.0;
        to.read_two_over_pi();
        let table = to.op(Class::B64, "mov.u64", &[&"two_over_pi"]);
        let word = self.op("shr.u64", first, 6);
        let offset = self.op("shl.b64", word, 3);
        let at = self.op("add.u64", table, offset);
        let words = [0, 8, 16, 24].map(|byte| {
            let address = format!("[{at}+{byte}]");
            to.op(Class::B64, "ld.const.u64", &[&address])
        });
        let low = to.op(Class::B32, "cvt.u32.u64", &[&first]);
        let left = to.op(Class::B32, "and.b32", &[&low, &63]);
        let right = to.op(Class::B32, "sub.u32", &[&64, &left]);
        [0, 1, 2].map(|i| {
            let high = self.op("shl.b64", words[i], left);
            // A shift by 64 gives 0.
            let low = self.op("shr.u64", words[i + 1], right);
            self.op("or.b64", high, low)
        })
    }

    /// x + y, and 1 if the sum overflowed, else 0.
    fn sum(self, x: Reg, y: Reg) -> (Reg, Reg) {
        let sum = self.op("add.u64", x, y);
        let over = self.0.op(Class::Pred, "setp.lt.u64", &[&sum, &x]);
        (sum, self.0.op(Class::B64, "selp.b64", &[&1, &0, &over]))
    }

    /// The low three words of the product of m and three words, the highest first.
    fn product(self, m: Reg, [a, b, c]: [Reg; 3]) -> [Reg; 3] {
        let low = self.op("mul.lo.u64", m, c);
        let (middle, carry) = self.sum(self.op("mul.hi.u64", m, c), self.op("mul.lo.u64", m, b));
        let high = self.op(
            "add.u64",
            self.op("mul.hi.u64", m, b),
            self.op("mul.lo.u64", m, a),
        );
        [self.op("add.u64", high, carry), middle, low]
    }

    /// The first of two words, with all shifted to the left.
    fn shifted(self, high: Reg, low: Reg, bits: u32) -> Reg {
        let (high, low) = (self.op("shl.b64", high, bits), self.op("shr.u64", low, 64 - bits));
        self.op("or.b64", high, low)
    }
}

/// sin(x + quarters pi / 2), for |x| of at least 1; NaN for an infinite x.
pub(super) fn sine<'e>(x: Float<'e, f64>, quarters: u64) -> Float<'e, f64> {
    let (to, words) = (x.to, Words(x.to));
    let bits = to.op(Class::B64, "mov.b64", &[&x.abs().reg]);
    let exponent = words.op("shr.u64", bits, 52);
    let fraction = words.op("and.b64", bits, (1_u64 << 52) - 1);
    let m = words.op("or.b64", fraction, 1_u64 << 52);
    // Infinity and NaN have the exponent of a number with digits, and x times 0 is NaN for them.
    let most = words.op("min.s64", exponent, 2046);
    let first = words.op("add.s64", most, FIRST_DIGIT - BIAS);
    // x / (pi / 2) modulo 8: three bits before the point, 189 after it.
    let [high, middle, low] = words.product(m, words.digits(first));
    let whole = words.op("shr.u64", high, 61);
    let top = words.shifted(high, middle, 3);
    let next = words.shifted(middle, low, 3);
    // As a fraction within -1/2 and 1/2.
    let below = Truth::new(to, to.op(Class::Pred, "setp.lt.s64", &[&top, &0]));
    let carry = to.op(Class::B64, "selp.b64", &[&1, &0, &below.reg]);
    let quarter = words.op("add.u64", words.op("add.u64", whole, carry), quarters);
    let size = |word: Reg| {
        let flipped = to.op(Class::B64, "not.b64", &[&word]);
        to.op(Class::B64, "selp.b64", &[&flipped, &word, &below.reg])
    };
    let (r, rest) = angle(words, size(top), size(next));
    let (r, rest) = (Float::select(below, -r, r), Float::select(below, -rest, rest));
    let (sine, cosine) = sine_and_cosine_of_sum(r, rest);
    let bit = |place: u32| {
        let bit = words.op("and.b64", quarter, 1 << place);
        Truth::new(to, to.op(Class::Pred, "setp.ne.s64", &[&bit, &0]))
    };
    let y = Float::select(bit(0), cosine, sine);
    let y = Float::select(bit(1), -y, y);
    let odd = if quarters == 0 {
        Float::select(x.less(x.number(0.0)), -y, y)
    } else {
        y
    };
    // NaN for what is not finite: 0 times infinity is NaN.
    odd + x * x.number(0.0)
}

/// pi / 2 times the fraction of 128 bits, as a sum of two.
fn angle<'e>(words: Words<'e>, high: Reg, low: Reg) -> (Float<'e, f64>, Float<'e, f64>) {
    let float = |x: Reg| Float::<f64>::new(words.0, words.0.op(Class::F64, "cvt.rn.f64.u64", &[&x]));
    // 53 bits, the 11 after them, and the rest: units of 2^-64.
    let large = float(words.op("and.b64", high, !0x7ff_u64 as i64));
    let small = float(words.op("and.b64", high, 0x7ff));
    let tiny = float(low) * small.number(2_f64.powi(-64));
    let tail = small + tiny;
    let lost = tiny - (tail - small);
    let first = large + tail;
    let second = (large - first) + tail + lost;
    let (half_pi, half_pi_rest) = (first.number(HALF_PI.0), first.number(HALF_PI.1));
    let product = first * half_pi;
    let error = first.product_error(half_pi, product) + (first * half_pi_rest + second * half_pi);
    let r = product + error;
    let rest = error - (r - product);
    let unit = r.number(2_f64.powi(-64));
    (r * unit, rest * unit)
}
