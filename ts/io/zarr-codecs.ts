/**
 * Codecs of Zarr chunks in place of those of zarrita. Large chunks are decompressed on a separate thread: zarrita blocks its thread for tenths
 * of a second. Checksums of version 3 are verified: zarrita only removes them.
 */
import * as zarr from 'zarrita'
import { sizeOf } from '../core/dtype.js'
import { DataError, InternalError } from '../core/errors.js'
import { HelperThread } from '../core/helper-thread.js'
import { crc32c } from './crc32c.js'

/** Names of these compressions; all others are streamed or cheap. */
const names = ['blosc', 'lz4', 'zstd']

/** Prefix of the names that are registered here; the entries of zarrita stay as they are for other users of zarrita. */
const prefix = 'hyperglow.'

/** Bytes of a chunk up to which copying it to the thread costs more than it saves. */
const smallBytes = 1 << 20

/** A stored chunk and its compression. */
export interface CompressedChunk {
  readonly name: string
  readonly configuration: unknown
  readonly bytes: Uint8Array
}

interface Codec {
  readonly kind: 'bytes_to_bytes'
  encode(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
  decode(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
  /** Bytes of encoded bytes, if they are known. */
  computeEncodedSize?(size: number): number
}

interface CodecMaker {
  fromConfig(configuration: unknown, chunk: { readonly shape: readonly number[] }): Codec
}

/** Decompresses a chunk on this thread. */
export async function decompress({
  name,
  configuration,
  bytes,
}: CompressedChunk): Promise<Uint8Array<ArrayBuffer>> {
  const codec = (await makerOf(name)).fromConfig(configuration, { shape: [] })
  return (await codec.decode(bytes)) as Uint8Array<ArrayBuffer>
}

function makerOf(name: string): Promise<CodecMaker> {
  return (zarr.registry.get(name) as unknown as () => Promise<CodecMaker>)()
}

const thread = new HelperThread<CompressedChunk, Uint8Array<ArrayBuffer>>(
  new URL('./unpack-thread.js', import.meta.url),
  'decompressing a chunk',
)

/** A codec that decompresses large chunks on the helper thread. */
const threadedCodec = (name: string): CodecMaker => ({
  fromConfig(configuration, { shape }) {
    // A value has at most 8 bytes.
    const decode =
      8 * sizeOf(shape) <= smallBytes ? decompress : (chunk: CompressedChunk) => thread.run(chunk)
    return {
      kind: 'bytes_to_bytes',
      async encode(bytes) {
        return (await makerOf(name)).fromConfig(configuration, { shape }).encode(bytes)
      },
      decode: (bytes) => decode({ name, configuration, bytes }),
    }
  },
})

/** Bytes of a checksum. */
const checksumBytes = 4

/** Verifies the checksum at the end of a chunk. */
const checkedCodec: CodecMaker = {
  fromConfig() {
    return {
      kind: 'bytes_to_bytes',
      encode(bytes) {
        throw new InternalError(`a chunk of ${bytes.length} bytes was to be written by Zarr's codecs`)
      },
      async decode(bytes) {
        const end = bytes.length - checksumBytes
        const values = bytes.subarray(0, Math.max(0, end))
        const [told, found] = end < 0 ? [undefined, undefined] : [last(bytes), await crc32c(values)]
        if (told !== undefined && told === found) return values
        throw new DataError(
          told === undefined
            ? `${bytes.length} bytes have no room for a checksum`
            : `its checksum is ${told}, that of its bytes is ${found}`,
        )
      },
      computeEncodedSize: (size) => size + checksumBytes,
    }
  },
}

/** The checksum at the end of bytes, lowest byte first. */
function last({ buffer, byteOffset, byteLength }: Uint8Array): number {
  return new DataView(buffer, byteOffset).getUint32(byteLength - checksumBytes, true)
}

const checksum = 'crc32c'
zarr.registry.set(prefix + checksum, async () => checkedCodec as never)

for (const name of names) {
  const make = async () => threadedCodec(name) as never
  zarr.registry.set(prefix + name, make)
  // The name under which zarrita looks up a compressor of version 2.
  zarr.registry.set(`numcodecs.${prefix}${name}`, make)
}

/** Removes {@link prefix} from the names of compressions in a message. */
export function plainNames(message: string): string {
  return message.replaceAll(prefix, '')
}

/** The compressor of version 2 metadata, replaced by its threaded codec. */
export function threadedCompressor(compressor: unknown): unknown {
  const { id } = Object(compressor) as { id?: unknown }
  return names.includes(id as string) ? { ...(compressor as object), id: prefix + String(id) } : compressor
}

/** The codecs of version 3 metadata, also those inside shards; compressions are replaced by their threaded codecs, checksums by those that are verified. */
export function threadedCodecs(codecs: unknown): unknown {
  if (!Array.isArray(codecs)) return codecs
  return codecs.map((codec: unknown) => {
    const { name, configuration } = Object(codec) as { name?: unknown; configuration?: unknown }
    const plain = typeof name === 'string' ? name.replace(/^numcodecs\./, '') : ''
    if (names.includes(plain) || name === checksum) return { ...(codec as object), name: prefix + plain }
    if (name !== 'sharding_indexed') return codec
    const inner = Object(configuration) as { codecs?: unknown; index_codecs?: unknown }
    const replaced = {
      codecs: threadedCodecs(inner.codecs),
      ...(inner.index_codecs === undefined ? {} : { index_codecs: threadedCodecs(inner.index_codecs) }),
    }
    return { ...(codec as object), configuration: { ...inner, ...replaced } }
  })
}
