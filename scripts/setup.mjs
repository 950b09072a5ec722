// Prepares a checkout for use: tools, npm packages, native addon, compiled TypeScript.
// Each part compares content hashes and does nothing if nothing changed.

import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { capture, packageBin, root, SetupError, stage } from './command.mjs'
import { filesUnder, fingerprint, isStamped, writeStamp } from './fingerprint.mjs'

const installStamp = 'node_modules/.hyperglow-stamp'
const nativeStamp = '.hyperglow/native'
const typescriptStamp = '.hyperglow/typescript'

const isTypeScript = (name) => name.endsWith('.ts')
const read = (file) => readFileSync(join(root, file), 'utf8')

/** `20.19` <= `20.20.2`, comparing the parts as numbers. */
function atLeast(version, floor) {
  const have = version.split('.').map(Number)
  for (const [i, want] of floor.split('.').map(Number).entries()) {
    if ((have[i] ?? 0) !== want) return (have[i] ?? 0) > want
  }
  return true
}

/** @throws {SetupError} if this Node is older than `engines.node` of package.json */
export function checkNode() {
  const floor = JSON.parse(read('package.json')).engines.node.replace('>=', '')
  if (!atLeast(process.versions.node, floor)) {
    throw new SetupError(
      `Node ${process.versions.node} is too old: hyperglow needs ${floor} or later. Install it from nodejs.org.`,
    )
  }
}

/** @throws {SetupError} if cargo is missing or older than `rust-version` of Cargo.toml */
export async function checkRust() {
  const floor = /^rust-version = "(.*)"$/m.exec(read('Cargo.toml'))?.[1] ?? '1.0'
  const { code, output } = await capture('cargo', ['--version'])
  if (code !== 0) {
    throw new SetupError(
      `Rust is missing (cargo --version failed): install Rust ${floor} or later with rustup from rustup.rs, then open a new terminal.`,
    )
  }
  const version = /^cargo (\d+\.\d+(\.\d+)?)/m.exec(output)?.[1] ?? '0'
  if (!atLeast(version, floor)) {
    throw new SetupError(
      `Rust ${version} is too old: hyperglow needs ${floor} or later. Run \`rustup update\`.`,
    )
  }
}

/** Whether node_modules holds every package of the lock file at its version (optional ones may be absent). */
function matchesLock() {
  if (!existsSync(join(root, 'node_modules/.package-lock.json'))) return false
  const installed = JSON.parse(read('node_modules/.package-lock.json')).packages
  const locked = Object.entries(JSON.parse(read('package-lock.json')).packages)
  return locked.every(([path, { version, optional }]) => {
    return path === '' || (installed[path] ? installed[path].version === version : optional === true)
  })
}

/** Runs `npm ci` unless the packages of package-lock.json are installed. */
export async function install() {
  const hash = fingerprint(['package-lock.json'])
  if (isStamped(installStamp, hash)) return
  if (!matchesLock()) {
    const [program, args] = process.env.npm_execpath
      ? [process.execPath, [process.env.npm_execpath]]
      : [process.platform === 'win32' ? 'npm.cmd' : 'npm', []]
    await stage('Installing npm packages', [[program, [...args, 'ci', '--loglevel=error']]])
  }
  writeStamp(installStamp, hash)
}

function addonExists() {
  const start = `hyperglow.${process.platform}-${process.arch}`
  return readdirSync(root).some((name) => name.startsWith(start) && name.endsWith('.node'))
}

/** Builds the native addon (release) unless the one that is there was built from these sources. */
export async function buildNative() {
  // Tests beside a crate are no part of the addon.
  const sources = ['crates', 'Cargo.toml', 'rust-toolchain.toml', '.cargo']
    .flatMap((path) => filesUnder(path))
    .filter((path) => !/^crates\/[^/]+\/tests\//.test(path))
  const before = fingerprint(sources)
  // Cargo may complete the lock file while it builds: it is hashed again afterward.
  const stampText = () => `${before} ${fingerprint(filesUnder('Cargo.lock'))}`
  const built =
    addonExists() && existsSync(join(root, 'native.cjs')) && existsSync(join(root, 'native.d.cts'))
  if (built && isStamped(nativeStamp, stampText())) return
  await checkRust()
  const label = built
    ? 'Building the native addon'
    : 'Building the native addon (some minutes the first time)'
  const napi = ['build', '--platform', '--release', '--manifest-path', 'crates/node/Cargo.toml']
  const outputs = ['-o', '.', '--js', 'native.cjs', '--dts', 'native.d.cts']
  // The generated declarations are checked by themselves, since the compilation of ts/ skips declaration files.
  const check = ['--ignoreConfig', '--noEmit', '--strict', '--module', 'nodenext', '--types', 'node']
  await stage(label, [
    [
      process.execPath,
      [packageBin('@napi-rs/cli', 'napi'), ...napi, ...outputs],
      { CARGO_TERM_COLOR: 'never' },
    ],
    [process.execPath, [packageBin('typescript', 'tsc'), ...check, 'native.d.cts']],
  ])
  writeStamp(nativeStamp, stampText())
}

/** Where tsc puts the JavaScript of each source: ts/ goes to dist/ (the library), everything to build/ (with tests). */
function expectedOutputs(sources) {
  const outputs = sources.map((file) => file.replace(/\.ts$/, '.js'))
  const library = outputs.filter((file) => file.startsWith('ts/')).map((file) => file.replace('ts/', 'dist/'))
  return new Set([...library, ...outputs.map((file) => `build/${file}`)])
}

/** Compiles ts/, examples/, __test__/ and benches/ unless the outputs are there and were made from these sources. */
export async function compileTypeScript() {
  const sources = ['ts', 'examples', '__test__', 'benches'].flatMap((path) => filesUnder(path, isTypeScript))
  const settings = [
    'tsconfig.json',
    'tsconfig.test.json',
    'package.json',
    'package-lock.json',
    'native.d.cts',
  ]
  const hash = fingerprint([...sources, ...settings.flatMap((path) => filesUnder(path))])
  const expected = expectedOutputs(sources)
  const complete = [...expected].every((file) => existsSync(join(root, file)))
  if (complete && isStamped(typescriptStamp, hash)) return
  // tsc would trust its own record of what it emitted, so the record is deleted when files are missing.
  if (!complete)
    for (const folder of ['dist', 'build']) rmSync(join(root, folder, '.tsbuildinfo'), { force: true })
  const tsc = packageBin('typescript', 'tsc')
  await stage('Compiling TypeScript', [
    [process.execPath, [tsc, '-p', 'tsconfig.json', '--pretty', 'false']],
    [process.execPath, [tsc, '-p', 'tsconfig.test.json', '--pretty', 'false']],
  ])
  removeStale(expected)
  writeStamp(typescriptStamp, hash)
}

/** Removes outputs of deleted sources, so that a deleted test no longer runs. */
function removeStale(expected) {
  const compiled = ['dist', 'build'].flatMap((path) => filesUnder(path, (name) => name.endsWith('.js')))
  for (const file of compiled.filter((name) => !expected.has(name))) {
    const stem = file.slice(0, -'.js'.length)
    for (const ending of ['.js', '.js.map', '.d.ts', '.d.ts.map'])
      rmSync(join(root, stem + ending), { force: true })
  }
}

/** All of the above, in order. */
export async function setUp() {
  checkNode()
  await install()
  await buildNative()
  await compileTypeScript()
}
