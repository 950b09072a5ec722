/** The checksum CRC-32C (Castagnoli; RFC 3720, appendix B.4), which Zarr appends to chunks. */
import { bytesPerTurn, nextTurn } from '../core/turns.js'

/** Reversed polynomial. */
const polynomial = 0x82f63b78

/** Bytes that one step takes. */
const slices = 8

/** Table k has the checksum of a byte that is followed by k zero bytes. */
const tables = makeTables()

function makeTables(): Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let rest = byte
    for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ polynomial : rest >>> 1
    return rest
  })
  const made = [first]
  for (let k = 1; k < slices; k++) {
    const before = made[k - 1] as Uint32Array
    made.push(before.map((rest) => (rest >>> 8) ^ (first[rest & 255] as number)))
  }
  return made
}

/** The checksum of bytes, an unsigned integer; the event loop goes on in between. */
export async function crc32c(bytes: Uint8Array): Promise<number> {
  let rest = 0xffffffff
  for (let start = 0; start < bytes.length; start += bytesPerTurn) {
    if (start > 0) await nextTurn()
    rest = continued(rest, bytes, start, Math.min(bytes.length, start + bytesPerTurn))
  }
  return ~rest >>> 0
}

/** The remainder after further bytes. */
function continued(before: number, bytes: Uint8Array, start: number, end: number): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ]
  let rest = before
  let at = start
  for (; at + slices <= end; at += slices) {
    const low = rest ^ word(bytes, at)
    rest =
      (t7[low & 255] as number) ^
      (t6[(low >>> 8) & 255] as number) ^
      (t5[(low >>> 16) & 255] as number) ^
      (t4[low >>> 24] as number) ^
      (t3[bytes[at + 4] as number] as number) ^
      (t2[bytes[at + 5] as number] as number) ^
      (t1[bytes[at + 6] as number] as number) ^
      (t0[bytes[at + 7] as number] as number)
  }
  for (; at < end; at++) rest = (rest >>> 8) ^ (t0[(rest ^ (bytes[at] as number)) & 255] as number)
  return rest
}

/** Four bytes as a number, the first lowest. */
function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}
