/** All jobs by their names in `npm run bench`. */
import type { Job } from '../job.js'
import { job as bottleneck, inDouble } from './bottleneck.js'
import { job as conv } from './conv.js'
import { job as hsicKernels } from './hsic-kernels.js'
import { job as j0 } from './j0.js'
import { withEvaluator, withoutEvaluator } from './j1.js'
import { job as j2 } from './j2.js'
import { job as j3 } from './j3.js'
import { job as j5 } from './j5.js'
import { job as j6 } from './j6.js'
import { job as j7 } from './j7.js'
import { job as maps } from './maps.js'
import { job as planes } from './planes.js'
import { job as small } from './small.js'

export const jobs: Readonly<Record<string, Job>> = {
  j0,
  j1: withEvaluator,
  j1b: withoutEvaluator,
  j2,
  j3,
  j5,
  j6,
  j7,
  bottleneck,
  'bottleneck-f64': inDouble,
  conv,
  maps,
  planes,
  small,
  'hsic-kernels': hsicKernels,
}
