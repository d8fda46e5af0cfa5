import { parseDeadLetterKeys } from '@weir/contracts'

/** Why the keys of dead letters cannot be used, for the check of a configuration. */
export const deadLetterKeyProblems = ({
  deadLetterKeys,
}: {
  readonly deadLetterKeys: readonly string[]
}): readonly string[] => {
  try {
    parseDeadLetterKeys(deadLetterKeys)
    return []
  } catch (error) {
    return [`DLQ_KEYS cannot be used: ${(error as Error).message}.`]
  }
}
