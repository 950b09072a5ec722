/** J3, mutual information of pairs of samples. The library has no estimator for these cases yet: each is skipped. */
import type { Job } from '../job.js'

export const job: Job = {}
