import { createHash } from 'node:crypto'
import {
  bodyChecksumOf,
  bodyHashOf,
  DEAD_LETTER_STAGES,
  deadLetterBody,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  HEADER,
  letterPlace,
  parseKeyFacts,
  recordSizeFault,
  SealedLetterError,
  type DeadLetterKeys,
  type InteractionEvent,
  type TopicNames,
  type WireHeaders,
} from '@weir/contracts'
import { InvalidEventError, RegistryError, UnknownSchemaError, type EventReader } from '@weir/event-codec'
import { parseExactJson, sliceArray } from '@weir/exact-json'
import { partitionOf, RetriableError, type OutputRecord } from '@weir/kafka'
import { readKeyFacts, stableBody, type SourceDefinition } from '@weir/sources'
import { readableBody } from './export-letter.ts'
import { applyFixUp } from '../jobs/fix-up.ts'
import type { Job } from '../jobs/job.ts'
import type { Letter } from './letter.ts'

export interface ReturnOptions {
  readonly topics: TopicNames
  readonly partitions: number
  readonly keys: DeadLetterKeys | undefined
  readonly bodyHashKey: string
  readonly sources: readonly SourceDefinition[]
  readonly events: EventReader
}

/** The headers with which ingress describes a malformed body. */
const INTAKE: readonly string[] = [
  HEADER.intakeError,
  HEADER.intakeErrorDetail,
  HEADER.answered,
  HEADER.element,
  HEADER.keyFacts,
]
const ADDED: readonly string[] = [
  HEADER.dlqReason,
  HEADER.dlqStep,
  HEADER.dlqError,
  HEADER.dlqStatus,
  HEADER.dlqSourceTopic,
  HEADER.dlqSourcePartition,
  HEADER.dlqSourceOffset,
  HEADER.dlqKeyId,
  HEADER.dlqShape,
  HEADER.lastFailedAt,
  HEADER.conflictsWith,
  ...INTAKE,
]

/** Reasons whose letters return unchanged, because a person approved the original body and not an edited one. */
export const NOT_EDITED: readonly string[] = ['key_conflict', 'content_repeated', 'wrong_partition']

/** The result for a letter: a record for the stage that wrote the letter, or the reason why it stays. */
export type Returned =
  | { readonly kind: 'returns'; readonly output: OutputRecord }
  | { readonly kind: 'stays'; readonly why: string }

const returns = (output: OutputRecord): Returned => ({ kind: 'returns', output })
const stays = (why: string): Returned => ({ kind: 'stays', why })

/**
 * The record with which a letter returns to the stage that wrote it. A conflict of dedup or of a sink returns through
 * dedup as a separate event. A repaired malformed body returns through dedup as the event that it now is. Rejects with
 * a `RetriableError` while the registry is unavailable. Any other fault concerns only this letter.
 */
export const returnLetter = async (letter: Letter, job: Job, options: ReturnOptions): Promise<Returned> => {
  let returned: Returned
  try {
    returned = await toStage(letter, job, options)
  } catch (error) {
    if (error instanceof RegistryError) throw new RetriableError(error.message, { cause: error })
    if (error instanceof SealedLetterError) return stays(error.message)
    return stays(`it cannot be processed: ${(error as Error).name}`)
  }
  if (returned.kind === 'stays') return returned
  const sizeFault = recordSizeFault(returned.output)
  return sizeFault === undefined ? returned : stays(sizeFault)
}

const toStage = async (letter: Letter, job: Job, options: ReturnOptions): Promise<Returned> => {
  const { key, headers } = letter.record
  const bytes = headers[HEADER.dlqTruncated]?.toString()
  if (bytes !== undefined) {
    return stays(`the letter holds only the beginning of a body of ${bytes} bytes: see dlq-source-topic`)
  }
  const body = deadLetterBody(letter.record, options.keys)
  if (job.fixUp !== undefined && NOT_EDITED.includes(letter.reason))
    return stays(
      `a letter with reason ${letter.reason} can only return unchanged: replay it without a fix-up`,
    )
  if (letter.reason === 'key_conflict') return returnConflict(letter, job, body, options)
  if (letter.reason === 'content_repeated') return returnContent(letter, job, body, options)
  if (letter.reason === 'wrong_partition') return returnMisplaced(letter, job, body, options)
  if (letter.stage === 'dedup') return returnMalformed(letter, job, body, options)
  if (key === null) return stays('the letter has no key')
  const target = {
    topic: options.topics[DEAD_LETTER_STAGES[letter.stage].replay],
    partition: letter.partition,
    key,
  }
  const { fixUp } = job
  if (fixUp === undefined || DEAD_LETTER_STAGES[letter.stage].holds === 'event') {
    return returns({ ...target, value: body, headers: returnedHeaders(letter, job) })
  }
  const edited = applyFixUp(fixUp, readableBody(letter, body))
  if (edited.kind === 'failed') return stays(edited.why)
  const marked = {
    ...withoutForm(returnedHeaders(letter, job)),
    [HEADER.fixUp]: Buffer.from(fixUp.name),
    [HEADER.bodyCrc32]: bodyChecksumOf(edited.body),
  }
  return returns({ ...target, value: edited.body, headers: marked })
}

const returnedHeaders = (letter: Letter, job: Job): Record<string, Buffer> => ({
  ...Object.fromEntries(Object.entries(letter.record.headers).filter(([name]) => !ADDED.includes(name))),
  [HEADER.replayCount]: Buffer.from(String(letter.replayCount + 1)),
  [HEADER.replayId]: Buffer.from(job.id),
  [HEADER.replayOf]: Buffer.from(letterPlace(letter)),
})

const without = (name: string, { [name]: _, ...headers }: WireHeaders): WireHeaders => headers

/** The result of a fix-up is plain JSON. */
const withoutForm = (headers: WireHeaders): WireHeaders => without(HEADER.bodyForm, headers)

/** A person approved this content, so dedup does not compare it again. */
const withoutContent = (headers: WireHeaders): WireHeaders => without(HEADER.contentKey, headers)

/** Returns the record unchanged to the partition of its key, where dedup handles it like a new record. */
const returnMisplaced = (
  letter: Letter,
  job: Job,
  body: Buffer,
  { topics, partitions }: ReturnOptions,
): Returned => {
  const { key, headers } = letter.record
  if (key === null) return stays('the letter has no key')
  const intake = INTAKE.flatMap((name) =>
    headers[name] === undefined ? [] : [[name, headers[name]] as const],
  )
  return returns({
    topic: topics.dedupReplay,
    partition: partitionOf(key, partitions),
    key,
    value: body,
    headers: { ...returnedHeaders(letter, job), ...Object.fromEntries(intake) },
  })
}

/** Returns the event under its own id. */
const returnContent = (letter: Letter, job: Job, body: Buffer, options: ReturnOptions): Returned => {
  const returned = returnMisplaced(letter, job, body, options)
  if (returned.kind === 'stays') return returned
  return returns({ ...returned.output, headers: withoutContent(returned.output.headers) })
}

/** Keeps the entity and takes the key `<old>#<body hash>`, so that another replay gives the same key. */
const returnConflict = async (
  letter: Letter,
  job: Job,
  body: Buffer,
  { topics, partitions, events }: ReturnOptions,
): Promise<Returned> => {
  const { key, headers } = letter.record
  const bodyHash = headers[HEADER.bodyHash]
  if (key === null || bodyHash === undefined || letter.eventKey === '') {
    return stays('the letter lacks its key, body hash or event key')
  }
  const old = headers[HEADER.dedupKey]?.toString() ?? letter.eventKey
  const dedupKey = `${old}#${bodyHash.toString('hex')}`
  const marks: WireHeaders = {
    ...withoutContent(returnedHeaders(letter, job)),
    [HEADER.dedupKey]: Buffer.from(dedupKey),
    [HEADER.eventKey]: eventKeyOf(letter.source, dedupKey),
    [HEADER.conflictApproved]: Buffer.from(letter.eventKey),
  }
  const target = { topic: topics.dedupReplay, partition: partitionOf(key, partitions), key }
  if (DEAD_LETTER_STAGES[letter.stage].holds === 'body')
    return returns({ ...target, value: body, headers: marks })
  const event = await decodeEvent(events, body)
  if (event === undefined) return stays('its record is not an event of the registry')
  const { raw, bodyForm, interactionId, sequence } = event
  return returns({
    ...target,
    value: raw,
    headers: {
      ...marks,
      [HEADER.interactionId]: Buffer.from(interactionId),
      ...(bodyForm !== null && { [HEADER.bodyForm]: Buffer.from(bodyForm) }),
      ...(sequence !== null && { [HEADER.providerSequence]: Buffer.from(String(sequence)) }),
    },
  })
}

/** Resolves to undefined if the event cannot be decoded. Rejects while the registry is unavailable. */
const decodeEvent = async (events: EventReader, body: Buffer): Promise<InteractionEvent | undefined> => {
  try {
    return await events.decode(body)
  } catch (error) {
    if (error instanceof InvalidEventError || error instanceof UnknownSchemaError) return undefined
    throw error
  }
}

/** Needs a fix-up, because ingress has already refused these bytes. */
const returnMalformed = (
  letter: Letter,
  job: Job,
  body: Buffer,
  { topics, partitions, bodyHashKey, sources }: ReturnOptions,
): Returned => {
  const { fixUp } = job
  if (fixUp === undefined) return stays('the body is malformed: give a fix-up')
  const source = sources.find(({ name }) => name === letter.source)
  if (source === undefined) return stays(`the source ${letter.source} is unknown: check SOURCES_FILE`)
  const edited = applyFixUp(fixUp, readableBody(letter, body))
  if (edited.kind === 'failed') return stays(edited.why)
  const raw = edited.body
  const payload = parseExactJson(raw.toString())
  const { [HEADER.element]: element, [HEADER.keyFacts]: facts } = letter.record.headers
  const isElement = element !== undefined
  if (source.split !== undefined && !isElement && sliceArray(raw, source.split.path, 0).kind !== 'no_array') {
    return stays(
      'the body is a batch, but a letter returns as a single event: send the corrected body to ingress',
    )
  }
  const stable = stableBody(raw, payload, source.volatileFields)
  const identified = source.identify(payload, {
    bodyHash: () => createHash('sha256').update(stable).digest('hex'),
    ...readKeyFacts(facts === undefined ? {} : parseKeyFacts(facts)),
  })
  if (identified.kind === 'problem') return stays('the source cannot identify the body after the fix-up')
  const { interactionId, eventType, dedupKey, dedupKeyFallback, sequence } = identified.identity
  const { key, value, headers } = encodeReceivedWebhook({
    source: source.name,
    interactionId,
    eventType,
    dedupKey,
    raw,
    entityKey: entityKeyOf(source.name, interactionId),
    eventKey: eventKeyOf(source.name, dedupKey),
    bodyHash: bodyHashOf(Buffer.from(bodyHashKey), stable),
    receivedAt: Number(letter.record.headers[HEADER.receivedAt]?.toString() ?? letter.firstFailedAt),
    ...(dedupKeyFallback !== undefined && { dedupKeyFallback }),
    ...(sequence !== undefined && { providerSequence: sequence }),
  })
  return returns({
    topic: topics.dedupReplay,
    partition: partitionOf(key, partitions),
    key,
    value,
    headers: {
      ...withoutForm(returnedHeaders(letter, job)),
      ...headers,
      [HEADER.fixUp]: Buffer.from(fixUp.name),
    },
  })
}
