import type { Rig } from './rig/rig.ts'
import type { Tier } from './tier.ts'

/** One row of the table: what is done to Weir, what must be seen and what was. */
export interface SecurityCase {
  /** `group: what is sent`; the same for ever, so that two summaries can be compared. */
  readonly name: string
  /** `full`: not in the short tier, because it takes long or needs a quiet machine. */
  readonly tier: Tier
  readonly expected: string
  /** May run at the same time as the others of its group: it mostly waits. */
  readonly waits: boolean
  /** What was seen, in the words of `expected`; a rejection is seen as its message. */
  readonly run: (rig: Rig) => Promise<string>
}

export interface CaseOptions {
  readonly tier?: Tier
  readonly waits?: boolean
}

export const securityCase = (
  name: string,
  expected: string | number,
  run: (rig: Rig) => Promise<string | number>,
  { tier = 'short', waits = false }: CaseOptions = {},
): SecurityCase => ({
  name,
  tier,
  waits,
  expected: String(expected),
  run: async (rig) => String(await run(rig)),
})
