import type { JsonObject, SourceName } from '@weir/sources'
import type { Random } from '@weir/truth'

export interface Payload {
  readonly source: SourceName
  readonly body: JsonObject
  /** The same event with different content, which is a conflict. Absent if the key covers the content. */
  readonly altered?: JsonObject
}

interface Call {
  readonly id: string
  sequence: number
  ended: boolean
}

const CALLS_MAX = 200
const SKILLS = ['Sales', 'Support', 'Billing']
const INTENTS = ['book_appointment', 'cancel_order', 'track_parcel', 'speak_to_agent']

/** Makes payloads of every source like the providers: calls that advance step by step, and single events. */
export class PayloadMaker {
  readonly #random: Random
  readonly #run: string
  readonly #calls: Call[] = []
  #next = 0

  /** Every id contains `run`, so two runs never share an id. */
  constructor(random: Random, run: string) {
    this.#random = random
    this.#run = run
  }

  make(now: Date): Payload {
    const kinds = [
      this.#lean,
      this.#lean,
      this.#lean,
      this.#routed,
      this.#routed,
      this.#cognigy,
      this.#dataAction,
      this.#nice,
    ]
    return this.#random.pick(kinds).call(this, now.toISOString(), now.getTime())
  }

  #id(): string {
    return `${this.#run}-${(this.#next++).toString(36).padStart(6, '0')}`
  }

  #lean(timestamp: string): Payload {
    const random = this.#random
    let call = this.#calls.length > 0 && random.chance(0.75) ? random.pick(this.#calls) : undefined
    if (call === undefined) {
      call = { id: this.#id(), sequence: 0, ended: false }
      this.#calls.push(call)
      if (this.#calls.length > CALLS_MAX) this.#calls.shift()
    }
    call.sequence += 1
    const eventType = nextStep(call, random)
    if (eventType === 'CALL_WRAP_UP') this.#calls.splice(this.#calls.indexOf(call), 1)
    const body = {
      interactionId: call.id,
      eventType,
      timestamp,
      agentId: `agent-${1000 + random.below(50)}`,
      skill: random.pick(SKILLS),
      direction: 'inbound',
      // The provider's template quotes every value, so the number may also be a text.
      sequenceNumber: random.chance(0.3) ? String(call.sequence) : call.sequence,
    }
    return { source: 'cxone', body, altered: { ...body, agentId: 'agent-other' } }
  }

  #routed(timestamp: string): Payload {
    const body = routedBody(this.#random, `sim-${this.#id()}`, timestamp, this.#random.pick(CHANNELS))
    return { source: 'cxone', body, altered: { ...body, data: { ...body.data, direction: 'outbound' } } }
  }

  #cognigy(_: string, epochMs: number): Payload {
    const body = {
      conversationId: `conv-${this.#id()}`,
      sessionId: `sess-${this.#id()}`,
      timestamp: epochMs,
      intent: this.#random.pick(INTENTS),
      userId: `usr-${this.#random.below(10_000)}`,
    }
    return { source: 'cognigy', body, altered: { ...body, intent: 'another_intent' } }
  }

  #dataAction(): Payload {
    const random = this.#random
    const body = {
      id: `evt-${this.#id()}`,
      type: 'dataaction.completed',
      ...(random.chance(0.5) && { agent_skills: [random.pick(SKILLS)] }),
      ...(random.chance(0.3) && { interaction_metadata: { priority: random.below(5) } }),
    }
    return { source: 'cxone-dataaction', body }
  }

  #nice(timestamp: string): Payload {
    const body = {
      interactionId: `int-${this.#id()}`,
      dataActionId: `da-${this.#random.below(20)}`,
      updatedTimestamp: timestamp,
      ...(this.#random.chance(0.8) && { payload: { k: this.#random.pick(INTENTS) } }),
    }
    return { source: 'nice', body, altered: { ...body, payload: { k: 'another' } } }
  }
}

export const CHANNELS = ['voice', 'chat', 'sms'] as const
export type Channel = (typeof CHANNELS)[number]

/** An interaction of S2's router. */
export const routedBody = (random: Random, id: string, timestamp: string, channel: Channel) => {
  const phone = { phoneNumber: `+1555${String(random.below(10_000_000)).padStart(7, '0')}` }
  const details = {
    voice: { customer: phone, queue: { name: random.pick(SKILLS) } },
    chat: {
      customer: { email: `user${random.below(10_000)}@example.com` },
      skill: { name: random.pick(SKILLS) },
    },
    sms: { customer: phone, message: { body: random.pick(['Hello', 'Où est mon colis ?', 'نعم', '👍 ok']) } },
  }[channel]
  const data = { id, channelType: channel, direction: 'inbound', ...details }
  return { webhookId: 'sim-webhook-001', eventType: 'interaction.created', timestamp, data }
}

const nextStep = (call: Call, random: Random): string => {
  if (call.sequence === 1) return 'CALL_CONNECTED'
  if (call.ended) return 'CALL_WRAP_UP'
  if (random.chance(0.4)) return 'CALL_TRANSFERRED'
  call.ended = true
  return 'CALL_DISCONNECTED'
}
