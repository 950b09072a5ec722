/**
 * The records of a CSV file (RFC 4180), chunk by chunk: fields separated by a character and optionally double-quoted. Within quotes a quote
 * is doubled, and line ends are text. Empty lines are skipped.
 */

import { DataError } from '../core/errors.js'
import type { FileReader } from './file-reader.js'
import { foreignFile } from './foreign-files.js'

/** One line of fields, with the line of the file where it begins, from 1. */
export interface CsvRecord {
  readonly fields: readonly string[]
  readonly line: number
}

/** Bytes that are read and parsed in one turn of the event loop. */
const pieceBytes = 1 << 17
/** Maximum length of a record in characters: otherwise an unclosed quote would read the whole file. */
const longestRecord = 1 << 24

const quote = 0x22
const newline = 0x0a
const carriage = 0x0d

/**
 * The records of a file, in groups.
 *
 * @param delimiter one character
 * @throws IOError if the file cannot be read; DataError for text that is not UTF-8, and for unclosed quotes
 */
export async function* csvRecords(file: FileReader, delimiter: string): AsyncGenerator<readonly CsvRecord[]> {
  const parser = new Parser(file.path, delimiter)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  for (let at = 0; at < file.size; at += pieceBytes) {
    const bytes = await file.bytes(at, Math.min(pieceBytes, file.size - at))
    const isLast = at + bytes.length === file.size
    let text: string
    try {
      text = decoder.decode(bytes, { stream: !isLast })
    } catch (cause) {
      throw notText(file.path, bytes, cause)
    }
    if (text.includes('\0')) throw notText(file.path, bytes)
    yield parser.push(text, isLast)
  }
}

function notText(path: string, bytes: Uint8Array, cause?: unknown): DataError {
  const why = foreignFile(bytes) ?? 'it is not text in UTF-8; save it in UTF-8'
  return new DataError(`${path} is not a CSV file: ${why}`, { cause })
}

/** Finds records in chunks of text. */
class Parser {
  readonly #path: string
  readonly #delimiter: number
  /** Text of the current, incomplete record. */
  #text = ''
  #at = 0
  #line = 1

  constructor(path: string, delimiter: string) {
    this.#path = path
    this.#delimiter = delimiter.charCodeAt(0)
  }

  /** The records that end in this chunk. */
  push(piece: string, isLast: boolean): CsvRecord[] {
    this.#text = this.#text.slice(this.#at) + piece
    this.#at = 0
    const records: CsvRecord[] = []
    while (this.#at < this.#text.length) {
      const record = this.#record(isLast)
      if (record === undefined) break
      if (record.fields.length > 1 || record.fields[0] !== '') records.push(record)
    }
    if (this.#text.length - this.#at > longestRecord) {
      throw this.#wrong(
        this.#line,
        `a record is longer than ${longestRecord} characters; is a quote not closed?`,
      )
    }
    return records
  }

  /** The record that begins here; undefined if its end has not arrived. */
  #record(isLast: boolean): CsvRecord | undefined {
    const text = this.#text
    const line = this.#line
    const fields: string[] = []
    let lines = 0
    for (let at = this.#at; ; ) {
      let end: number
      if (text.charCodeAt(at) === quote) {
        const closing = this.#closing(at + 1)
        if (closing < 0) {
          if (isLast) throw this.#wrong(line + lines, 'a quote is not closed')
          return undefined
        }
        const inside = text.slice(at + 1, closing)
        for (let i = inside.indexOf('\n'); i >= 0; i = inside.indexOf('\n', i + 1)) lines++
        fields.push(inside.includes('"') ? inside.replaceAll('""', '"') : inside)
        end = closing + 1
      } else {
        end = this.#endOfField(at)
        fields.push(text.slice(at, end))
      }
      const code = text.charCodeAt(end)
      if (code === this.#delimiter) {
        at = end + 1
        continue
      }
      if (end === text.length && !isLast) return undefined
      // A line may end with two characters, the second of which is in the next chunk.
      if (code === carriage && end + 1 === text.length && !isLast) return undefined
      if (end < text.length && code !== newline && code !== carriage) {
        throw this.#wrong(
          line + lines,
          `${JSON.stringify(text.slice(end, end + 20))} follows a closing quote`,
        )
      }
      const isPair = code === carriage && text.charCodeAt(end + 1) === newline
      this.#at = end + (isPair ? 2 : 1)
      this.#line += lines + 1
      return { fields, line }
    }
  }

  /** Position of the quote that ends a field; -1 if it has not arrived. */
  #closing(from: number): number {
    const text = this.#text
    for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) {
      if (text.charCodeAt(at + 1) !== quote) return at
    }
    return -1
  }

  #endOfField(from: number): number {
    const text = this.#text
    let at = from
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === this.#delimiter || code === newline || code === carriage) break
    }
    return at
  }

  #wrong(line: number, why: string): DataError {
    return new DataError(`${this.#path}, line ${line}: ${why}; correct the line`)
  }
}
