// The one entry behind `npm start`, `npm test` and the rest: node scripts/run.mjs COMMAND [arguments]

import { join } from 'node:path'
import { capture, handOver, packageBin, root, SetupError } from './command.mjs'
import { checkNode, checkRust, install, setUp } from './setup.mjs'
import { test } from './test.mjs'

/** Sets up, then runs a compiled program with the arguments given. */
const program = (path) => async (args) => {
  await setUp()
  return handOver(join(root, 'build', path), args)
}

/** Formats TypeScript and Rust in place, applying the safe fixes of the linter. */
async function format() {
  checkNode()
  await install()
  await checkRust()
  const biome = [packageBin('@biomejs/biome', 'biome'), 'check', '--write']
  const results = [await capture(process.execPath, biome), await capture('cargo', ['fmt', '--all'])]
  for (const { output } of results) process.stdout.write(output)
  return Math.max(...results.map(({ code }) => code))
}

/** What each command does; each resolves to the exit status. */
const commands = {
  start: program('examples/information-plane.js'),
  golden: program('__test__/golden-cli.js'),
  proofs: program('benches/proofs.js'),
  bench: program('benches/run.js'),
  'bench:loop': program('benches/loop.js'),
  'bench:vs': program('benches/versus.js'),
  judge: program('benches/judge.js'),
  fuzz: program('__test__/fuzz/run.js'),
  parity: program('__test__/parity/write.js'),
  'example:hsic': program('examples/hsic-bottleneck.js'),
  'example:vib': program('examples/vib.js'),
  'example:local': program('examples/local-learning.js'),
  'example:notebook': program('examples/notebook.js'),
  'example:results': program('examples/results.js'),
  'example:twelve-bit': program('examples/twelve-bit.js'),
  setup: async () => {
    await setUp()
    return 0
  },
  test,
  format,
}

const [name = '', ...args] = process.argv.slice(2)
const command = Object.hasOwn(commands, name) ? commands[name] : undefined
if (command) {
  try {
    process.exitCode = await command(args)
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
} else {
  console.error(`usage: node scripts/run.mjs ${Object.keys(commands).join('|')} [arguments]`)
  process.exitCode = 2
}
