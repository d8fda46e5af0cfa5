import { setTimeout as sleep } from 'node:timers/promises'
import type { Instance } from '../rig/instance.ts'
import type { AftermathRig } from './aftermath-rig.ts'

const LOOK_MS = 500
const UP_MS_MAX = 120_000
const QUIET_MS_MAX = 60_000
/** One stage says it sooner than another. */
const SETTLE_MS = 5_000
const ROUNDS_MAX = 3
const REBUILD = /`weir (dedup rebuild-state --partition \d+)`/
const SHOW = /`weir (offsets show --service \S+ --partition \d+)`/
const SET = /`weir (offsets set --service \S+ --topic (\S+) --partition \d+ --to )<offset>`/

/**
 * Starts stopped instances. Either they go on to the end, or they park partitions and name the command that helps: then
 * that is done, and they must go on. Resolves to what is wrong.
 */
export const startAndRepair = async (
  rig: AftermathRig,
  instances: readonly Instance[],
): Promise<readonly string[]> => {
  for (let round = 1; ; round++) {
    for (const instance of instances) instance.start()
    const parked = await parkedOf(instances)
    if (parked === undefined) return instances.flatMap(endsOf)
    if (parked.length === 0) return rig.untilQuiet(QUIET_MS_MAX)
    rig.progress(`  parked: ${parked[0]!}${parked.length > 1 ? ` and ${parked.length - 1} more` : ''}`)
    const mute = parked.filter((text) => !REBUILD.test(text) && !SET.test(text))
    if (mute.length > 0) return mute.map((text) => `parked without a remedy: ${text}`)
    if (round === ROUNDS_MAX) return [`parked although its remedy was done: ${parked[0]!}`]
    await Promise.all(instances.map((instance) => instance.stop()))
    for (const text of parked) await follow(rig, text)
  }
}

/** What probes say is parked once all are up; undefined: one does not come up. */
const parkedOf = async (instances: readonly Instance[]): Promise<readonly string[] | undefined> => {
  const deadline = performance.now() + UP_MS_MAX
  for (let settledAt = Infinity; ;) {
    const answers = await Promise.all(instances.map((instance) => instance.readiness()))
    const parked = answers.flatMap(parkedIn)
    const hasDecided = parked.length > 0 || answers.every((answer) => answer.includes('"ready"'))
    if (hasDecided) settledAt = Math.min(settledAt, performance.now() + SETTLE_MS)
    if (performance.now() > settledAt) return parked
    if (performance.now() > deadline) return undefined
    await sleep(LOOK_MS)
  }
}

const parkedIn = (answer: string): readonly string[] => {
  try {
    return (JSON.parse(answer) as { readonly parked?: readonly string[] }).parked ?? []
  } catch {
    return []
  }
}

const endsOf = ({ name, ends }: Instance): readonly string[] =>
  ends.length === 0 ? [`${name} is not ready`] : [`${name} has ended ${ends.length} times`]

const follow = async (rig: AftermathRig, text: string): Promise<void> => {
  const rebuild = REBUILD.exec(text)?.[1]
  if (rebuild !== undefined) {
    await rig.weir(rebuild.split(' '))
    return
  }
  const show = SHOW.exec(text)?.[1]
  const [, set, topic] = SET.exec(text) ?? []
  if (show === undefined || set === undefined) throw new Error(`no command is named: ${text}`)
  const shown = await rig.weir([...show.split(' '), '--json'])
  const rows = JSON.parse(shown) as readonly { readonly topic: string; readonly goOnAt?: number }[]
  const offset = rows.find((row) => row.topic === topic)?.goOnAt
  if (offset === undefined) throw new Error(`weir ${show} does not say where to go on: ${shown.trim()}`)
  await rig.weir([...set.trim().split(' '), String(offset)])
}
