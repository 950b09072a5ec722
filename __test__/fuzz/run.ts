/** `npm run fuzz -- [calls] [seed] [name]`: makes calls with wrong arguments and lists forbidden outcomes. */
import { type Finding, fuzz } from './drive.js'

const [calls = '2000', seed = String(Date.now() % 1e9), only = ''] = process.argv.slice(2)
console.log(`${calls} calls, seed ${seed}`)
const found = await fuzz(Number(calls), Number(seed), only, 2)

/** Findings that differ in numbers alone are of one kind. */
const kinds = new Map<string, Finding[]>()
for (const finding of found) {
  const kind = finding.what.replace(/\d+/g, '#')
  kinds.set(kind, [...(kinds.get(kind) ?? []), finding])
}
for (const [, findings] of [...kinds].sort(([, a], [, b]) => b.length - a.length)) {
  console.log(`\n${findings.length} x ${findings[0]?.what}`)
  for (const { call, change, seed } of findings.slice(0, 5))
    console.log(`    ${call}: ${change}   (seed ${seed})`)
}
console.log(`\n${found.length} findings of ${kinds.size} kinds in ${calls} calls`)
if (found.length > 0) process.exitCode = 1
