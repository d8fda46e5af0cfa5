import type { DeadLetterReason, WireHeaders } from '@weir/contracts'

/** What a step says of one event. Steps only say; the stage's one loop acts: commits, produces, counts. */
export type Outcome<T, Drop extends string = never> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'drop'; readonly reason: Drop }
  | {
      readonly kind: 'deadLetter'
      readonly reason: DeadLetterReason
      readonly error: string
      /** Further headers of the letter. */
      readonly headers?: WireHeaders
    }

export const ok = <T>(value: T): Outcome<T> => ({ kind: 'ok', value })

export const drop = <Drop extends string>(reason: Drop): Outcome<never, Drop> => ({ kind: 'drop', reason })

/** `error` is for a person: it names the field or rule and never quotes the body. */
export const deadLetter = (
  reason: DeadLetterReason,
  error: string,
  headers?: WireHeaders,
): Outcome<never> => ({ kind: 'deadLetter', reason, error, ...(headers && { headers }) })

/** For the end of a switch over a closed union: a new member then fails to compile. */
export const assertNever = (value: never): never => {
  throw new TypeError(`unexpected member of a closed union: ${JSON.stringify(value)}`)
}
