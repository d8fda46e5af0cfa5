import type { ClusterReads } from '../read/cluster-reads.ts'
import { StateError } from '../client/errors.ts'
import { readPartition } from '../read/read-partition.ts'
import type { OutputRecord } from '../protocol/record.ts'

/**
 * That a group reads a partition of a topic, noted when it first does and kept in a compacted topic: a committed offset
 * can be deleted or expire, and its absence alone does not say whether anything was read before.
 */
export interface Start {
  /** Where it began; undefined: it had an offset before there were such notes. */
  readonly from: bigint | undefined
}

const keyOf = (groupId: string, topic: string): string => `${groupId}|${topic}`

export const encodeStart = (
  { topic, partition }: { readonly topic: string; readonly partition: number },
  groupId: string,
  input: string,
  { from }: Start,
): OutputRecord => {
  const value = Buffer.from(JSON.stringify({ format: 1, ...(from !== undefined && { from: String(from) }) }))
  return { topic, partition, headers: {}, key: Buffer.from(keyOf(groupId, input)), value }
}

/** What a group has noted for one partition number, by input topic. To be called after the fence. */
export const readStarts = async (
  reads: ClusterReads,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  groupId: string,
  inputs: readonly string[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, Start>> => {
  const inputOf = new Map(inputs.map((input) => [keyOf(groupId, input), input]))
  const last = new Map<string, { readonly value: Buffer; readonly where: string }>()
  const { start, end } = await reads.logRange(topic, partition)
  await readPartition(
    reads,
    { topic, partition, from: start, end },
    (records) => {
      for (const { key, value, offset } of records) {
        const input = inputOf.get(key?.toString() ?? '')
        if (input === undefined) continue
        if (value === null) last.delete(input)
        else last.set(input, { value: Buffer.from(value), where: `${topic}/${partition}, offset ${offset}` })
      }
      return undefined
    },
    signal,
  )
  // Only now: the last record of a key counts, and so another one repairs a damaged one, compacted or not.
  return new Map([...last].map(([input, { value, where }]) => [input, decodeStart(value, where)]))
}

const decodeStart = (value: Buffer, where: string): Start => {
  try {
    const { format, from } = JSON.parse(value.toString()) as { format?: unknown; from?: string }
    if (format === 1) return { from: from === undefined ? undefined : BigInt(from) }
  } catch {
    // As one of another format.
  }
  throw new StateError(`${where}: this is not the note of a start: find out who else writes to the topic`)
}

/** The evidence of where to continue in one input topic. */
export interface Known {
  /** The group's offset. */
  readonly committed: bigint | undefined
  readonly start: Start | undefined
  /**
   * What the owner's state says; 'nothing read': it keeps positions and has none; 'not kept': it relies on the group.
   */
  readonly position: bigint | 'nothing read' | 'not kept'
}

export type Beginning =
  /** From the start of the log: nothing was ever read here. */
  | { readonly kind: 'new' }
  | { readonly kind: 'known'; readonly offset: bigint }
  /** It was read here, and the group's offset is gone. */
  | { readonly kind: 'lost' }
  /** State and group commit in one transaction, and differ. */
  | { readonly kind: 'unequal' }

/** Absence is a beginning only where nothing says that anything was there; what commits together must be equal. */
export const beginningOf = ({ committed, start, position }: Known): Beginning => {
  if (committed === undefined) {
    const isNew = start === undefined && typeof position !== 'bigint'
    return isNew ? { kind: 'new' } : { kind: 'lost' }
  }
  const expected = position === 'nothing read' ? start?.from : position
  return expected === 'not kept' || expected === committed
    ? { kind: 'known', offset: committed }
    : { kind: 'unequal' }
}
