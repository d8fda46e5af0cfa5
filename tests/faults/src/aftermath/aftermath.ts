import { endOf, type Aftermath } from '../plan/phases.ts'
import type { PhaseResult } from '../summary.ts'
import type { AftermathRig } from './aftermath-rig.ts'
import { deletedGroup } from './deleted-group.ts'
import { olderState } from './older-state.ts'

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
    phase,
    expected: endOf(phase),
    planned: 1,
    done: 1,
    ok: wrong.length === 0,
    missed: wrong,
    took_s: Math.round((performance.now() - startedAt) / 100) / 10,
  }
}
