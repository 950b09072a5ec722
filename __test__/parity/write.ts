/** `npm run parity`: writes `docs/parity.md` from `docs/parity/*.tsv`. */
import { join } from 'node:path'
import { packageRoot } from '../../ts/core/package-root.js'
import { writeAtomic } from '../../ts/index.js'
import { pageOf } from './page.js'
import { readTables } from './rows.js'

const path = join(packageRoot, 'docs', 'parity.md')
await writeAtomic(path, pageOf(readTables()))
console.log(path)
