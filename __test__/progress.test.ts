/** What a person sees of a running training, on a terminal and elsewhere. */

import { spawn } from 'node:child_process'
import test from 'ava'
import { ArgumentError, StateError } from '../ts/core/errors.js'
import { barLine } from '../ts/train/progress/bar.js'
import { formatDuration, formatRate, formatReadings } from '../ts/train/progress/format.js'
import { ProgressReporter } from '../ts/train/progress/index.js'

/** A reporter on a stream of our own, with a clock that is set by hand. */
function setUp(stream: { isTTY?: boolean; columns?: number }) {
  const writes: string[] = []
  const time = { now: 1000 }
  const target = { ...stream, write: (text: string) => writes.push(text) }
  const reporter = new ProgressReporter({ stream: target, clock: () => time.now })
  return { writes, time, target, reporter, text: () => writes.join('') }
}

const controlStart = '\u001b'
const showCursor = `${controlStart}[?25h`
const hideCursor = `${controlStart}[?25l`

/** What a terminal shows after these writes: carriage returns go back, wiping sequences wipe. */
function screen(text: string): string[] {
  const lines = ['']
  for (const [part] of text.matchAll(new RegExp(`${controlStart}\\[[?0-9]*[a-zA-Z]|\\r|\\n|.`, 'gu'))) {
    if (part === '\n') lines.push('')
    else if (part === `${controlStart}[2K`) lines[lines.length - 1] = ''
    else if (part !== '\r' && !part.startsWith(controlStart)) lines[lines.length - 1] += part
  }
  return lines
}

test('a terminal shows headings, a full bar and a summary for each loop', (t) => {
  const { reporter, time, text } = setUp({ isTTY: true, columns: 100 })
  reporter.epochStart(1, 7)
  for (const kind of ['training', 'validation'] as const) {
    reporter.loopStart(kind, 200)
    for (let done = 1; done <= 200; done++) {
      time.now += 50
      reporter.update(done, { loss: 2 / done, accuracy: done / 200 })
    }
    reporter.loopEnd({ loss: 0.359, accuracy: 0.904 })
  }
  reporter.epochEnd()
  const bar = `100% |${'█'.repeat(30)}| 200/200 [00:10<00:00, 20.0 it/s] loss: 0.359 - acc: 0.904`
  t.deepEqual(screen(text()), [
    'Epoch 1/7',
    'Training loop:',
    bar,
    'loss: 0.36 - acc: 0.90',
    'Validation loop:',
    bar,
    'loss: 0.36 - acc: 0.90',
    '',
  ])
})

test('half-way the bar tells done of total, elapsed and remaining time, rate and readings', (t) => {
  const { reporter, time, writes } = setUp({ isTTY: true, columns: 100 })
  reporter.loopStart('training', 750)
  for (let done = 1; done <= 375; done++) {
    time.now += 20
    reporter.update(done, { loss: 0.41234, accuracy: 0.883 })
  }
  t.is(
    screen(writes.at(-1) ?? '')[0],
    ` 50% |${'█'.repeat(15)}${' '.repeat(15)}| 375/750 [00:07<00:07, 50.0 it/s] loss: 0.412 - acc: 0.883`,
  )
  reporter.close()
})

test('a bar is drawn ten times a second at most', (t) => {
  const { reporter, time, writes } = setUp({ isTTY: true })
  reporter.loopStart('training', 10_000)
  const before = writes.length
  for (let done = 1; done <= 10_000; done++) {
    time.now += 0.5
    reporter.update(done)
  }
  t.true(writes.length - before <= 50)
  t.true(writes.length - before >= 45)
  reporter.close()
})

test('no line is as wide as the terminal, however narrow; done/total stays', (t) => {
  const state = {
    done: 1234,
    total: 5000,
    elapsedMs: 3_725_000,
    stepsPerSecond: 0.33,
    readings: { loss: 1.5, accuracy: 0.5, topFive: 0.9 },
  }
  for (let columns = 9; columns <= 140; columns++) {
    const line = barLine(state, columns)
    t.true([...line].length <= columns, `${columns}: ${line}`)
    t.true(line.includes('1234/5000'))
  }
  for (let columns = 0; columns < 9; columns++) t.true(barLine(state, columns).length <= columns)
  t.true(barLine(state, 140).includes('topFive: 0.900'))
  t.false(barLine(state, 60).includes('topFive'))
})

test('the width of the terminal is looked up each time', (t) => {
  const { reporter, time, writes, target } = setUp({ isTTY: true, columns: 120 })
  reporter.loopStart('training', 100)
  target.columns = 30
  time.now += 200
  reporter.update(10, { loss: 1 })
  t.true((screen(writes.at(-1) ?? '')[0] as string).length < 30)
  reporter.close()
})

test('the cursor is hidden during a loop and shown after it, also when training is cut short', (t) => {
  const listeners = () => ['exit', 'SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => process.listenerCount(name))
  const before = listeners()
  const { reporter, text } = setUp({ isTTY: true })
  reporter.loopStart('training', 3)
  t.true(text().includes(hideCursor))
  t.false(text().includes(showCursor))
  reporter.loopEnd({ loss: 1 })
  t.true(text().lastIndexOf(showCursor) > text().lastIndexOf(hideCursor))
  reporter.loopStart('validation', 3)
  reporter.close()
  reporter.close()
  t.true(text().lastIndexOf(showCursor) > text().lastIndexOf(hideCursor))
  t.is(text().split(showCursor).length, 3)
  t.deepEqual(listeners(), before)
})

for (const [how, code, end] of [
  ['exits', 'process.exit(3)', 3],
  ['is interrupted', "process.kill(process.pid, 'SIGINT'); setTimeout(() => {}, 20000)", 'SIGINT'],
] as const) {
  test(`the cursor comes back when the process ${how} in the middle of a loop`, async (t) => {
    const module = JSON.stringify(new URL('../ts/train/progress/index.js', import.meta.url).href)
    const program = `
      const { ProgressReporter } = await import(${module})
      const stream = { isTTY: true, columns: 60, write: (text) => process.stdout.write(text) }
      new ProgressReporter({ stream }).loopStart('training', 5)
      ${code}`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program])
    let output = ''
    child.stdout.on('data', (data) => {
      output += data
    })
    const ended = await new Promise((resolve) =>
      child.on('close', (status, signal) => resolve(signal ?? status)),
    )
    t.is(ended, end)
    t.true(output.endsWith(showCursor), JSON.stringify(output))
  })
}

test('elsewhere there are plain lines: headings, one line in ten seconds, the summary', (t) => {
  const { reporter, time, text } = setUp({ isTTY: false })
  reporter.epochStart(2, 3)
  reporter.loopStart('training', 50)
  for (let done = 1; done <= 50; done++) {
    time.now += 500
    reporter.update(done, { loss: 1 })
  }
  reporter.loopEnd({ loss: 0.5 })
  t.is(
    text(),
    [
      'Epoch 2/3',
      'Training loop:',
      '  20/50 [00:10<00:15, 2.0 it/s] loss: 1.000',
      '  40/50 [00:20<00:05, 2.0 it/s] loss: 1.000',
      'loss: 0.50',
      '',
    ].join('\n'),
  )
})

test('a terminal that cannot move its cursor gets plain lines', (t) => {
  const before = process.env.TERM
  process.env.TERM = 'dumb'
  try {
    const { reporter, text } = setUp({ isTTY: true })
    reporter.loopStart('training', 5)
    reporter.loopEnd({ loss: 1 })
    t.is(text(), 'Training loop:\nloss: 1.00\n')
  } finally {
    if (before === undefined) delete process.env.TERM
    else process.env.TERM = before
  }
})

test('verbose: false writes nothing', (t) => {
  const writes: string[] = []
  const stream = { isTTY: true, write: (text: string) => writes.push(text) }
  const reporter = new ProgressReporter({ verbose: false, stream })
  reporter.epochStart(1, 1)
  reporter.loopStart('training', 2)
  reporter.update(1, { loss: 1 })
  reporter.note('a warning')
  reporter.loopEnd({ loss: 1 })
  reporter.epochEnd()
  t.deepEqual(writes, [])
})

test('the summary falls back on the last readings, and is left out where there are none', (t) => {
  const { reporter, text } = setUp({})
  reporter.loopStart('training', 1)
  reporter.update(1, { loss: 1.234 })
  reporter.loopEnd()
  reporter.loopStart('validation', 1)
  reporter.loopEnd()
  t.is(text(), 'Training loop:\nloss: 1.23\nValidation loop:\n')
})

test('a note stands above the bar, which goes on below it', (t) => {
  const { reporter, text } = setUp({ isTTY: true, columns: 60 })
  reporter.loopStart('training', 4)
  reporter.note('a batch of one sample is skipped')
  const lines = screen(text())
  t.is(lines[1], 'a batch of one sample is skipped')
  t.regex(lines[2] ?? '', /0\/4/)
  reporter.close()
})

test('a total that is not known: steps, time and rate without a bar', (t) => {
  const { reporter, time, writes } = setUp({ isTTY: true, columns: 60 })
  reporter.loopStart('training', undefined)
  time.now += 1000
  reporter.update(25, { loss: 1 })
  t.is(screen(writes.at(-1) ?? '')[0], '25 [00:01, 25.0 it/s] loss: 1.000')
  reporter.close()
})

test('calls out of order and bad totals are refused', (t) => {
  const { reporter } = setUp({})
  t.throws(() => reporter.update(1), { instanceOf: StateError, message: /loopStart/ })
  t.throws(() => reporter.loopStart('training', -1), { instanceOf: ArgumentError, message: /received -1/ })
  t.throws(() => reporter.loopStart('training', 1.5), { instanceOf: ArgumentError })
  reporter.loopStart('training', 1)
  t.throws(() => reporter.loopStart('training', 1), { instanceOf: StateError, message: /loopEnd/ })
})

test('readings, times and rates are written as people expect', (t) => {
  t.is(formatReadings({ loss: 1.005, accuracy: 1, topFive: 0.5 }), 'loss: 1.00 - acc: 1.00 - topFive: 0.50')
  t.is(formatReadings({ accuracy: 0.5, loss: Number.NaN }), 'loss: nan - acc: 0.50')
  t.is(formatReadings({ loss: Number.POSITIVE_INFINITY }), 'loss: inf')
  t.is(formatReadings({}), '')
  t.deepEqual([0, 59_999, 60_000, 3_600_000, Number.NaN].map(formatDuration), [
    '00:00',
    '00:59',
    '01:00',
    '1:00:00',
    '--:--',
  ])
  t.deepEqual([120.4, 12.34, 0.25, Number.NaN].map(formatRate), [
    '120 it/s',
    '12.3 it/s',
    '4.0 s/it',
    '-- it/s',
  ])
})
