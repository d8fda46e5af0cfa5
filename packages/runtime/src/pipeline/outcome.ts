import type { DeadLetterReason, WireHeaders } from '@weir/contracts'

/**
 * Result of a step for one event. Steps have no effects: the task's one loop acts on outcomes, so it alone commits,
 * produces and counts.
 */
export type Outcome<T, Drop extends string = never> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'drop'; readonly reason: Drop }
  | {
      readonly kind: 'deadLetter'
      readonly reason: DeadLetterReason
      readonly error: string
      /** Further headers of the dead letter. */
      readonly headers?: WireHeaders
    }

export const ok = <T>(value: T): Outcome<T> => ({ kind: 'ok', value })

export const drop = <Drop extends string>(reason: Drop): Outcome<never, Drop> => ({ kind: 'drop', reason })

/** Makes a dead letter. `error` is a sentence for people: it names the field or the rule and never quotes the body. */
export const deadLetter = (
  reason: DeadLetterReason,
  error: string,
  headers?: WireHeaders,
): Outcome<never> => ({ kind: 'deadLetter', reason, error, ...(headers && { headers }) })

/** For the end of a switch over a closed union, so that a new member fails to compile. */
export const assertNever = (value: never): never => {
  throw new TypeError(`unexpected member of a closed union: ${JSON.stringify(value)}`)
}
