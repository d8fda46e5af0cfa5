import { createHash } from 'node:crypto'
import {
  bodyChecksumOf,
  bodyHashOf,
  deadLetterBody,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  HEADER,
  letterPlace,
  SealedLetterError,
  type DeadLetterKeys,
  type InteractionEvent,
  type TopicNames,
  type WireHeaders,
} from '@weir/contracts'
import { InvalidEventError, UnknownSchemaError, type EventReader } from '@weir/event-codec'
import { partitionOf, type OutputRecord } from '@weir/kafka'
import { stableBody, type JsonValue, type SourceDefinition } from '@weir/sources'
import { applyFixUp } from './fix-up.ts'
import { STAGES, type Job } from './job.ts'
import type { Letter } from './letter.ts'

export interface ReturnOptions {
  readonly topics: TopicNames
  readonly partitions: number
  readonly keys: DeadLetterKeys | undefined
  readonly bodyHashKey: string
  readonly sources: readonly SourceDefinition[]
  readonly events: EventReader
}

const ADDED: readonly string[] = [
  ...[HEADER.dlqReason, HEADER.dlqStep, HEADER.dlqError, HEADER.dlqStatus, HEADER.dlqSourceTopic],
  ...[
    HEADER.dlqSourcePartition,
    HEADER.dlqSourceOffset,
    HEADER.dlqKeyId,
    HEADER.dlqShape,
    HEADER.lastFailedAt,
  ],
  ...[HEADER.conflictsWith, HEADER.intakeError, HEADER.intakeErrorDetail, HEADER.answered],
]

/**
 * The record with which a letter returns to the stage that gave it up; undefined when it cannot: sealed with another
 * key, or still malformed. What dedup or a sink called a conflict returns through dedup as an event of its own; a
 * malformed body that was fixed returns there as what it then is.
 */
export const returnLetter = async (
  letter: Letter,
  job: Job,
  options: ReturnOptions,
): Promise<OutputRecord | undefined> => {
  let body: Buffer
  try {
    body = deadLetterBody(letter.record, options.keys)
  } catch (error) {
    if (error instanceof SealedLetterError) return undefined
    throw error
  }
  if (letter.reason === 'key_conflict') return returnConflict(letter, job, body, options)
  if (letter.stage === 'dedup') return returnMalformed(letter, job, body, options)
  const fixUp = letter.stage === 'normalizer' ? job.fixUp : undefined
  const value = fixUp === undefined ? body : applyFixUp(fixUp, body)
  const { key } = letter.record
  if (value === undefined || key === null) return undefined
  return {
    ...{ topic: options.topics[STAGES[letter.stage].replay], partition: letter.partition, key, value },
    headers: {
      ...returned(letter, job),
      ...(fixUp && {
        [HEADER.fixUp]: Buffer.from(fixUp.name),
        [HEADER.bodyCrc32]: bodyChecksumOf(value),
      }),
    },
  }
}

const returned = (letter: Letter, job: Job): Record<string, Buffer> => ({
  ...Object.fromEntries(Object.entries(letter.record.headers).filter(([name]) => !ADDED.includes(name))),
  [HEADER.replayCount]: Buffer.from(String(letter.replayCount + 1)),
  [HEADER.replayId]: Buffer.from(job.id),
  [HEADER.replayOf]: Buffer.from(letterPlace(letter)),
})

/** The same entity, and so the same partition, under the key `<old>#<body hash>`: replaying it again gives the same key. */
const returnConflict = async (
  letter: Letter,
  job: Job,
  body: Buffer,
  { topics, events }: ReturnOptions,
): Promise<OutputRecord | undefined> => {
  const { key, headers } = letter.record
  const bodyHash = headers[HEADER.bodyHash]
  if (key === null || bodyHash === undefined || letter.eventKey === '') return undefined
  const old = headers[HEADER.dedupKey]?.toString() ?? letter.eventKey
  const dedupKey = `${old}#${bodyHash.toString('hex')}`
  const marks: WireHeaders = {
    ...returned(letter, job),
    [HEADER.dedupKey]: Buffer.from(dedupKey),
    [HEADER.eventKey]: eventKeyOf(letter.source, dedupKey),
    [HEADER.conflictApproved]: Buffer.from(letter.eventKey),
  }
  const target = { topic: topics.dedupReplay, partition: letter.partition, key }
  if (letter.stage !== 'persistence') return { ...target, value: body, headers: marks }
  const event = await decodeEvent(events, body)
  if (event === undefined) return undefined
  const { raw, interactionId, sequence } = event
  return {
    ...{ ...target, value: raw },
    headers: {
      ...marks,
      [HEADER.interactionId]: Buffer.from(interactionId),
      ...(sequence !== null && { [HEADER.providerSequence]: Buffer.from(String(sequence)) }),
    },
  }
}

/** Undefined when a person must find another way; rejects while the registry does not answer. */
const decodeEvent = async (events: EventReader, body: Buffer): Promise<InteractionEvent | undefined> => {
  try {
    return await events.decode(body)
  } catch (error) {
    if (error instanceof InvalidEventError || error instanceof UnknownSchemaError) return undefined
    throw error
  }
}

/** Only with a fix-up: ingress has judged these bytes already. */
const returnMalformed = (
  letter: Letter,
  job: Job,
  body: Buffer,
  { topics, partitions, bodyHashKey, sources }: ReturnOptions,
): OutputRecord | undefined => {
  const source = sources.find(({ name }) => name === letter.source)
  const raw = job.fixUp && applyFixUp(job.fixUp, body)
  if (source === undefined || raw === undefined) return undefined
  const payload = JSON.parse(raw.toString()) as JsonValue
  const stable = stableBody(raw, payload, source.volatileFields)
  const identified = source.identify(payload, {
    bodyHash: () => createHash('sha256').update(stable).digest('hex'),
    header: () => undefined,
  })
  if (identified.kind === 'problem') return undefined
  const { interactionId, eventType, dedupKey, dedupKeyFallback, sequence } = identified.identity
  const { key, value, headers } = encodeReceivedWebhook({
    ...{ source: source.name, interactionId, eventType, dedupKey, raw },
    ...{ entityKey: entityKeyOf(source.name, interactionId), eventKey: eventKeyOf(source.name, dedupKey) },
    bodyHash: bodyHashOf(Buffer.from(bodyHashKey), stable),
    receivedAt: Number(letter.record.headers[HEADER.receivedAt]?.toString() ?? letter.firstFailedAt),
    ...(dedupKeyFallback !== undefined && { dedupKeyFallback }),
    ...(sequence !== undefined && { providerSequence: sequence }),
  })
  return {
    ...{ topic: topics.dedupReplay, partition: partitionOf(key, partitions), key, value },
    headers: { ...returned(letter, job), ...headers, [HEADER.fixUp]: Buffer.from(job.fixUp!.name) },
  }
}
