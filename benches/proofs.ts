/**
 * Measurements of the architecture's promises: `npm run proofs`.
 *
 * (a) a training step of about 300 nodes is traced, keyed and found in the plan cache in under 0.5 ms;
 * (c) the main job's step asks the system for no memory after its second run;
 * (d) 10,000 steps leave resident memory flat, with and without `jit`;
 * (e) training never blocks the event loop for 20 ms.
 *
 * (b), gradients of gradients over the whole table of operations, is `crates/core/tests/gradients.rs`. Times depend on the machine, so this
 * is a program that prints measurements, not a test. The exit code is 1 if a promise is broken.
 */

import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import {
  type ArrayDataset,
  Conv2d,
  crossEntropy,
  Dense,
  evaluate,
  Flatten,
  HSIC,
  IBSequential,
  jit,
  key,
  memory,
  mnist,
  normal,
  SGD,
  type Tensor,
  tensor,
  Variable,
  valueAndGrad,
} from '../ts/index.js'

let broken = 0

function report(promise: string, holds: boolean, figures: string): void {
  if (!holds) broken++
  console.log(`${holds ? 'holds ' : 'BROKEN'}  ${promise}: ${figures}`)
}

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] as number

/** A perceptron with its uncompiled step. */
function perceptron(widths: readonly number[]) {
  const weights: Record<string, Variable> = {}
  for (let l = 0; l + 1 < widths.length; l++) {
    const [m, n] = [widths[l] as number, widths[l + 1] as number]
    weights[`w${l}`] = new Variable(normal(key(l), [n, m]).mul(Math.sqrt(2 / m)))
    weights[`b${l}`] = new Variable(normal(key(100 + l), [n]).mul(0.01))
  }
  const optimizer = new SGD({ learningRate: 0.01, momentum: 0.9 })
  optimizer.prepare(weights)
  const step = (x: Tensor, y: Tensor): Tensor => {
    const { value, grads } = valueAndGrad((w: Record<string, Tensor>) => {
      let h = x
      for (let l = 0; l + 1 < widths.length; l++) {
        h = h.matmul((w[`w${l}`] as Tensor).transpose()).add(w[`b${l}`] as Tensor)
        if (l + 2 < widths.length) h = h.relu()
      }
      return crossEntropy(h, y)
    }, weights)
    optimizer.step(weights, grads)
    return value
  }
  return { weights, step }
}

async function tracing(): Promise<void> {
  const { weights, step } = perceptron([12, 10, 10, 10, 10, 10, 10, 2])
  const x = normal(key(1), [16, 12])
  const y = tensor(Int32Array.from({ length: 16 }, (_, i) => i % 2))
  await evaluate([x, y])
  const times: number[] = []
  let nodes = 0
  for (let i = 0; i < 4000; i++) {
    const before = memory().nodes
    const start = performance.now()
    const loss = step(x, y)
    nodes = memory().nodes - before
    const done = evaluate([loss, ...Object.values(weights)])
    times.push(performance.now() - start)
    await done
    loss.dispose()
  }
  const { planHits, planMisses } = memory()
  const ms = median(times.slice(2000))
  const per300 = (ms * 300) / nodes
  report(
    '(a) trace, key and find a step',
    per300 < 0.5,
    `${ms.toFixed(3)} ms for ${nodes} nodes (${per300.toFixed(3)} ms per 300); ${planHits} plans found, ${planMisses} made`,
  )
}

async function flatMemory(compiled: boolean): Promise<void> {
  const { step } = perceptron([64, 128, 128, 10])
  const x = normal(key(1), [32, 64])
  const y = tensor(Int32Array.from({ length: 32 }, (_, i) => i % 10))
  await evaluate([x, y])
  const run = compiled ? jit(step) : async (a: Tensor, b: Tensor) => step(a, b)
  const resident: number[] = []
  for (let i = 0; i <= 10_000; i++) {
    const loss = (await run(x, y)) as Tensor
    if (!compiled) await evaluate(loss)
    loss.dispose()
    if (i % 1000 === 0 && i >= 2000) resident.push(process.memoryUsage().rss / 2 ** 20)
  }
  const growth = (resident.at(-1) as number) - (resident[0] as number)
  report(
    `(d) 10,000 steps ${compiled ? 'with' : 'without'} jit`,
    growth < 16,
    `resident ${resident.map((r) => r.toFixed(0)).join(' ')} MiB, ${memory().nodes} nodes`,
  )
}

async function mainJob(): Promise<void> {
  const { train } = await mnist.load({ batchSize: 64, validationSplit: 0.2, seed: 1, limit: 64 * 50 })
  const model = new IBSequential({ inputShape: [1, 28, 28], trackDynamics: true, seed: 1 })
  model.add(new Conv2d(16, 3, { padding: 1, activation: 'relu' }))
  model.add(new Flatten())
  for (const units of [1000, 500, 200]) model.add(new Dense(units, { activation: 'relu' }))
  model.add(new Dense(10, { activation: 'softmax' }))
  model.compile({ optimizer: 'sgd', loss: 'crossEntropy', metrics: ['accuracy'] })
  model.attachEvaluator(new HSIC({ kernel: 'gaussian', sigma: 5 }))
  const allocations: number[] = []
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await model.fitDataset(train as ArrayDataset, {
    epochs: 2,
    verbose: false,
    callbacks: [
      {
        onBatchEnd: () => void allocations.push(memory().allocations),
      },
    ],
  })
  delay.disable()
  const later = (allocations.at(-1) as number) - (allocations[3] as number)
  report(
    '(c) memory asked of the system after the second step',
    later === 0,
    `${later} times in ${allocations.length - 4} steps`,
  )
  report(
    '(e) event-loop delay while training',
    delay.max / 1e6 < 20,
    `max ${(delay.max / 1e6).toFixed(1)} ms, 99 % ${(delay.percentile(99) / 1e6).toFixed(1)} ms`,
  )
}

await tracing()
await flatMemory(true)
await flatMemory(false)
await mainJob()
process.exitCode = broken === 0 ? 0 : 1
