/** Scales and ticks of charts. */
import test from 'ava'
import { textWidth } from '../ts/plots/font.js'
import { chooseScale } from '../ts/plots/scale.js'
import { epochTicks } from '../ts/plots/ticks.js'

test('scales: logarithmic where positive values differ by 20 or more, symmetric with zeros among them', (t) => {
  const kind = (values: number[]) => chooseScale(values, 'auto', { side: 'x', length: 400 }).kind
  t.is(kind([1, 19]), 'linear')
  t.is(kind([0.001, 0.03]), 'log')
  t.is(kind([1e-9, 1]), 'log')
  t.is(kind([0, 1e-6, 1e-5, 1e-4, 1]), 'symlog')
  t.is(kind([0, 0, 0]), 'linear')
  t.is(kind([-2, 2]), 'linear')
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
    for (const kind of ['auto', 'linear', 'symlog'] as const) {
      for (const side of ['x', 'y'] as const) {
        const scale = chooseScale(values, kind, { side, length: 220 })
        const name = `${kind} ${side} ${values}: ${JSON.stringify(scale.ticks)}`
        for (const value of values) {
          const position = scale.position(value)
          t.true(position >= 0 && position <= 1, name)
          const back = scale.position(scale.valueAt(position))
          t.true(Math.abs(back - position) < 1e-4, name)
        }
        const labelled = scale.ticks.filter((tick) => tick.label !== '')
        t.true(labelled.length >= 2, name)
        t.is(new Set(labelled.map((tick) => tick.label)).size, labelled.length, name)
        labelled.slice(1).forEach((tick, index) => {
          const gap = 220 * (scale.position(tick.value) - scale.position(labelled[index]?.value as number))
          t.true(gap >= (side === 'x' ? textWidth(tick.label, 11) : 11) || labelled.length <= 3, name)
        })
      }
    }
  }
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
