/** Loops of promises that resolve at once leave turns to others. */
import test from 'ava'
import { settled } from '../ts/core/turns.js'

/** Keeps the thread for about a millisecond. */
function busy(): void {
  const start = performance.now()
  while (performance.now() - start < 1) {
    /* nothing else may run */
  }
}

test('many loops at once get a turn together, not one each', async (t) => {
  let turns = 0
  let isOver = false
  const count = () => {
    turns++
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  const loop = async () => {
    for (let i = 0; i < 10; i++) {
      await settled()
      busy()
    }
  }
  await Promise.all(Array.from({ length: 40 }, loop))
  isOver = true
  // 400 ms of work in turns of 8 ms and what was begun; all 40 in each turn would leave 10 of them.
  t.true(turns >= 20, `${turns} turns`)
})
