//! Limits and coefficients of the functions of [`super::exponential`] for float32 and float64, interpolated at the Chebyshev
//! points unless said otherwise. All are given in f64 and rounded to the element.

/// The constants of a precision. Polynomials have their highest coefficient first.
pub(crate) trait Constants: Copy {
    /// Whether it is float32.
    const IS_SINGLE: bool;
    /// Adding it rounds to an integer, to nearest: 1.5 * 2^(bits of the mantissa).
    const ROUNDER: f64;
    /// ln 2 in two parts, the first with so few bits that its products with exponents are exact.
    const LN2: (f64, f64);
    /// Between these two bounds e^x is neither 0 nor infinite.
    const EXP: (f64, f64);
    /// Above it e^x is a normal number.
    const EXP_NORMAL: f64;
    /// (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2.
    const EXP_TAIL: &'static [f64];
    /// Below it e^x - 1 is -1.
    const EXPM1_LOWEST: f64;
    /// From it on tanh is 1.
    const TANH_ONE: f64;
    /// (2 atanh(s) / s - 2) / s^2 as a polynomial in s^2, for |s| <= 1/5.
    const ATANH: &'static [f64];
    /// Numbers below it in magnitude are their own e^x - 1 and ln(1 + x).
    const TINY: f64;
    /// From it on the error function is 1.
    const ERF_ONE: f64;
    /// erf(x) / x - 1 as a polynomial in x^2 for |x| <= [`ERF_CUT`], of least relative error in erf.
    const ERF_NEAR: &'static [f64];
    /// (c, polynomial): ln(1 - erf(x)) as a polynomial in x - c for x within [`ERF_CUT`] and `ERF_ONE`, of least relative error in
    /// erf.
    const ERF_FAR: (f64, &'static [f64]);
}

impl Constants for f32 {
    const IS_SINGLE: bool = true;
    const ROUNDER: f64 = 12_582_912.0;
    const LN2: (f64, f64) = (0.693_359_375, -2.121_944_400_546_905_7e-4);
    const EXP: (f64, f64) = (-104.5, 89.0);
    const EXP_NORMAL: f64 = -87.0;
    const EXP_TAIL: &'static [f64] = &[
        1.989_110_345e-4,
        1.393_375_139e-3,
        8.333_310_824e-3,
        4.166_646_401e-2,
        1.666_666_668e-1,
        0.5,
    ];
    const EXPM1_LOWEST: f64 = -30.0;
    const TANH_ONE: f64 = 10.0;
    const ATANH: &'static [f64] = &[
        0.237_513_417_66,
        0.285_325_450_03,
        0.400_003_136_45,
        0.666_666_662_73,
    ];
    // 2^-25.
    const TINY: f64 = 2.980_232_238_769_531_2e-8;
    const ERF_ONE: f64 = 3.95;
    const ERF_NEAR: &'static [f64] = &[
        -6.090_393_872_000_277e-4,
        5.011_970_642_954_111e-3,
        -2.677_891_589_701_175_7e-2,
        1.128_214_061_164_017_3e-1,
        -3.761_252_462_863_922e-1,
        1.283_791_512_250_900_3e-1,
    ];
    const ERF_FAR: (f64, &'static [f64]) = (
        0.0,
        &[
            1.982_197_235_015_044_7e-4,
            -3.065_490_909_883_97e-3,
            2.231_521_524_051_264_4e-2,
            -1.041_136_827_305_970_7e-1,
            -6.369_760_792_359_805e-1,
            -1.127_797_244_662_578_4,
            -1.664_471_800_673_198_7e-4,
        ],
    );
}

impl Constants for f64 {
    const IS_SINGLE: bool = false;
    const ROUNDER: f64 = 6755399441055744.0;
    const LN2: (f64, f64) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);
    const EXP: (f64, f64) = (-746.0, 710.0);
    const EXP_NORMAL: f64 = -708.0;
    const EXP_TAIL: &'static [f64] = &[
        2.091_468_954_254_955_5e-9,
        2.510_522_060_987_055_4e-8,
        2.755_727_363_692_440_5e-7,
        2.755_725_539_154_403e-6,
        2.480_158_732_555_261_8e-5,
        1.984_126_987_482_745_4e-4,
        1.388_888_888_888_374_6e-3,
        8.333_333_333_326_132e-3,
        4.166_666_666_666_667e-2,
        1.666_666_666_666_667e-1,
        0.5,
    ];
    const EXPM1_LOWEST: f64 = -50.0;
    const TANH_ONE: f64 = 20.0;
    const ATANH: &'static [f64] = &[
        0.136_090_302_628_584_99,
        0.132_097_082_420_594_62,
        0.153_888_678_056_137_18,
        0.181_817_376_263_029_38,
        0.222_222_230_483_515_9,
        0.285_714_285_672_759_36,
        0.400_000_000_000_079_4,
        0.666_666_666_666_666_6,
    ];
    // 2^-54.
    const TINY: f64 = 5.551_115_123_125_783e-17;
    const ERF_ONE: f64 = 5.95;
    const ERF_NEAR: &'static [f64] = &[
        -8.481_825_024_955_23e-10,
        1.404_603_598_131_604e-8,
        -1.627_547_389_567_275_3e-7,
        1.645_521_368_602_344e-6,
        -1.492_529_972_254_144e-5,
        1.205_532_104_144_104e-4,
        -8.548_326_754_898_017e-4,
        5.223_977_621_602_83e-3,
        -2.686_617_064_480_659_5e-2,
        1.128_379_167_095_370_4e-1,
        -3.761_263_890_318_372_6e-1,
        1.283_791_670_955_126e-1,
    ];
    const ERF_FAR: (f64, &'static [f64]) = (
        1.5,
        &[
            1.366_781_406_275_176e-12,
            -2.419_938_650_210_727_4e-11,
            1.915_310_191_962_795_5e-10,
            -8.825_446_496_047_784e-10,
            2.385_804_712_652_004e-9,
            -1.191_045_781_529_017_3e-9,
            -2.777_454_620_015_734_6e-8,
            1.926_367_718_091_464_3e-7,
            -8.188_305_614_117_881e-7,
            2.370_841_147_923_820_4e-6,
            -2.646_810_806_157_662e-6,
            -2.247_369_140_720_337_5e-5,
            2.159_633_004_179_038e-4,
            -1.257_216_686_278_167e-3,
            6.006_746_386_875_685_4e-3,
            -2.582_414_063_366_597e-2,
            -0.892_640_330_615_051_9,
            -3.508_800_801_779_527_6,
            -3.384_492_089_551_552_7,
        ],
    );
}

/// The error function changes its form here.
pub(super) const ERF_CUT: f64 = 0.9;
