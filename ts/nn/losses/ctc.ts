import { isFloat } from '../../core/dtype.js'
import { DTypeError, ShapeError } from '../../core/errors.js'
import { type Checks, checkOptions, flag, whole } from '../../core/options.js'
import { idOf } from '../../core/tensor.js'
import { logSoftmax } from '../../ops/activations.js'
import { concat, logSumExp, stack, takeAlong, where } from '../../ops/index.js'
import { arange, full, type Tensor } from '../../ops/tensor.js'
import { type LossOptions, lossChecks, reduce } from './reduction.js'

/** Options of {@link ctc}. */
export interface CtcOptions extends LossOptions {
  /** Class of the blank. Default 0. */
  blank?: number
  /** Loss 0 rather than infinity for samples with more labels than their time can hold. Default false. */
  zeroInfinity?: boolean
}

const checks: Checks<CtcOptions> = { ...lossChecks, blank: whole(0), zeroInfinity: flag }

/** Logarithm of a probability of 0: finite, so that sums of such logarithms have derivatives. */
const impossible = -1e30

/**
 * Connectionist temporal classification (Graves et al. 2006): minus the logarithm of the probability of a sequence of labels, summed over all
 * alignments of the labels with the time steps, with blanks between, in nats. The loop over time is unrolled in a compiled program.
 *
 * @param logits `[time, batch, classes]`
 * @param target labels `[batch, labels]`, integers, padded after each sample's own labels with any label
 * @param inputLengths steps of each sample, integers `[batch]`, at most `time`
 * @param targetLengths labels of each sample, integers `[batch]`, at most `labels`
 * @returns scalar; with reduction 'none', `[batch]`. The mean is over the samples, each divided by its number of labels (at least 1). The
 *   loss of a sample with more labels than its time can hold is infinite
 */
export function ctc(
  logits: Tensor,
  target: Tensor,
  inputLengths: Tensor,
  targetLengths: Tensor,
  options: CtcOptions = {},
): Tensor {
  const { blank = 0, zeroInfinity = false, reduction = 'mean' } = checkOptions('ctc', options, checks)
  checkSequences(logits, { target, inputLengths, targetLengths }, blank)
  const [time, batch, classes] = logits.shape as [number, number, number]
  const labels = target.cast('int32')
  const lengths = { input: inputLengths.cast('int32'), target: targetLengths.cast('int32') }
  // Blanks before, between and after the labels.
  const places = 2 * (labels.shape[1] as number) + 1
  const gap = full([batch, 1], blank, { dtype: 'int32' })
  const pairs = stack([gap.broadcastTo(labels.shape), labels], 2).reshape([batch, places - 1])
  const path = concat([pairs, gap], 1)
  const emitted = takeAlong(logSoftmax(logits, 2), path.expandDims(0).broadcastTo([time, batch, places]), 2)
  const last = forward(emitted, mayJump(path, blank), lengths.input)
  const end = lengths.target.mul(2).expandDims(1)
  const place = arange(places, { dtype: 'int32' })
  const isEnd = place.equal(end).logicalOr(place.equal(end.sub(1)))
  const logProb = logSumExp(where(isEnd, last, impossible), 1)
  const isNever = logProb.less(impossible / 2)
  const loss = where(isNever, zeroInfinity ? 0 : Number.POSITIVE_INFINITY, logProb.neg())
  const isClass = labels.greaterEqual(0).logicalAnd(labels.less(classes))
  const isSound = isClass
    .all(1)
    .logicalAnd(lengths.input.lessEqual(time))
    .logicalAnd(lengths.target.lessEqual(labels.shape[1] as number))
  const sound = where(isSound, loss, Number.NaN)
  if (reduction !== 'mean') return reduce(sound, reduction)
  return sound.div(lengths.target.maximum(1).cast(sound.dtype)).mean()
}

/** True where position s - 2 may come directly before position s: at labels that differ from the label before. `[batch, positions]`. */
function mayJump(path: Tensor, blank: number): Tensor {
  const [batch, places] = path.shape as [number, number]
  const none = full([batch, Math.min(2, places)], 0, { dtype: 'int32' }).cast('bool')
  if (places <= 2) return none
  const own = path.slice([null, 2])
  return concat(
    [none, own.notEqual(blank).logicalAnd(own.notEqual(path.slice([null, 0], [null, places - 2])))],
    1,
  )
}

/** Logarithms of the probabilities of each position after the last step of each sample, `[batch, positions]`. */
function forward(emitted: Tensor, jumps: Tensor, lengths: Tensor): Tensor {
  const [time, batch, places] = emitted.shape as [number, number, number]
  const step = (t: number) => emitted.slice([t], [t + 1]).squeeze(0)
  const never = (width: number) =>
    full([batch, width], impossible, { dtype: emitted.dtype as 'float32' | 'float64' })
  const shifted = (x: Tensor, by: number) =>
    by >= places ? never(places) : concat([never(by), x.slice([null, 0], [null, places - by])], 1)
  const isStart = arange(places, { dtype: 'int32' }).less(2)
  let alpha = where(isStart, step(0), impossible)
  for (let t = 1; t < time; t++) {
    const ways = [alpha, shifted(alpha, 1), where(jumps, shifted(alpha, 2), impossible)]
    const next = logSumExp(stack(ways, 0), 0).add(step(t))
    alpha = where(lengths.greater(t).expandDims(1), next, alpha)
  }
  return alpha
}

function checkSequences(logits: Tensor, others: Readonly<Record<string, Tensor>>, blank: number): void {
  idOf('ctc: logits', logits)
  for (const [name, given] of Object.entries(others)) {
    idOf(`ctc: ${name}`, given)
    if (!isFloat(given.dtype) && given.dtype !== 'bool') continue
    throw new DTypeError(`ctc: ${name} must hold whole numbers, received ${given.dtype}; cast it to int32`)
  }
  const [time, batch, classes] = logits.shape
  if (logits.rank !== 3 || time === 0) {
    throw new ShapeError(`ctc: expected logits [time, batch, classes], received [${logits.shape}]`)
  }
  if (blank >= (classes as number)) {
    throw new ShapeError(`ctc: blank ${blank} is not a class, expected one below ${classes}`)
  }
  const { target, inputLengths, targetLengths } = others as Record<string, Tensor>
  if (target?.rank !== 2 || target.shape[0] !== batch) {
    throw new ShapeError(`ctc: expected targets [${batch}, labels], received [${target?.shape}]`)
  }
  for (const lengths of [inputLengths, targetLengths]) {
    if (lengths?.rank === 1 && lengths.shape[0] === batch) continue
    throw new ShapeError(`ctc: expected lengths [${batch}], received [${lengths?.shape}]`)
  }
}
