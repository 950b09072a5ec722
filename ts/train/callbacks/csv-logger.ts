import { appendFile, readFile } from 'node:fs/promises'
import { ArgumentError, DataError, describe, IOError } from '../../core/errors.js'
import { type Checks, checkOptions, flag, oneOf } from '../../core/options.js'
import { checkPath, reason, systemCode, writeAtomic } from '../../io/atomic.js'
import type { EpochLogs } from '../results.js'
import type { Callback, CallbackState } from './callback.js'
import { remembered } from './monitor.js'

/** Options of {@link CSVLogger}. */
export interface CSVLoggerOptions {
  /** Separator of columns. Default ','. */
  separator?: ',' | ';' | '\t'
  /** Append to an existing file, without a line of names; another line of names in the file is refused. Default false: an existing file is replaced. */
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
 * A resumed run continues after the epochs of its checkpoint; a file that is missing by then begins anew, with the names.
 */
export class CSVLogger implements Callback {
  /** Path of the file. */
  readonly path: string
  readonly #separator: string
  readonly #append: boolean
  /** Bytes written so far; undefined before the first line. */
  #length: number | undefined
  /** Whether this run has written a line. */
  #hasBegun = false

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
    this.#hasBegun = false
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
      if (cause instanceof DataError) throw cause
      throw new IOError(
        `CSVLogger: cannot write ${this.path}: ${reason(cause)}; check that it may be written`,
        {
          cause,
        },
      )
    }
  }

  async #write(names: string, values: string): Promise<void> {
    if (this.#hasBegun) {
      await appendFile(this.path, values)
      this.#length = (this.#length ?? 0) + Buffer.byteLength(values)
      return
    }
    const kept = await this.#kept()
    if (kept !== '' && !kept.startsWith(names)) {
      throw new DataError(
        `CSVLogger: ${this.path} has the columns ${firstLine(kept)}, and this run has ${firstLine(names)}; give another path, or leave out append to replace the file`,
      )
    }
    const text = (kept === '' ? names : kept) + values
    await writeAtomic(this.path, text)
    this.#length = Buffer.byteLength(text)
    this.#hasBegun = true
  }

  /** The lines of the file that stay before the first line of this run. */
  async #kept(): Promise<string> {
    const length = this.#length
    if (length === undefined && !this.#append) return ''
    const bytes = await bytesOf(this.path)
    // Behind `length` are lines of epochs that a killed run finished after its last checkpoint.
    const text = bytes.subarray(0, length ?? bytes.length).toString()
    if (text === '' || text.endsWith('\n')) return text
    // A killed run may leave a part of a line; the last line of another program may end without a break.
    return length === undefined ? `${text}\n` : text.slice(0, text.lastIndexOf('\n') + 1)
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
    this.#hasBegun = false
  }
}

function columnsOf(epoch: number, logs: EpochLogs): [name: string, value: number][] {
  if (typeof logs?.metrics !== 'object' || logs.metrics === null || logs.validationMetrics === null) {
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

/** The bytes of a file; none for a missing file. */
async function bytesOf(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

function firstLine(text: string): string {
  return text.slice(0, text.indexOf('\n'))
}
