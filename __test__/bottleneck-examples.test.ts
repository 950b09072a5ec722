/** The quick forms of the published experiments on MNIST: what they must show, no more. */
import test from 'ava'
import { backPropagated, formatTrained, unformatted, wide } from '../examples/bottleneck/hsic.js'
import { spread } from '../examples/bottleneck/results.js'
import { type Reached, trained } from '../examples/bottleneck/vib.js'

const minutes = 60_000

test.serial(
  'layers trained by HSIC tell digits after one epoch, better than back-propagation does',
  async (t) => {
    t.timeout(10 * minutes)
    const [bp] = await backPropagated(1, 1)
    const format = await formatTrained(1, { preEpochs: 1, postEpochs: 5 }, wide)
    const [units] = await unformatted(1, 1)
    t.log(`back-propagation ${bp}, format trained ${format.at(-1)}, unformatted ${units}`)
    t.true((format.at(-1) as number) >= 85)
    t.true((format.at(-1) as number) > (bp as number))
    t.true((units as number) >= 94)
  },
)

test.serial('a variational bottleneck tells digits, and holds the less the more a bit costs', async (t) => {
  t.timeout(10 * minutes)
  const [weak] = (await trained({ seed: 1, tradeOff: 1e-3, epochs: [3] })) as [Reached]
  const [strong] = (await trained({ seed: 1, tradeOff: 1, epochs: [3] })) as [Reached]
  t.log(`beta .001: ${weak.error} % wrong, ${weak.bits} bits; beta 1: ${strong.bits} bits`)
  t.true(weak.error <= 3.5)
  t.true(strong.bits < Math.log2(10))
  t.true(weak.bits > Math.log2(10))
})

test('results are told with their spread over seeds', (t) => {
  t.is(spread([1, 2, 3]), '2.00 ± 1.00')
  t.is(spread([94]), '94.00 (one seed)')
})
