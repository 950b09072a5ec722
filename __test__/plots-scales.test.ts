/** Scales and ticks of charts. */
import test from 'ava'
import { textWidth } from '../ts/plots/font.js'
import { chooseScale, epochLogTicks, epochScale } from '../ts/plots/scale.js'
import { epochTicks } from '../ts/plots/ticks.js'

const place = { side: 'x', length: 400 } as const
const span = ({ domain: [low, high] }: { domain: readonly [number, number] }) => high - low

test('noise is no journey: an axis spans a tenth of the largest value, or more where it is told to', (t) => {
  const noise = chooseScale([8.286, 8.287], 'linear', place)
  t.true(span(noise) >= 0.82 && noise.domain[0] > 7 && noise.domain[1] < 9)
  t.true(Math.abs(noise.position(8.286) - noise.position(8.287)) < 0.002)
  t.true(span(chooseScale([-0.01, 0.02], 'linear', { ...place, span: 0.1 })) >= 0.1)
  t.true(span(chooseScale([1, 2], 'linear', { ...place, span: 0.1 })) < 1.2)
  const log = chooseScale([0.999, 1], 'log', place)
  t.true(log.domain[1] / log.domain[0] >= 1.49)
})

test('an axis of what is never negative does not go below zero', (t) => {
  for (const values of [[0, 0], [0.01], [0.001, 0.002], [1, 8]]) {
    t.true(chooseScale(values, 'linear', { ...place, span: 0.5 }).domain[0] >= 0, String(values))
  }
  t.true(chooseScale([-0.01, 1], 'linear', place).domain[0] < 0)
})

test('an axis has the ends that it is given', (t) => {
  for (const side of ['x', 'y'] as const) {
    const scale = chooseScale([3, 4], 'linear', { side, length: 400, domain: [0, 12] })
    t.deepEqual(scale.domain, [0, 12])
    t.is(scale.position(6), 0.5)
  }
})

test('scales hold all values, give positions back, and have two labels that stand apart', (t) => {
  const cases = [
    [0.3],
    [0],
    [-5],
    [1e-12],
    [1, 1.0001],
    [1e6, 1e6 + 1],
    [0.001, 0.03],
    [-3, 0, 1e4, 1],
    [1e-30, 1e30],
  ]
  for (const values of cases) {
    for (const kind of ['linear', 'symlog', 'log'] as const) {
      if (kind === 'log' && values.some((value) => value <= 0)) continue
      for (const side of ['x', 'y'] as const) {
        const scale = chooseScale(values, kind, { side, length: 220 })
        const name = `${kind} ${side} ${values}: ${JSON.stringify(scale.ticks)}`
        for (const value of values) {
          const position = scale.position(value)
          t.true(position >= 0 && position <= 1, name)
          const back = scale.position(scale.valueAt(position))
          t.true(Math.abs(back - position) < 1e-4, name)
        }
        const labeled = scale.ticks.filter((tick) => tick.label !== '')
        t.true(labeled.length >= 2, name)
        t.is(new Set(labeled.map((tick) => tick.label)).size, labeled.length, name)
        labeled.slice(1).forEach((tick, index) => {
          const gap = 220 * (scale.position(tick.value) - scale.position(labeled[index]?.value as number))
          t.true(gap >= (side === 'x' ? textWidth(tick.label, 11) : 11) || labeled.length <= 3, name)
        })
      }
    }
  }
})

test('epochs on a logarithmic axis: zero is one, and labels stand clear', (t) => {
  const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, n) => first + n)
  t.deepEqual(epochLogTicks([0, 1, 2, 4, 256], 150, 13), [0, 1, 3, 10, 30, 100, 256])
  t.deepEqual(epochLogTicks(range(1, 5), 150, 13), [1, 2, 3, 4, 5])
  t.deepEqual(epochLogTicks([7], 150, 13), [7])
  for (const [first, last] of [
    [0, 1],
    [1, 300],
    [500, 510],
    [0, 1e6],
  ] as const) {
    const ticks = epochLogTicks([first, last], 150, 13)
    t.deepEqual([ticks[0], ticks.at(-1)], [first, last])
    const { position } = epochScale([first, last], 'log', 150)
    for (const [i, tick] of ticks.slice(1).entries()) {
      t.true((position(tick) - position(ticks[i] as number)) * 160 >= 13 || ticks.length === 2)
    }
  }
  const axis = epochScale([0, 10, 100], 'log', 300)
  t.true(axis.position(0) > 0 && axis.position(0) < 0.1 && axis.position(10) > 0.4)
})

test('epochs to label: the first, the last, and few between', (t) => {
  const to = (last: number) => epochTicks([1, last], 7)
  t.deepEqual(epochTicks([1], 7), [1])
  t.deepEqual(to(7), [1, 2, 3, 4, 5, 6, 7])
  t.deepEqual(to(30), [1, 5, 10, 15, 20, 25, 30])
  t.deepEqual(to(100), [1, 20, 40, 60, 80, 100])
  t.true(to(12345).length <= 9)
  t.deepEqual(epochTicks([0, 1, 2, 4, 256], 7), [0, 50, 100, 150, 200, 256])
  t.deepEqual(epochTicks([8, 9, 10], 7), [8, 9, 10])
  t.deepEqual(epochTicks([0, 0.25, 0.5], 7), [0, 0.1, 0.2, 0.3, 0.4, 0.5])
})
