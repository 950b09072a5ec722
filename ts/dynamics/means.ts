/**
 * Unweighted means of rows [E, L, 2], over the rows in which an evaluator was evaluated: not all its values are NaN. NaN if there is no
 * such row.
 */
export function meanOfMeasured(rows: readonly Float32Array[], evaluators: number): Float64Array {
  const width = rows[0]?.length ?? 0
  const own = evaluators === 0 ? 0 : width / evaluators
  const means = new Float64Array(width)
  for (let start = 0; start < width; start += own) {
    const measured = rows.filter((row) => row.subarray(start, start + own).some((v) => !Number.isNaN(v)))
    for (let i = start; i < start + own; i++) {
      means[i] = measured.reduce((sum, row) => sum + (row[i] as number), 0) / measured.length
    }
  }
  return means
}
