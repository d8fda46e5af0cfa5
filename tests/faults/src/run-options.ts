import type { Folders } from '@weir/local-stack'
import type { Defect } from './defects/defects.ts'
import type { RunSpec } from './plan/runs.ts'
import type { Tier } from './plan/tiers.ts'

export interface RunOptions {
  readonly tierName: string
  readonly tier: Tier
  readonly run: RunSpec
  readonly seed: number
  readonly defect?: Defect | undefined
  readonly folders: Folders
  readonly portBase: number
  readonly progress: (text: string) => void
  /** Rejects when the run is to end before its time. */
  readonly stopped: Promise<never>
}
