import { createHash } from 'node:crypto'
import type { JsonObject, SourceName } from '@weir/sources'
import { Random } from '@weir/truth'
import { packEvent, packForged, packMalformed, type Shipment } from './shipment.ts'

interface Call {
  readonly id: string
  sequence: number
}

const CALLS_MAX = 200
/** Fractions of the events. */
const MALFORMED = 0.005
const FORGED = 0.005
const CONFLICT = 0.003
const STEPS_MAX = 8

/** What is sent: events of every source, some malformed, some forged, some the same key with another body. */
export class Traffic {
  readonly #random: Random
  readonly #run: string
  readonly #calls: Call[] = []
  #next = 0

  /** `run` is in every id, so no two runs share one; all else follows from the seed. */
  constructor(seed: number, run: string) {
    this.#random = new Random(seed, 'traffic')
    this.#run = run
  }

  /** The next event, and with some a second one that contradicts it. */
  next(): readonly Shipment[] {
    const random = this.#random
    if (random.chance(MALFORMED)) {
      return [packMalformed(random.pick(['cxone', 'cognigy', 'cxone-dataaction', 'nice']), this.#id())]
    }
    if (random.chance(FORGED))
      return [packForged(random.pick(['cxone', 'cxone-dataaction', 'nice']), this.#id())]
    const [source, body, altered] = this.#event()
    const shipment = packEvent(source, body)
    return altered !== undefined && random.chance(CONFLICT)
      ? [shipment, packEvent(source, altered)]
      : [shipment]
  }

  #id(): string {
    return `${this.#run}-${(this.#next++).toString(36).padStart(6, '0')}`
  }

  #event(): readonly [SourceName, JsonObject, JsonObject?] {
    const kind = this.#random.between(1, 20)
    const timestamp = new Date().toISOString()
    if (kind <= 12) return this.#call(timestamp)
    const id = this.#id()
    const digest = digestOf(id, 1)
    if (kind <= 15) {
      const body = {
        interactionId: `int-${id}`,
        dataActionId: 'da-1',
        updatedTimestamp: timestamp,
        payload: { digest },
      }
      return ['nice', body, { ...body, payload: { digest, k: 'another' } }]
    }
    if (kind <= 17) return ['cxone-dataaction', { id: `evt-${id}`, type: 'dataaction.completed', digest }]
    if (kind <= 19) {
      const body = {
        conversationId: `conv-${id}`,
        sessionId: `sess-${id}`,
        intent: 'track_parcel',
        digest,
        timestamp: Date.parse(timestamp),
        userId: 'usr-1',
      }
      return ['cognigy', body, { ...body, intent: 'another' }]
    }
    const data = {
      id: `sim-${id}`,
      channelType: 'voice',
      direction: 'inbound',
      customer: { phoneNumber: '+15550001001' },
    }
    return ['cxone', { webhookId: 'faults', eventType: 'interaction.created', timestamp, data, digest }]
  }

  /** A step of a call, whose sequence says which state is the latest. */
  #call(timestamp: string): readonly [SourceName, JsonObject, JsonObject] {
    const random = this.#random
    let call =
      this.#calls.length >= CALLS_MAX || random.chance(0.7)
        ? this.#calls.at(random.between(0, CALLS_MAX - 1))
        : undefined
    if (call === undefined) {
      call = { id: `call-${this.#id()}`, sequence: 0 }
      this.#calls.push(call)
    }
    call.sequence += 1
    const { id, sequence } = call
    if (sequence === STEPS_MAX) this.#calls.splice(this.#calls.indexOf(call), 1)
    const body = {
      interactionId: id,
      eventType: sequence === 1 ? 'CALL_CONNECTED' : 'CALL_TRANSFERRED',
      timestamp,
      agentId: 'agent-1',
      skill: 'Sales',
      direction: 'inbound',
      sequenceNumber: sequence,
      digest: digestOf(id, sequence),
    }
    return ['cxone', body, { ...body, agentId: 'agent-other' }]
  }
}

/** Lets a stored row be checked by itself. */
const digestOf = (id: string, sequence: number): string =>
  createHash('sha256').update(`${id}:${sequence}`).digest('hex').slice(0, 16)
