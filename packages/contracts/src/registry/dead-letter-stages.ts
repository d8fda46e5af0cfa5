interface DeadLetterTopics {
  /** Roles of the topics. `topics.ts` gives them their names. */
  readonly letters: `${string}Dlq`
  readonly replay: `${string}Replay`
  readonly holds: 'body' | 'event'
}

/**
 * The stages that write dead letters: the topic of their letters, the topic to which a replay returns them, and what a
 * letter holds: the raw body of a webhook, or the encoded event, which holds the body.
 */
export const DEAD_LETTER_STAGES = {
  dedup: { letters: 'dedupDlq', replay: 'dedupReplay', holds: 'body' },
  normalizer: { letters: 'normalizerDlq', replay: 'normalizerReplay', holds: 'body' },
  persistence: { letters: 'persistenceDlq', replay: 'persistenceReplay', holds: 'event' },
} as const satisfies Record<string, DeadLetterTopics>

export type DeadLetterStage = keyof typeof DEAD_LETTER_STAGES

/** In the order in which an event passes them. */
export const DEAD_LETTER_STAGE_NAMES = Object.keys(DEAD_LETTER_STAGES) as [
  DeadLetterStage,
  ...DeadLetterStage[],
]

const topicsOfStages = Object.values(DEAD_LETTER_STAGES)
export const LETTER_TOPICS = topicsOfStages.map(({ letters }) => letters)
export const REPLAY_TOPICS = topicsOfStages.map(({ replay }) => replay)

/** Those after dedup: an event that has passed dedup ends there as a letter, or as a row. */
export const LATER_STAGES = DEAD_LETTER_STAGE_NAMES.filter((stage) => stage !== 'dedup')
