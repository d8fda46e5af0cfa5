import type { Claim, Maintenance, OutputRecord } from '@weir/kafka'
import {
  bucketNameOf,
  chunkIdOf,
  chunkKeyOf,
  encodeChunk,
  encodeTombstone,
  parseBucket,
} from '@weir/seen-keys'
import { StateReading } from '../state-reading.ts'

/**
 * Copies the chunks of one state partition to another, and their tombstones, in the order of the log, so that merged
 * or expired chunks stay so. The copies have names of their own, the same in each call. Returns how many chunks it
 * copied.
 */
export const copyChunks = async (
  maintenance: Maintenance,
  claim: Claim,
  options: {
    /** The state partition. */
    readonly topic: string
    readonly source: number
    readonly target: number
    /** Name of this copy; a chunk whose name contains it is a copy itself. */
    readonly mark: string
  },
): Promise<number> => {
  const { topic, source, target, mark } = options
  const reading = new StateReading()
  let copied = 0
  const { start } = await maintenance.range(topic, source)
  await maintenance.read(topic, source, start, async (records) => {
    const outputs: OutputRecord[] = []
    for (const decoded of reading.decode(records)) {
      if (decoded.kind !== 'chunk' && decoded.kind !== 'tombstone') continue
      const id = chunkIdOf(decoded.chunkKey)
      if (id.startsWith(`${mark}/`)) continue
      const bucket = parseBucket(bucketNameOf(decoded.chunkKey))
      const chunkKey = chunkKeyOf(bucket, `${mark}/${source}/${id}`)
      const copy =
        decoded.kind === 'chunk' ? encodeChunk(chunkKey, decoded.entries) : encodeTombstone(chunkKey)
      outputs.push({ topic, partition: target, headers: {}, ...copy })
    }
    if (outputs.length > 0) await claim.commit(outputs)
    copied += outputs.length
  })
  return copied
}
