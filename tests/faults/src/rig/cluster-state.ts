import { setTimeout as sleep } from 'node:timers/promises'
import type { BrokerRole } from '../plan/step.ts'
import {
  deleteGroup,
  deleteTopic,
  fetchCommitted,
  fetchMetadata,
  findCoordinator,
  listOffsets,
  type ClusterMetadata,
  type OffsetKind,
} from './kafka-wire.ts'

const LOOK_MS = 300

/** Asks the brokers in turn until one responds. */
const anyOf = async <T>(addresses: readonly string[], ask: (address: string) => Promise<T>): Promise<T> => {
  let failure: unknown
  for (const address of addresses) {
    try {
      return await ask(address)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

const within = async <T>(ms: number, what: string, look: () => Promise<T | undefined>): Promise<T> => {
  const deadline = performance.now() + ms
  let failure: unknown
  for (;;) {
    try {
      const found = await look()
      if (found !== undefined) return found
    } catch (error) {
      failure = error
    }
    if (performance.now() > deadline)
      throw new Error(`${what}: not within ${ms / 1_000} s`, { cause: failure })
    await sleep(LOOK_MS)
  }
}

/** Every replica of every partition is in sync and leads or follows. */
const isWhole = ({ partitions }: ClusterMetadata): boolean =>
  partitions.length > 0 &&
  partitions.every(({ leader, replicas, inSync }) => leader >= 0 && inSync.length === replicas.length)

/** Resolves when the cluster is whole; rejects after `ms`. */
export const allInSync = (addresses: readonly string[], ms: number): Promise<void> =>
  within(ms, 'all replicas in sync', async () =>
    isWhole(await anyOf(addresses, fetchMetadata)) ? true : undefined,
  ).then(() => undefined)

/** The node that has a role now, for one partition of dedup's. */
export const nodeOf = (
  addresses: readonly string[],
  role: BrokerRole,
  where: { readonly topic: string; readonly partition: number },
): Promise<number> =>
  within(60_000, `the ${role}`, async () => {
    switch (role) {
      case 'leader': {
        const leader = await leaderOf(addresses, where)
        return leader < 0 ? undefined : leader
      }
      case 'transaction-coordinator':
        return (
          await anyOf(addresses, (one) => findCoordinator(one, 'transaction', `dedup-${where.partition}`))
        ).nodeId
      case 'group-coordinator':
        return (await anyOf(addresses, (one) => findCoordinator(one, 'group', 'dedup'))).nodeId
    }
  })

const leaderOf = async (
  addresses: readonly string[],
  { topic, partition }: { readonly topic: string; readonly partition: number },
): Promise<number> => {
  const { partitions } = await anyOf(addresses, fetchMetadata)
  return partitions.find((one) => one.topic === topic && one.partition === partition)?.leader ?? -1
}

export interface OpenEnd {
  readonly what: string
  /** A group has not read it; else a transaction is open. */
  readonly isLag: boolean
  readonly behind: bigint
  /** Where it has got to. */
  readonly position: bigint
}

export interface ClusterEnds {
  /** Every replica is in sync. */
  readonly isWhole: boolean
  readonly open: readonly OpenEnd[]
}

const offsetsOf = async (
  { brokers, partitions }: ClusterMetadata,
  kind: OffsetKind,
): Promise<ReadonlyMap<string, bigint>> => {
  const offsets = new Map<string, bigint>()
  for (const [key, led] of Map.groupBy(partitions, ({ topic, leader }) => `${leader} ${topic}`)) {
    const { topic, leader } = led[0]!
    const address = brokers.get(leader)
    if (address === undefined) throw new Error(`${key}: no leader`)
    const numbers = led.map(({ partition }) => partition)
    for (const [partition, offset] of await listOffsets(address, kind, topic, numbers)) {
      offsets.set(`${topic}/${partition}`, offset)
    }
  }
  return offsets
}

/**
 * What is not at its end: partitions of any topic, the internal ones too, whose last stable offset is below the high
 * watermark (an open transaction), and partitions that a group has not read to the end.
 */
export const openEnds = async (
  addresses: readonly string[],
  groups: Readonly<Record<string, readonly string[]>>,
): Promise<ClusterEnds> => {
  const metadata = await anyOf(addresses, fetchMetadata)
  const stable = await offsetsOf(metadata, 'last-stable')
  const high = await offsetsOf(metadata, 'high-watermark')
  const open: OpenEnd[] = []
  for (const [name, end] of high) {
    const position = stable.get(name) ?? 0n
    const behind = end - position
    if (behind > 0n) open.push({ what: `open transaction in ${name}`, isLag: false, behind, position })
  }
  for (const [group, topics] of Object.entries(groups)) {
    const { address } = await anyOf(addresses, (one) => findCoordinator(one, 'group', group))
    const committed = await fetchCommitted(address, group)
    for (const [name, end] of high) {
      const isRead = topics.includes(name.slice(0, name.lastIndexOf('/')))
      const position = committed.get(name) ?? 0n
      const behind = isRead ? end - position : 0n
      if (behind > 0n) open.push({ what: `lag of ${group} in ${name}`, isLag: true, behind, position })
    }
  }
  return { isWhole: isWhole(metadata), open }
}

const DELETED_MS_MAX = 60_000

/** Deletes a group once its members have left it; returns what it had committed, by `topic/partition`. */
export const deleteGroupOf = async (
  addresses: readonly string[],
  group: string,
): Promise<ReadonlyMap<string, bigint>> => {
  const { address } = await anyOf(addresses, (one) => findCoordinator(one, 'group', group))
  const committed = await fetchCommitted(address, group)
  await within(DELETED_MS_MAX, `the group ${group} deleted`, async () => {
    await deleteGroup(address, group)
    return true
  })
  return committed
}

/** Resolves when no broker knows the topic any more. */
export const deleteTopicOf = async (addresses: readonly string[], topic: string): Promise<void> => {
  await anyOf(addresses, (one) => deleteTopic(one, topic))
  await within(DELETED_MS_MAX, `the topic ${topic} deleted`, async () => {
    const all = await Promise.all(addresses.map((one) => fetchMetadata(one)))
    return all.every(({ partitions }) => partitions.every((one) => one.topic !== topic)) ? true : undefined
  })
}
