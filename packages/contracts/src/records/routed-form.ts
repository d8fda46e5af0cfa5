import type { InteractionEvent } from '../registry/event-fields.ts'

export type RoutedFacts = Pick<
  InteractionEvent,
  | 'interactionId'
  | 'channel'
  | 'direction'
  | 'customerIdentifier'
  | 'customerType'
  | 'queue'
  | 'skill'
  | 'message'
> & {
  /** The provider's own text, if there is one. */
  readonly timestamp: string | null
}

/** The facts of each channel, nested as S2's router nested them. */
const CONTEXTS: Readonly<Record<string, (facts: RoutedFacts) => object>> = {
  voice: ({ queue, direction }) => ({ queue, direction }),
  chat: ({ skill, channel }) => ({ skill, channel }),
  sms: ({ message, direction }) => ({ message, direction }),
}

/** An event in the nested form of S2's router, with null for missing facts. Other channels keep their payload. */
export const routedForm = (facts: RoutedFacts, payload: unknown): object => {
  const { interactionId, timestamp, channel, customerIdentifier: identifier, customerType: type } = facts
  const context = Object.hasOwn(CONTEXTS, channel ?? '') ? CONTEXTS[channel!] : undefined
  return {
    interactionId,
    timestamp,
    ...(context === undefined
      ? { raw: payload }
      : { normalizedCustomer: { identifier, type }, normalizedContext: context(facts) }),
  }
}
