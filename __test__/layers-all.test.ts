/** Properties of every exported layer: derivatives, and separate weights of each sample. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'
import { evalContext, grad, type Layer, Quantized, type Tensor, tensor } from '../ts/index.js'
import * as lossesOfAll from '../ts/nn/losses/index.js'
import { close, numericalGradient } from './close.js'
import { inputOf, layerClasses, layerSamples } from './layer-samples.js'

const f64 = { dtype: 'float64' as const }

/** Numbers that look random, from -1 to 1. */
function noise(shape: readonly number[], salt: number): Tensor {
  const size = shape.reduce((product, extent) => product * extent, 1)
  const values = Float64Array.from({ length: size }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * salt))
  return tensor(values, { shape: [...shape] })
}

/** Weights other than the initial ones, which may all be equal. */
function weightsFor(layer: Layer, batch?: number): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(layer.paramShapes).map(([path, shape], i) => [
      path,
      noise(batch === undefined ? shape : [batch, ...shape], i + 1),
    ]),
  )
}

/**
 * The function whose derivatives are checked: the layer's output, except that steps pass the gradient straight through the layer inside.
 */
function passedThrough(layer: Layer): Layer['apply'] {
  if (!(layer instanceof Quantized)) return (...given) => layer.apply(...given)
  return (weights, x, ctx) => {
    const inner = Object.entries(weights).map(([path, w]) => [path.replace(/^layer\./, ''), w])
    return layer.layer.apply(Object.fromEntries(inner), x, ctx)
  }
}

test('the documentation names every layer and loss', (t) => {
  const text = readFileSync(join(packageRoot, 'docs', 'modules.md'), 'utf8')
  const layers = layerClasses().map(([name]) => name.replace(/[123]d$/, ''))
  const functions = Object.entries(lossesOfAll).flatMap(([name, value]) =>
    typeof value === 'function' && !['createLoss', 'lossName', 'checkLabels'].includes(name) ? [name] : [],
  )
  t.deepEqual(
    [...layers, ...functions].filter((name) => !new RegExp(`\\b${name}`).test(text)),
    [],
  )
})

for (const [name, Class] of layerClasses()) {
  const sample = layerSamples[name]
  if (sample === undefined) continue

  const make = () => {
    const layer = new Class(...sample.args())
    layer.declare(sample.input)
    layer.initialize(f64)
    return { layer, ctx: evalContext(layer.stateValues()) }
  }

  test(`${name}: derivatives in the input and in all weights`, (t) => {
    const { layer, ctx } = make()
    const weights = weightsFor(layer)
    const x = inputOf(sample, 'float64')
    const y = layer.apply(weights, x, ctx)
    t.is(y.dtype, 'float64')
    t.deepEqual(y.shape.slice(1), layer.outputShape)
    const slope = noise(y.shape, 99)
    const lossOf = (apply: typeof layer.apply) => (v: Tensor, path?: string) => {
      const own = path === undefined ? weights : { ...weights, [path]: v }
      return apply(own, path === undefined ? v : x, ctx)
        .mul(slope)
        .sum()
    }
    const loss = lossOf((...given) => layer.apply(...given))
    const passed = lossOf(passedThrough(layer))
    if (!sample.isIndex)
      close(
        t,
        grad((v: Tensor) => loss(v))(x),
        numericalGradient((v) => passed(v), x),
        1e-6,
      )
    for (const [path, w] of Object.entries(weights)) {
      // The padding row of a table has no gradient on purpose.
      if (name === 'Embedding') continue
      const numerical = numericalGradient((v) => passed(v, path), w)
      close(t, grad((v: Tensor) => loss(v, path))(w), numerical, 1e-6)
    }
  })

  test(`${name}: every sample may have weights of its own`, (t) => {
    const { layer, ctx } = make()
    const x = inputOf(sample, 'float64')
    if (Object.keys(layer.paramShapes).length === 0) return t.pass()
    const weights = weightsFor(layer, 2)
    const y = layer.apply(weights, x, ctx)
    for (let i = 0; i < 2; i++) {
      const row = (v: Tensor) => v.slice([i], [i + 1])
      const own = Object.fromEntries(Object.entries(weights).map(([path, w]) => [path, row(w).squeeze(0)]))
      close(t, row(y), layer.apply(own, row(x), ctx).dataSync() as Float64Array, 1e-9)
    }
  })
}
