/**
 * Collects finished runs of published experiments and writes docs/results.md. `npm run example:results`.
 *
 * Runs of this machine (runs/results) are added to examples/bottleneck/results.jsonl, from which the page is made.
 */

import { writeAtomic } from '../ts/index.js'
import { pageOf } from './bottleneck/page.js'
import { collect } from './bottleneck/store.js'

const page = 'docs/results.md'
const runs = await collect()
await writeAtomic(page, pageOf(runs))
console.log(`${page} has ${runs.length} runs`)
