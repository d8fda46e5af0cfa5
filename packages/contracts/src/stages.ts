import type { TopicRole } from './topics.ts'

interface StageTopics {
  readonly inputs: readonly TopicRole[]
  /** All that it may write to, but for its state and the notes of starts. */
  readonly outputs: readonly TopicRole[]
  /** Read beside the inputs. */
  readonly reads?: readonly TopicRole[]
  readonly state?: TopicRole
}

/** What each consuming stage reads and writes, by the name of its consumer group. */
export const STAGE_TOPICS = {
  dedup: {
    inputs: ['received', 'dedupReplay'],
    outputs: ['unique', 'stats', 'duplicates', 'dedupDlq'],
    state: 'seen',
  },
  normalizer: {
    inputs: ['unique', 'normalizerReplay'],
    outputs: ['normalized', 'normalizerDlq', 'shapes'],
    reads: ['schemasObserved', 'schemasApproved'],
  },
  'normalizer-schemas': { inputs: ['shapes'], outputs: [], state: 'schemasObserved' },
  persistence: {
    inputs: ['normalized', 'persistenceReplay'],
    outputs: ['persistenceDlq'],
    reads: ['schemasObserved'],
  },
  'metric-export': { inputs: ['stats'], outputs: [] },
  replay: {
    inputs: ['replayCommands'],
    outputs: ['replayCommands', 'dedupReplay', 'normalizerReplay', 'persistenceReplay'],
    state: 'replayState',
  },
} as const satisfies Record<string, StageTopics>

export type ConsumingStage = keyof typeof STAGE_TOPICS
export const CONSUMING_STAGES = Object.keys(STAGE_TOPICS) as readonly ConsumingStage[]
