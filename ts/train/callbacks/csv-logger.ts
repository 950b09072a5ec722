import { appendFile, mkdir, stat, truncate, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ArgumentError, describe, IOError } from '../../core/errors.js'
import { type Checks, checkOptions, flag, oneOf } from '../../core/options.js'
import { checkPath, reason, systemCode } from '../../io/atomic.js'
import type { EpochLogs } from '../history.js'
import type { Callback, CallbackState } from './callback.js'
import { remembered } from './monitor.js'

/** Options of {@link CSVLogger}. */
export interface CSVLoggerOptions {
  /** Separator of columns. Default ','. */
  separator?: ',' | ';' | '\t'
  /** Append to an existing file, without a line of names. Default false: an existing file is replaced. */
  append?: boolean
}

const checks: Checks<CSVLoggerOptions> = { separator: oneOf(',', ';', '\t'), append: flag }

interface Data {
  readonly length: number | null
}

/**
 * Writes a line for each epoch: its number, counted from 1, the loss if the task has one, metrics, metrics of the validation data as `validation.accuracy`, and seconds.
 *
 *     callbacks: [new CSVLogger('runs/a/log.csv')]
 *
 * A resumed run continues after the epochs of its checkpoint.
 */
export class CSVLogger implements Callback {
  /** Path of the file. */
  readonly path: string
  readonly #separator: string
  readonly #append: boolean
  /** Bytes written so far; undefined before the first line. */
  #length: number | undefined

  constructor(path: string, options: CSVLoggerOptions = {}) {
    checkPath('CSVLogger', path)
    const { separator = ',', append = false } = checkOptions('CSVLogger', options, checks)
    this.path = path
    this.#separator = separator
    this.#append = append
  }

  /** Resets the state. */
  onTrainBegin(): void {
    this.#length = undefined
  }

  async onEpochEnd(epoch: number, logs: EpochLogs): Promise<void> {
    const columns = columnsOf(epoch, logs)
    const line = (cells: readonly (string | number)[]) =>
      `${cells.map((cell) => this.#cell(cell)).join(this.#separator)}\n`
    const names = line(columns.map(([name]) => name))
    const values = line(columns.map(([, value]) => value))
    try {
      await this.#write(names, values)
    } catch (cause) {
      throw new IOError(
        `CSVLogger: cannot write ${this.path}: ${reason(cause)}; check that it may be written`,
        {
          cause,
        },
      )
    }
  }

  async #write(names: string, values: string): Promise<void> {
    if (this.#length === undefined) {
      await mkdir(dirname(this.path), { recursive: true })
      const before = this.#append ? await sizeOf(this.path) : 0
      const text = before === 0 ? names + values : values
      if (this.#append) await appendFile(this.path, text)
      else await writeFile(this.path, text)
      this.#length = before + Buffer.byteLength(text)
      return
    }
    // Lines of epochs that a killed run finished after its last checkpoint.
    if ((await sizeOf(this.path)) > this.#length) await truncate(this.path, this.#length)
    await appendFile(this.path, values)
    this.#length += Buffer.byteLength(values)
  }

  /** A cell, in quotes if it contains a separator, a quote or a line break. */
  #cell(value: string | number): string {
    const text = String(value)
    return /["\n\r]/.test(text) || text.includes(this.#separator) ? `"${text.replaceAll('"', '""')}"` : text
  }

  save(): CallbackState {
    const data: Data = { length: this.#length ?? null }
    return { data }
  }

  load(state: CallbackState): void {
    this.#length = remembered<Data>('CSVLogger', state).length ?? undefined
  }
}

function columnsOf(epoch: number, logs: EpochLogs): [name: string, value: number][] {
  if (typeof logs?.metrics !== 'object' || logs.metrics === null) {
    throw new ArgumentError(`CSVLogger: given ${describe(logs)} as logs, expected those of an epoch`)
  }
  const { loss, metrics, validationLoss, validationMetrics = {}, seconds } = logs
  return [
    ['epoch', epoch + 1],
    ...(Number.isNaN(loss) ? [] : [['loss', loss] as [string, number]]),
    ...Object.entries(metrics),
    ...(validationLoss === undefined ? [] : [['validationLoss', validationLoss] as [string, number]]),
    ...Object.entries(validationMetrics).map(([name, value]): [string, number] => [
      `validation.${name}`,
      value,
    ]),
    ['seconds', seconds],
  ]
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0
    throw error
  }
}
