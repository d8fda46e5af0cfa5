import { createHash } from 'node:crypto'
import {
  bodyHashOf,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  topicNames,
  type WireRecord,
} from '@weir/contracts'
import { openLanes, partitionOf, type KafkaSettings } from '@weir/kafka'
import { ShapeCache } from '@weir/normalizer'
import { Plan, service as simulator } from '@weir/simulator'
import { SOURCES, type JsonValue } from '@weir/sources'
import { CPU_PROFILE, defineBench, profileArgs } from './bench.ts'
import { startBenchProcess, type BenchProcess } from './rig/service-process.ts'
import { createTopics, deployment, quiet } from './rig/traffic.ts'

const PARTITIONS = 4
/** Different webhooks; a longer backlog has them again. */
const DIFFERENT = 20_000
const HASH_KEY = Buffer.from('bench')
/** Each look costs the process a scrape of its metrics. */
const POLL_MS = 250
/** So long each figure of this process alone is taken. */
const REFERENCE_MS = 3_000

export const bench = defineBench({
  about:
    "One normalizer process over a prefilled backlog of every source's payloads, with Avro output and a real broker and registry, compared with JSON.parse and JSON.stringify of the same bodies.",
  options: {
    events: { about: 'events in the backlog', default: 400_000 },
    drift: { about: 'share of payloads with new fields', default: '0.1' },
    ...CPU_PROFILE,
  },
  run: async (values, rig) => {
    const events = values.events
    const registryUrl = await rig.registry()
    const settings = deployment(await rig.kafka(), `bench-${process.pid}.`, PARTITIONS)
    await createTopics(settings)
    const webhooks = webhooksOf(values.drift)
    rig.progress(`writing ${events} events`)
    await prefill(settings, webhooks, events)
    const bodies = webhooks.map(({ value }) => value!.toString())
    const referenceUs = microseconds(bodies, (body) => JSON.stringify(JSON.parse(body)))
    const shapes = new ShapeCache()
    const payloads = bodies.map((body) => JSON.parse(body) as unknown)
    const fingerprintUs = microseconds(payloads, (payload) => shapes.shapeOf(payload))
    const normalizer = await startBenchProcess('normalizer', {
      settings,
      folder: rig.folder,
      env: { SCHEMA_REGISTRY_URL: registryUrl },
      nodeArgs: profileArgs(values),
    })
    try {
      const { rate, cpuUs } = await measure(normalizer, events)
      const normalized = await normalizer.metric('weir_normalizer_events_total')
      const reference = 1e6 / referenceUs
      return {
        events_per_s: rate,
        reference_per_s: reference,
        ratio_reference: rate / reference,
        fingerprint_share: fingerprintUs / cpuUs,
        fingerprint_us: fingerprintUs,
        cpu_us_per_event: cpuUs,
        rss_mb: normalizer.usage().rssMb,
        body_bytes: bodies.reduce((sum, body) => sum + body.length, 0) / bodies.length,
        events: normalized,
      }
    } finally {
      await normalizer.stop()
    }
  },
})

/** From the first commit to the last. */
const measure = async (
  normalizer: BenchProcess,
  events: number,
): Promise<{ readonly rate: number; readonly cpuUs: number }> => {
  const done = () => normalizer.metric('weir_normalizer_events_total')
  await normalizer.until(async () => (await done()) > 0, 20)
  const from = { at: performance.now(), events: await done(), cpuS: normalizer.usage().cpuS }
  await normalizer.until(async () => (await done()) >= events, POLL_MS)
  const seconds = (performance.now() - from.at) / 1_000
  const counted = events - from.events
  return { rate: counted / seconds, cpuUs: ((normalizer.usage().cpuS - from.cpuS) / counted) * 1e6 }
}

/** Of one call, over all inputs again and again. */
const microseconds = <T>(inputs: readonly T[], call: (input: T) => unknown): number => {
  const pass = (): void => {
    for (const input of inputs) call(input)
  }
  pass()
  const startedAt = performance.now()
  let passes = 0
  while (performance.now() - startedAt < REFERENCE_MS) {
    pass()
    passes += 1
  }
  return ((performance.now() - startedAt) * 1_000) / (passes * inputs.length)
}

/** What dedup would have passed on, of every source. */
const webhooksOf = (drift: string): readonly WireRecord[] => {
  const secrets = {
    SOURCE_CXONE_SECRETS: 's',
    SOURCE_CXONE_DATAACTION_SECRETS: 's',
    SOURCE_NICE_SECRETS: 's',
  }
  const plan = new Plan(
    simulator.loadConfig({ ...secrets, SIMULATOR_DUPLICATES: '0', SIMULATOR_DRIFT: drift }),
    'bench',
  )
  const webhooks: WireRecord[] = []
  while (webhooks.length < DIFFERENT) {
    const { operation, raw } = plan.next(Date.now())
    if (operation.kind === 'event') webhooks.push(webhookOf(operation.source, raw))
  }
  return webhooks
}

const webhookOf = (name: string, raw: Buffer): WireRecord => {
  const source = SOURCES.find((one) => one.name === name)!
  const identified = source.identify(JSON.parse(raw.toString()) as JsonValue, {
    bodyHash: () => createHash('sha256').update(raw).digest('hex'),
    header: () => undefined,
  })
  if (identified.kind === 'problem') throw new TypeError(identified.problem.detail)
  const { interactionId, eventType, dedupKey } = identified.identity
  return encodeReceivedWebhook({
    source: name,
    interactionId,
    eventType,
    dedupKey,
    raw,
    entityKey: entityKeyOf(name, interactionId),
    eventKey: eventKeyOf(name, dedupKey),
    bodyHash: bodyHashOf(HASH_KEY, raw),
    receivedAt: Date.now(),
    contentType: 'application/json',
  })
}

const prefill = async (
  settings: KafkaSettings,
  webhooks: readonly WireRecord[],
  count: number,
): Promise<void> => {
  const lanes = await openLanes({
    settings,
    logger: quiet,
    topic: topicNames(settings.topicPrefix).unique,
    lingerMs: 2,
    deadlineMs: 120_000,
    batchRecordsMax: 1_000,
    batchBytesMax: 700_000,
    queueBytesMax: 64_000_000,
  })
  let failed: unknown
  for (let i = 0; i < count; i++) {
    const record = webhooks[i % webhooks.length]!
    const sent = lanes.send(partitionOf(record.key, settings.topicPartitions), record)
    sent.catch((error: unknown) => (failed ??= error))
    if (lanes.queued.bytes > 32_000_000) await sent
  }
  await lanes.close()
  if (failed !== undefined) throw failed as Error
}
