import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '@weir/truth'
import type { Fault } from '../plan/step.ts'
import { SMALL_DISK_NODE, type BreakableBrokers } from './breakable-brokers.ts'
import type { SteppedClock } from './clock.ts'
import { allInSync, nodeOf } from './cluster-state.ts'
import type { Servers } from './servers.ts'

export type OutsideFault = Fault & { kind: 'cut' | 'clock-step' | 'disk-full' }

const IN_SYNC_MS_MAX = 180_000
/** A broker whose only disk fails stops itself. */
const HALT_MS_MAX = 60_000

interface Rig {
  readonly servers: Servers
  readonly topic: string
  /** Of the service whose clock can be stepped. */
  readonly serviceClock: SteppedClock | string
}

/** Breaks the network, a clock or a disk for a time; returns why it could not. */
export const breakOutside = async (
  rig: Rig,
  fault: OutsideFault,
  random: Random,
): Promise<string | undefined> => {
  const { servers, serviceClock, topic } = rig
  const { breakable, urls } = servers
  if (breakable === undefined) return 'this rig cannot be broken so'
  if (fault.kind === 'clock-step') {
    return stepClock(fault.whose === 'broker' ? breakable.clock : serviceClock, fault)
  }
  await allInSync(urls.kafkaBrokers, IN_SYNC_MS_MAX)
  if (fault.kind === 'disk-full') {
    const missed = await fillDisk(servers, breakable, fault.downMs)
    if (missed !== undefined) return missed
  } else {
    const where = { topic, partition: random.between(0, urls.shape.partitions - 1) }
    const node = await nodeOf(urls.kafkaBrokers, fault.role, where)
    if (fault.from === 'services') breakable.cutFromServices(node, fault.how)
    else breakable.cutFromBrokers(node, fault.how)
    await sleep(fault.ms)
    breakable.heal()
  }
  await allInSync(urls.kafkaBrokers, IN_SYNC_MS_MAX)
  return undefined
}

const stepClock = async (
  clock: SteppedClock | string,
  { byMs, ms }: OutsideFault & { kind: 'clock-step' },
): Promise<string | undefined> => {
  if (typeof clock === 'string') return clock
  clock.set(byMs)
  await sleep(ms)
  clock.set(0)
  return undefined
}

const fillDisk = async (
  { brokers }: Servers,
  { disk }: BreakableBrokers,
  downMs: number,
): Promise<string | undefined> => {
  if (typeof disk === 'string') return disk
  const broker = brokers[SMALL_DISK_NODE - 1]!
  disk.fill()
  const hasHalted = await broker.endsWithin(HALT_MS_MAX)
  await sleep(downMs)
  disk.empty()
  if (!hasHalted) return `broker ${SMALL_DISK_NODE} goes on with a full disk`
  await broker.start()
  return undefined
}
