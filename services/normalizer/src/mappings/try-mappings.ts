import { isDeepStrictEqual } from 'node:util'
import { eventKeyOf, entityKeyOf, encodeReceivedWebhook, jsonBody } from '@weir/contracts'
import { isContainer, parseExactJson } from '@weir/exact-json'
import { normalizerPipeline, type NormalizerPipeline } from '../pipeline.ts'
import type { MappedEvent } from '../steps/map-event.ts'
import { describePart, textOf } from './compile-mapping.ts'
import type { MappingSet } from './load-mappings.ts'
import { Mapper } from './mapper.ts'

/** The result of mapping one payload. */
export interface MappingTrial {
  /** The mapping that fits; undefined if none does. */
  readonly mapping: string | undefined
  /** For each field of the mapping, the path that gave its text; undefined if none did. */
  readonly matched: Readonly<Record<string, string | undefined>>
  readonly event?: MappedEvent
  readonly deadLetter?: { readonly reason: string; readonly error: string }
}

export interface MappingTestResult {
  readonly file: string
  readonly name: string
  /** Differences from the expected event. Empty: the test passes. */
  readonly problems: readonly string[]
}

const run = (pipeline: NormalizerPipeline, source: string, raw: Buffer) => {
  const dedupKey = 'trial'
  const record = encodeReceivedWebhook({
    source,
    raw,
    dedupKey,
    interactionId: 'trial',
    eventType: 'trial',
    receivedAt: 0,
    entityKey: entityKeyOf(source, 'trial'),
    eventKey: eventKeyOf(source, dedupKey),
    bodyHash: Buffer.alloc(8),
  })
  return pipeline.run({ topic: 'trial', partition: 0, offset: 0n, timestamp: 0, ...record })
}

/** Maps one body as normalizer would. `isApproved` treats every shape as approved. */
export const tryMapping = (
  set: MappingSet,
  source: string,
  raw: Buffer,
  isApproved = false,
): MappingTrial => {
  const outcome = run(
    normalizerPipeline(set, () => isApproved),
    source,
    raw,
  )
  const { mapping, matched } = matchesOf(set, source, raw)
  switch (outcome.kind) {
    case 'ok':
      return { mapping, matched, event: outcome.value.event }
    case 'deadLetter':
      return { mapping, matched, deadLetter: { reason: outcome.reason, error: outcome.error } }
    case 'drop':
      return { mapping, matched }
  }
}

const matchesOf = (
  set: MappingSet,
  source: string,
  raw: Buffer,
): Pick<MappingTrial, 'mapping' | 'matched'> => {
  const payload = objectOf(raw)
  const compiled = payload && new Mapper(set.mappings).find(source, payload)
  if (compiled === undefined) return { mapping: undefined, matched: {} }
  const { mapping, parts } = compiled
  const matched = parts
    .filter(({ alternatives }) => alternatives.length > 0)
    .map(({ field, alternatives }) => {
      const texts = alternatives.map((extract) => textOf(extract(payload)))
      const full = texts.findIndex((text) => text !== null && text !== '')
      const index = full === -1 ? texts.indexOf('') : full
      return [field, index < 0 ? undefined : describePart(mapping.fields[field]![index]!)]
    })
  return { mapping: mapping.name, matched: Object.fromEntries(matched) as MappingTrial['matched'] }
}

const objectOf = (raw: Buffer): object | undefined => {
  try {
    const payload = parseExactJson(jsonBody({ raw }).toString())
    return isContainer(payload) ? payload : undefined
  } catch {
    return undefined
  }
}

/** Runs the tests in the mapping files. */
export const checkMappings = (set: MappingSet): readonly MappingTestResult[] =>
  set.tests.map(({ file, name, source, input, expected, deadLetter }) => {
    const trial = tryMapping(set, source, Buffer.from(JSON.stringify(input ?? null)))
    return { file, name, problems: problemsOf(trial, expected, deadLetter) }
  })

const problemsOf = (
  { event, deadLetter }: MappingTrial,
  expected: Readonly<Record<string, unknown>> | undefined,
  reason: string | undefined,
): string[] => {
  if (reason !== undefined) {
    return deadLetter?.reason === reason
      ? []
      : [`expected the dead letter ${reason}, got ${deadLetter?.reason ?? 'an event'}`]
  }
  if (event === undefined) return [`expected an event, got the dead letter ${deadLetter?.reason ?? ''}`]
  return Object.entries(expected ?? {}).flatMap(([field, wanted]) => {
    const value = event[field as keyof MappedEvent]
    return isDeepStrictEqual(value, wanted)
      ? []
      : [`${field}: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(value)}`]
  })
}
