/** Compressions of Zarr that zarrita undoes in one piece, tenths of a second for a large chunk: here on a thread of their own. */
import * as zarr from 'zarrita'
import { sizeOf } from '../core/dtype.js'
import { HelperThread } from '../core/helper-thread.js'

/** Names of compressions; the others are undone by streams, or cost little. */
const names = ['blosc', 'lz4', 'zstd']

/** What stands before a name for the same compression on a thread: names of our own leave zarrita's as they are for others. */
const prefix = 'hyperglow.'

/** Bytes of a chunk up to which the way to the thread costs more than it brings. */
const smallBytes = 1 << 20

/** A chunk as it is stored. */
export interface Packed {
  readonly name: string
  readonly configuration: unknown
  readonly bytes: Uint8Array
}

interface Codec {
  readonly kind: 'bytes_to_bytes'
  encode(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
  decode(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
}

interface CodecMaker {
  fromConfig(configuration: unknown, chunk: { readonly shape: readonly number[] }): Codec
}

/** Undoes a compression on this thread. */
export async function unpacked({ name, configuration, bytes }: Packed): Promise<Uint8Array<ArrayBuffer>> {
  const codec = (await makerOf(name)).fromConfig(configuration, { shape: [] })
  return (await codec.decode(bytes)) as Uint8Array<ArrayBuffer>
}

function makerOf(name: string): Promise<CodecMaker> {
  return (zarr.registry.get(name) as unknown as () => Promise<CodecMaker>)()
}

const thread = new HelperThread<Packed, Uint8Array<ArrayBuffer>>(
  new URL('./unpack-thread.js', import.meta.url),
  'unpacking a chunk',
)

/** A compression that is undone on the thread where chunks are large. */
const onThread = (name: string): CodecMaker => ({
  fromConfig(configuration, { shape }) {
    // 8 bytes are the most that a value has.
    const undo = 8 * sizeOf(shape) <= smallBytes ? unpacked : (packed: Packed) => thread.ask(packed)
    return {
      kind: 'bytes_to_bytes',
      async encode(bytes) {
        return (await makerOf(name)).fromConfig(configuration, { shape }).encode(bytes)
      },
      decode: (bytes) => undo({ name, configuration, bytes }),
    }
  },
})

for (const name of names) {
  const make = async () => onThread(name) as never
  zarr.registry.set(prefix + name, make)
  // What zarrita calls compressions of version 2.
  zarr.registry.set(`numcodecs.${prefix}${name}`, make)
}

/** A message with the names of compressions as metadata have them. */
export function plainNames(message: string): string {
  return message.replaceAll(prefix, '')
}

/** The compressor of metadata of version 2, on a thread. */
export function threadedCompressor(compressor: unknown): unknown {
  const { id } = Object(compressor) as { id?: unknown }
  return names.includes(id as string) ? { ...(compressor as object), id: prefix + String(id) } : compressor
}

/** The codecs of metadata of version 3, and those within shards, on a thread where they are compressions. */
export function threadedCodecs(codecs: unknown): unknown {
  if (!Array.isArray(codecs)) return codecs
  return codecs.map((codec: unknown) => {
    const { name, configuration } = Object(codec) as { name?: unknown; configuration?: unknown }
    const plain = typeof name === 'string' ? name.replace(/^numcodecs\./, '') : ''
    if (names.includes(plain)) return { ...(codec as object), name: prefix + plain }
    if (name !== 'sharding_indexed') return codec
    const inner = Object(configuration) as { codecs?: unknown }
    return { ...(codec as object), configuration: { ...inner, codecs: threadedCodecs(inner.codecs) } }
  })
}
