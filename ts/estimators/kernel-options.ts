/** Names of the options that choose the kernels and the device. */
export const kernelOptionNames = [
  'kernel',
  'kernelY',
  'sigma',
  'sigmaY',
  'scaleSqrtD',
  'gamma',
  'coef0',
  'degree',
  'c',
  'device',
] as const
