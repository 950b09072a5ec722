/** The judge of the estimators, on a small folder. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { load, readPeers, readTruths } from '../benches/judge/cases.js'
import { studentTerm } from '../benches/judge/draws.js'
import { writeFresh } from '../benches/judge/fresh.js'
import { messyStandings, standings, type Verdict } from '../benches/judge/goals.js'
import { messyPopulations } from '../benches/judge/messy.js'
import { writeSamples } from '../benches/judge/populations.js'
import {
  channelInformation,
  normalBelow,
  normalCells,
  roundedNormals,
  sharedCounts,
  tableInformation,
} from '../benches/judge/tables.js'
import { HostRandom, writeNpy } from '../ts/index.js'

const program = fileURLToPath(new URL('../benches/judge.js', import.meta.url))
const ownCases = fileURLToPath(new URL('../../benches/cases', import.meta.url))
const run = promisify(execFile)

/** Independent uniform numbers, and a fair coin seen through a channel that errs in one of ten. */
async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'judge-test-'))
  const random = new HostRandom(5)
  const n = 300
  const uniform = Float32Array.from({ length: 2 * n }, () => random.next())
  const coins = Float32Array.from({ length: 2 * n })
  for (let i = 0; i < n; i++) {
    const bit = random.int(2)
    coins.set([bit, random.next() < 0.1 ? 1 - bit : bit], 2 * i)
  }
  await writeNpy(join(path, 'a.npy'), { data: uniform, shape: [n, 2], dtype: 'float32' })
  await writeNpy(join(path, 'b.npy'), { data: coins, shape: [n, 2], dtype: 'float32' })
  const one = { n, dx: 1, dy: 1 }
  const cases = [
    { name: 'apart', kind: 'cc', mi_nats: 0, file: 'a.npy', ...one },
    { name: 'channel', kind: 'dd', mi_nats: 0.36806, file: 'b.npy', ...one },
  ]
  await writeFile(join(path, 'truth.json'), JSON.stringify({ cases }))
  return path
}

test('a folder is judged: errors on the terminal, values and families as JSON', async (t) => {
  const path = await folder()
  const out = join(path, 'out.json')
  const { stdout } = await run(process.execPath, [program, path, '--json', out])
  t.regex(stdout, /apart \(cc, 1 \+ 1 columns\): truth 0\.0000/)
  t.regex(stdout, /discrete +auto +1 /)
  const { cases, families } = JSON.parse(await readFile(out, 'utf8'))
  t.deepEqual(
    cases.map(({ name, kind, truth }: Verdict['truth'] & { truth: number }) => [name, kind, truth]),
    [
      ['apart', 'cc', 0],
      ['channel', 'dd', 0.36806],
    ],
  )
  for (const { estimates, seconds } of cases) {
    t.deepEqual(Object.keys(seconds), Object.keys(estimates))
    t.true(Object.values<number>(estimates).every(Number.isFinite))
  }
  t.true(Math.abs(cases[0].estimates.KSG) < 0.15)
  t.true(Math.abs(cases[1].estimates.auto - 0.36806) < 0.15)
  t.is(families.cc.KSG, Math.abs(cases[0].estimates.KSG))
  await rm(path, { recursive: true })
})

test('wrong arguments and folders say what is wrong', async (t) => {
  const missing = await t.throwsAsync<Error & { code: number; stderr: string }>(
    run(process.execPath, [program, '/nowhere']),
  )
  t.is(missing?.code, 2)
  t.regex(missing?.stderr ?? '', /there is no folder \/nowhere/)
  const empty = await mkdtemp(join(tmpdir(), 'judge-test-'))
  await writeFile(join(empty, 'truth.json'), '{"cases":[]}')
  const none = await t.throwsAsync<Error & { code: number; stderr: string }>(
    run(process.execPath, [program, empty]),
  )
  t.is(none?.code, 1)
  t.regex(none?.stderr ?? '', /lists no cases/)
  const one = { name: 'a', kind: 'cc', n: 3, dx: 1, dy: 1, mi_nats: 0, file: 'a.npy' }
  for (const [wrong, says] of [
    [{ kind: 'c' }, /case 1: kind is "c", expected one of cc, cd, dd, mixed/],
    [{ mi_nats: undefined }, /case 1: mi_nats is undefined/],
    [{ n: 0 }, /case 1: n is 0/],
    [{ file: 3 }, /case 1: file is 3/],
  ] as const) {
    await writeFile(join(empty, 'truth.json'), JSON.stringify({ cases: [one, { ...one, ...wrong }] }))
    t.throws(() => readTruths(empty), { message: says })
  }
  const values = Float64Array.from([1 + 1e-12, 1, 1 + 2e-12, 2, 1, 3])
  await writeNpy(join(empty, 'a.npy'), { data: values, shape: [3, 2], dtype: 'float64' })
  const { x } = await load(empty, { ...one, kind: 'cc' })
  t.deepEqual([...(x as { data: Float64Array }).data], [1 + 1e-12, 1 + 2e-12, 1])
  await rm(empty, { recursive: true })
})

test('fresh cases are whole, and what they tell is known', async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'judge-test-'))
  await writeFresh(path, 1)
  const truths = readTruths(path)
  t.deepEqual([...new Set(truths.map(({ kind }) => kind))], ['cc', 'cd', 'dd', 'mixed'])
  for (const truth of truths) await t.notThrowsAsync(load(path, truth))
  const information = (name: string) => truths.find((truth) => truth.name === name)?.mi_nats ?? Number.NaN
  const near = (name: string, value: number) => t.true(Math.abs(information(name) - value) < 1e-4, name)
  near('fresh-gauss3-rho0.7', -1.5 * Math.log(0.51))
  near('fresh-1v1-additive-0.3', 0.3 - Math.log(0.6))
  near('fresh-indep4x4', 0)
  const own = readTruths(ownCases).find(({ name }) => name === 'bmi-asinh-student-identity-5-5-2')
  t.true(Math.abs(studentTerm(2) + studentTerm(12) - 2 * studentTerm(7) - (own?.mi_nats ?? 0)) < 1e-3)
  // A normal pair after a relu has less information than the pair and more than its sign.
  const all = -0.5 * Math.log(1 - 0.64)
  t.true(information('fresh-mixed-relu-0.8') < all && information('fresh-mixed-relu-0.8') > all / 2)
  await rm(path, { recursive: true })
  const wrong = await t.throwsAsync<Error & { code: number; stderr: string }>(
    run(process.execPath, [program, '--fresh', 'x']),
  )
  t.is(wrong?.code, 2)
  t.regex(wrong?.stderr ?? '', /--fresh takes a whole number/)
  const both = await t.throwsAsync<Error & { code: number; stderr: string }>(
    run(process.execPath, [program, '--fresh', '1', '--messy', '1']),
  )
  t.regex(both?.stderr ?? '', /expected one of a folder, --fresh and --messy/)
})

test("the project's own cases are whole, and standings compare with peers that answered all", (t) => {
  const truths = readTruths(ownCases)
  t.is(truths.length, 53)
  const peers = readPeers(ownCases)
  const exact = truths.map(
    (truth): Verdict => ({ truth, estimates: { auto: truth.mi_nats }, seconds: {}, refusals: {} }),
  )
  const continuous = standings(exact, peers).find(({ family }) => family === 'continuous, all')
  t.is(continuous?.cases, 37)
  t.is(continuous?.error, 0)
  t.is(continuous?.peer?.name, 'bmi.CCA')
  t.true(Math.abs((continuous?.peer?.error ?? 0) - 0.174) < 0.001)
})

test('information of tables and of rounded normal numbers, computed in two ways', (t) => {
  const near = (got: number, want: number, error: number) =>
    t.true(Math.abs(got - want) < error, `${got}, expected ${want}`)
  // A binary symmetric channel.
  const error = 0.1
  const flip = error * Math.log(error) + (1 - error) * Math.log(1 - error)
  const channel = [
    { weight: 1, outputs: [1 - error, error] },
    { weight: 1, outputs: [error, 1 - error] },
  ]
  near(channelInformation(channel), Math.LN2 + flip, 1e-12)
  near(
    tableInformation([
      [2, 0, 0],
      [0, 1, 1],
    ]),
    Math.LN2,
    1e-12,
  )
  near(normalBelow(1.2815515655446004), 0.9, 1e-9)
  near(
    normalCells(0.3, 0.8, 0.25, 8).reduce((a, b) => a + b, 0),
    1,
    1e-12,
  )
  // Chances of the cells by the rule of the midpoint, in both coordinates.
  const rho = 0.6
  const [steps, reach, parts] = [1, 6, 40]
  const cells = 2 * reach + 1
  const table = Array.from({ length: cells }, () => new Array<number>(cells).fill(0))
  const width = steps / parts
  for (let i = 0; i < cells * parts; i++) {
    for (let j = 0; j < cells * parts; j++) {
      const [x, y] = [i, j].map((k) => (k + 0.5) * width - reach - 0.5) as [number, number]
      const density = Math.exp(-(x * x - 2 * rho * x * y + y * y) / (2 * (1 - rho * rho)))
      const row = table[Math.floor(i / parts)] as number[]
      row[Math.floor(j / parts)] = (row[Math.floor(j / parts)] as number) + density
    }
  }
  near(roundedNormals(rho, 1, 1), tableInformation(table), 1e-4)
  near(roundedNormals(rho, 1, 1), 0.183187, 1e-5)
  near(roundedNormals(0.8, 0.1, 0), 0.510086, 1e-5)
  near(roundedNormals(0.8, 0, 0.1), roundedNormals(0.8, 0.1, 0), 1e-5)
  near(tableInformation(sharedCounts(2, 3, 2)), 0.110532, 1e-5)
})

test('messy samples are whole, differ by seed, and information is within their entropies', async (t) => {
  const populations = messyPopulations()
  t.is(populations.length, 69)
  t.is(new Set(populations.map(({ name }) => name)).size, 69)
  const random = () => new HostRandom(3)
  for (const { name, n, dx, dy, information, sample } of populations) {
    const rows = sample(random(), n)
    t.is(rows.length, n, name)
    t.true(
      rows.every((row) => row.length === dx + dy && row.every(Number.isFinite)),
      name,
    )
    t.true(information > -1e-9 && information < Math.log(n), name)
    t.deepEqual(sample(random(), 40), sample(random(), 40), name)
  }
  const path = await mkdtemp(join(tmpdir(), 'judge-test-'))
  await writeSamples(path, 1, populations.slice(0, 2))
  const truths = readTruths(path)
  for (const truth of truths) await t.notThrowsAsync(load(path, truth))
  await rm(path, { recursive: true })
  const right = truths.map(
    (truth): Verdict => ({ truth, estimates: { auto: truth.mi_nats }, seconds: {}, refusals: {} }),
  )
  const [kind, all] = messyStandings(right)
  t.deepEqual([kind?.kind, all?.kind, all?.cases, all?.right], ['rounded normals', 'all', 2, 2])
  t.deepEqual(standings(right, new Map()), [])
})
