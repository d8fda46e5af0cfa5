import { setTimeout as sleep } from 'node:timers/promises'
import { endOf, type Aftermath } from '../plan/phases.ts'
import type { Instance } from '../rig/instance.ts'
import type { Servers } from '../rig/servers.ts'
import type { PhaseResult } from '../summary.ts'
import { deletedGroup } from './deleted-group.ts'
import { olderState } from './older-state.ts'

export interface AftermathRig {
  readonly servers: Servers
  readonly instances: readonly Instance[]
  /** Sends so many new events, and resolves when they have been answered well. */
  send(events: number): Promise<void>
  /** Waits until nothing is under way; returns what still is after its time. */
  untilQuiet(ms: number): Promise<readonly string[]>
  /** Of all events so far. */
  judge(): Promise<{ readonly lost: number; readonly duplicated: number }>
  progress(text: string): void
}

/** Parked: nothing may be repeated. Went on: nothing may be lost either. */
export interface End {
  readonly hasParked: boolean
  /** What is wrong with how it ended. */
  readonly wrong: readonly string[]
}

const SCENARIOS: Readonly<Record<Aftermath, (rig: AftermathRig) => Promise<End>>> = {
  'deleted-group': deletedGroup,
  'older-state': olderState,
}

/** Does to a pipeline that is quiet what a person or a backup may do to it. */
export const runAftermath = async (phase: Aftermath, rig: AftermathRig): Promise<PhaseResult> => {
  const startedAt = performance.now()
  rig.progress(`aftermath: ${phase}`)
  const wrong = await SCENARIOS[phase](rig).then(
    async ({ hasParked, wrong: unexpected }) => {
      const { lost, duplicated } = await rig.judge()
      return [
        ...unexpected,
        ...(duplicated > 0 ? [`${duplicated} duplicated`] : []),
        ...(lost > 0 && !hasParked ? [`${lost} lost`] : []),
      ]
    },
    (error: unknown) => [(error as Error).message],
  )
  rig.progress(`  ${phase}: ${wrong.length === 0 ? 'ended as expected' : wrong.join('; ')}`)
  return {
    ...{ phase, expected: endOf(phase), planned: 1, done: 1, ok: wrong.length === 0, missed: wrong },
    took_s: Math.round((performance.now() - startedAt) / 100) / 10,
  }
}

const LOOK_MS = 500
const UP_MS_MAX = 60_000
const GO_ON_MS_MAX = 60_000
/** A message that says what to do names the command. */
const REMEDY = /`weir [^`]+`/

/** Starts them, and waits until they either go on to the end or say what they have parked. */
export const startAndLook = async (rig: AftermathRig, instances: readonly Instance[]): Promise<End> => {
  for (const instance of instances) instance.start()
  const deadline = performance.now() + UP_MS_MAX
  let parked: readonly string[] = []
  for (;;) {
    const answers = await Promise.all(instances.map((instance) => instance.readiness()))
    parked = answers.flatMap(parkedIn)
    if (parked.length > 0 || answers.every((answer) => answer.includes('"ready"'))) break
    if (performance.now() > deadline) {
      return { hasParked: false, wrong: instances.map(lastWordsOf).filter((text) => text !== '') }
    }
    await sleep(LOOK_MS)
  }
  if (parked.length === 0) {
    const open = await rig.untilQuiet(GO_ON_MS_MAX)
    const late = await Promise.all(instances.map((instance) => instance.readiness()))
    parked = late.flatMap(parkedIn)
    if (parked.length === 0) return { hasParked: false, wrong: open }
  }
  rig.progress(`  parked: ${parked[0]!}${parked.length > 1 ? ` and ${parked.length - 1} more` : ''}`)
  const mute = parked.filter((text) => !REMEDY.test(text))
  return { hasParked: true, wrong: mute.map((text) => `parked without a remedy: ${text}`) }
}

const lastWordsOf = ({ name, ends }: Instance): string =>
  ends.length === 0 ? '' : `${name} has ended ${ends.length} times`

const parkedIn = (answer: string): readonly string[] => {
  try {
    return (JSON.parse(answer) as { readonly parked?: readonly string[] }).parked ?? []
  } catch {
    return []
  }
}
