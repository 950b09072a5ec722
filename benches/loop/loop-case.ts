/** Some work, and its setup, which is not measured. */
export interface LoopCase {
  readonly name: string
  /** Megabytes that the work must allocate for its caller in JavaScript at once; that time is measured too. */
  readonly megabytes?: number
  /** Whether the work is one synchronous call, which cannot be divided. */
  readonly isSynchronous?: boolean
  /** Sets the work up for each round. */
  prepare(round: number): Promise<() => unknown>
}
