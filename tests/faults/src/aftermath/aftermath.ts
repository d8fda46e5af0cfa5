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
  /** The `weir` command, with the settings of the services; resolves to what it prints, rejects when it fails. */
  weir(args: readonly string[]): Promise<string>
  progress(text: string): void
}

/** Each resolves to what is wrong with how it ended. */
const SCENARIOS: Readonly<Record<Aftermath, (rig: AftermathRig) => Promise<readonly string[]>>> = {
  'deleted-group': deletedGroup,
  'older-state': olderState,
}

/** Does to a pipeline that is quiet what a person or a backup may do to it. */
export const runAftermath = async (phase: Aftermath, rig: AftermathRig): Promise<PhaseResult> => {
  const startedAt = performance.now()
  rig.progress(`aftermath: ${phase}`)
  const wrong = await SCENARIOS[phase](rig).then(
    async (unexpected) => {
      const { lost, duplicated } = await rig.judge()
      return [
        ...unexpected,
        ...(duplicated > 0 ? [`${duplicated} duplicated`] : []),
        ...(lost > 0 ? [`${lost} lost`] : []),
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
