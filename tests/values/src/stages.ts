import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  encodeDeadLetter,
  encodeReceivedWebhook,
  HEADER,
  HmacKey,
  INTERACTION_EVENT_SCHEMA,
  isDeadLetterReason,
  topicNames,
  type DeadLetterReason,
  type InteractionEvent,
  type WireRecord,
} from '@weir/contracts'
import { EventReader, openEventWriter } from '@weir/event-codec'
import { partitionOf, type InputRecord, type OutputRecord } from '@weir/kafka'
import { createLogger, massFailureAlarm, MassFailureGuard, Metrics } from '@weir/runtime'
import { PRESETS, readSourcesFile, RequestHeaders, type SourceDefinition } from '@weir/sources'
import { dedupPipeline } from '../../../services/dedup/src/pipeline.ts'
import { intake } from '../../../services/ingress/src/intake/intake.ts'
import { EventLines } from '../../../services/normalizer/src/event-log.ts'
import { readMappings } from '../../../services/normalizer/src/mappings/sources-file.ts'
import { normalizerMetrics } from '../../../services/normalizer/src/normalizer-metrics.ts'
import { NormalizerTask } from '../../../services/normalizer/src/normalizer-task.ts'
import { normalizerPipeline } from '../../../services/normalizer/src/pipeline.ts'
import { ShapeCache } from '../../../services/normalizer/src/schemas/shape.ts'
import { SentShapes } from '../../../services/normalizer/src/schemas/shape-tally.ts'
import { RowTask, type RowSink } from '@weir/row-sink'
import type { Delivery } from './bodies.ts'

/** The result of a delivery. */
export type End =
  | { readonly kind: 'row' }
  | { readonly kind: 'letter'; readonly stage: string; readonly reason: DeadLetterReason }

const SOURCES_FILE = `
version: 1
sources:
  numbered: { preset: custom, dedupKey: '{id}:{n}', sequence: n }
  volatile: { preset: cxone-dataaction, volatileFields: [a, data.a] }
  ignoring: { preset: custom, unknownFields: ignore }
  anything: { preset: nice-expert }
  payloads: { preset: custom, form: payload, acceptEncodings: [gzip, deflate] }
  fields: { preset: custom, form: fields, acceptEncodings: [gzip, deflate] }
`
const SCHEMA_ID = 7
const topics = topicNames('')
const hashKey = new HmacKey('sha256', Buffer.alloc(32))

export interface Stages {
  /** Names of sources, and their presets. */
  readonly sources: readonly (readonly [string, string])[]
  /** Passes deliveries through every service. Throws what a service throws. */
  run(deliveries: readonly Delivery[]): Promise<readonly End[]>
  /** The output of a service for one record. */
  runAlone(stage: 'normalizer' | 'persistence', record: WireRecord): Promise<readonly OutputRecord[]>
  /** The record that ingress writes for a delivery. */
  receive(delivery: Delivery): WireRecord
  close(): void
}

/** A sink that stores every row, and keeps its event. */
export const keepingSink = (): { readonly sink: RowSink; readonly written: InteractionEvent[] } => {
  const written: InteractionEvent[] = []
  const sink: RowSink = {
    write: (events) => {
      written.push(...events)
      return Promise.resolve(events.map(() => ({ kind: 'stored' })))
    },
    close: () => Promise.resolve(),
  }
  return { sink, written }
}

/** The code of every service without Kafka between them. The registry is a stub with one schema. */
export const openStages = async (sink: RowSink): Promise<Stages> => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-values-'))
  const file = join(folder, 'sources.yaml')
  writeFileSync(file, SOURCES_FILE)
  const registry = await stubRegistry()
  const { sources: own, problems } = readSourcesFile(file)
  if (problems.length > 0) throw new Error(problems.join('\n'))
  const sources = [...Object.values(PRESETS), ...own]
  const tasks = await openTasks(sources, file, registry.url, sink)
  return {
    // Splitting a batch has its own tests. Here one delivery is one event.
    sources: sources.filter(({ split }) => split === undefined).map(({ name, preset }) => [name, preset]),
    run: async (deliveries) => {
      const ends: End[] = []
      const unique: InputRecord[] = []
      for (const [at, delivery] of deliveries.entries()) {
        const source = sources.find(({ name }) => name === delivery.source)!
        const record = received(source, delivery)
        const outcome = passDedup(record)
        if (outcome === undefined) {
          unique.push({ ...record, offset: BigInt(at) })
        } else {
          ends[at] = outcome
        }
      }
      const normalized = await tasks.normalizer.process(batchOf(topics.unique, unique))
      const events = normalized.outputs.filter(({ topic }) => topic === topics.normalized)
      take(ends, normalized.outputs, 'normalizer')
      // Normalizer keeps the order, so the remaining offsets are those of the events.
      const left = unique.filter(({ offset }) => ends[Number(offset)] === undefined)
      const inputs = events.map((output, index) => inputOf(topics.normalized, output, left[index]!.offset))
      const stored = await tasks.persistence.process(batchOf(topics.normalized, inputs))
      take(ends, stored.outputs, 'persistence')
      for (const { offset } of left) ends[Number(offset)] ??= { kind: 'row' }
      if (events.length !== left.length)
        throw new Error(`${left.length} events, and ${events.length} records`)
      return ends
    },
    runAlone: async (stage, record) => {
      const topic = stage === 'normalizer' ? topics.unique : topics.normalized
      return (await tasks[stage].process(batchOf(topic, [inputOf(topic, record, 41n)]))).outputs
    },
    receive: (delivery) =>
      received(
        sources.find(({ name }) => name === delivery.source)!,
        delivery,
      ) as WireRecord,
    close: () => {
      registry.close()
      rmSync(folder, { recursive: true })
    },
  }
}

const withoutSplit = ({ split: _, ...source }: SourceDefinition): SourceDefinition => source

const received = (source: SourceDefinition, { headers, body }: Delivery): InputRecord => {
  const access = {
    // An element of a batch goes through all stages as a body of its own.
    source: withoutSplit(source),

    verify: undefined,
    signedBy: [],
    secrets: [],
    token: undefined,
    basic: undefined,
    ranges: undefined,
    contentOf: undefined,
    unavailable: undefined,
  }
  const result = intake(access, hashKey, {
    raw: Buffer.from(body),
    receivedAt: 1_700_000_000_000,
    headers: RequestHeaders.of(headers),
  })
  if (result.kind !== 'accept') throw new Error(`intake: ${result.kind}`)
  return inputOf(topics.received, encodeReceivedWebhook(result.webhooks[0]!), 0n)
}

/** Every key is new here. Repeats are tested in `services/dedup`. */
const passDedup = (record: InputRecord): End | undefined => {
  const seen = { effectiveTime: 0, check: () => ({ kind: 'new' }) }
  const outcome = dedupPipeline(seen as unknown as Parameters<typeof dedupPipeline>[0], 0, 1).run(record)
  if (outcome.kind === 'ok') return undefined
  if (outcome.kind === 'drop') throw new Error(`dedup: ${outcome.reason}`)
  encodeDeadLetter({ ...outcome, origin: record, failedAt: 0 })
  return { kind: 'letter', stage: 'dedup', reason: outcome.reason }
}

const openTasks = async (
  sources: readonly SourceDefinition[],
  file: string,
  registryUrl: string,
  sink: RowSink,
) => {
  const logger = createLogger('values', 'silent')
  const metrics = new Metrics('values')
  const alarm = massFailureAlarm('values', { logger, metrics })
  // Each failure has its own reason.
  const guard = () => new MassFailureGuard({ massFailureShare: 1, massFailureRecordsMin: 1 }, alarm, 0)
  const writer = await openEventWriter({ registryUrl, registerAtStart: false }, topics.normalized)
  const set = readMappings([], file)
  const mapped = new Set(set.mappings.map(({ source }) => source))
  // Maps the presets as a sources file would.
  const asTheyCome = sources
    .filter(({ name }) => !mapped.has(name))
    .map(({ name }) => ({
      name,
      source: name,
      fields: {},
      optional: [],
      constants: {},
      attributesFrom: ['$'],
      known: [],
    }))
  const opaque = sources.filter(({ body }) => body === 'opaque')
  const rules = Object.fromEntries(opaque.map(({ name }) => [name, { body: 'opaque' as const }]))
  const pipeline = normalizerPipeline(
    { ...set, mappings: [...set.mappings, ...asTheyCome], rules: { ...rules, ...set.rules } },
    () => true,
  )
  const common = { topics, partition: 0, keys: undefined }
  return {
    normalizer: new NormalizerTask({
      ...common,
      pipeline,
      guard: guard(),
      sent: new SentShapes(),
      shapes: new ShapeCache(),
      openWriter: () => Promise.resolve(writer),
      refreshApprovals: () => Promise.resolve(),
      metrics: normalizerMetrics(metrics),
      openLines: () => new EventLines(logger, 'off'),
    }),
    persistence: new RowTask({
      ...common,
      service: 'persistence',
      sink,
      guard: guard(),
      reader: new EventReader({ registryUrl }),
      rows: metrics.counter('rows', 'Rows.', ['result']),
    }),
  }
}

const inputOf = (topic: string, { key, value, headers }: WireRecord, offset: bigint): InputRecord => ({
  topic,
  partition: partitionOf(key, 1),
  offset,
  timestamp: 0,
  key,
  value,
  headers,
})

const batchOf = (topic: string, records: readonly InputRecord[]) => ({
  topic,
  partition: 0,
  records,
  nextOffset: 0n,
  signal: new AbortController().signal,
  ownershipIsFresh: () => true,
})

const take = (ends: End[], outputs: readonly OutputRecord[], stage: string): void => {
  for (const { headers } of outputs) {
    const reason = headers[HEADER.dlqReason]?.toString()
    if (reason === undefined) continue
    if (!isDeadLetterReason(reason)) throw new Error(`${stage}: ${reason}`)
    ends[Number(headers[HEADER.dlqSourceOffset]!.toString())] = { kind: 'letter', stage, reason }
  }
}

/** A registry that has only the event schema. */
const stubRegistry = async (): Promise<{ readonly url: string; close(): void }> => {
  const schema = JSON.stringify(INTERACTION_EVENT_SCHEMA)
  const server = createServer((request, response) => {
    request.resume()
    const answer = request.method === 'GET' ? { schema } : { id: SCHEMA_ID, schema }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
