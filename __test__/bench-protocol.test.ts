import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'

/** Our side of a job, as a program that is asked line by line. */
function served(job: string) {
  const child = spawn(process.execPath, [join(packageRoot, 'build', 'benches', 'run.js'), '--serve', job])
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async ask(question: object): Promise<Record<string, unknown>> {
      child.stdin.write(`${JSON.stringify(question)}\n`)
      return JSON.parse((await answers.next()).value as string)
    },
    async end(): Promise<number> {
      child.stdin.end()
      const [code] = await once(child, 'exit')
      return code as number
    },
  }
}

test('a served job answers the line protocol of the peers', async (t) => {
  const small = served('small')
  const name = '12-10-7-5-4-3-2 tanh/batch 256 adam'
  const first = await small.ask({ case: name, ms: 1 })
  t.true((first.ms as number) > 0)
  t.true(Number.isInteger(first.iters) && (first.iters as number) >= 1)
  t.true(Math.abs((first.value as number) - Math.log(2)) < 0.5, 'the loss of a guess between two classes')
  t.true((first.start_s as number) > 0)
  t.true((first.rss_mb as number) > 10)
  const second = await small.ask({ case: name, ms: 1 })
  t.is(second.value, first.value, 'the value is that of the first iteration')
  t.is(second.start_s, undefined)
  t.deepEqual(await small.ask({ case: 'no such case', ms: 1 }), { skip: true })
  t.is(await small.end(), 0)
})

test('a job that there is not is wrong usage', async (t) => {
  t.is(await served('j99').end(), 2)
})
