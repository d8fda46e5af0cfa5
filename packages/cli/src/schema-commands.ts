import {
  approvedShapeKey,
  decodeObservedShape,
  topicNames,
  INTERACTION_EVENT_SCHEMA,
  type ObservedShape,
} from '@weir/contracts'
import { Registry, RegistryError, SchemaRefusedError, subjectOf } from '@weir/event-codec'
import { LaneError, openLanes, openTopicReader, RetriableError } from '@weir/kafka'
import { ConfigError, createLogger } from '@weir/service-kit'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { loadRegistryConfig, loadSchemaConfig } from './config.ts'
import { followJob } from './follow-job.ts'
import { guarded } from './guarded.ts'
import { replayClient, ReplayClientError } from './replay-client.ts'

const EXPECTED = [ReplayClientError, RegistryError, SchemaRefusedError, LaneError, RetriableError]
/** Longer than normalizers take to read approvals again, so that what comes meanwhile is released too. */
const APPROVAL_SPREAD_MS = 3_000

const print = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

const observedShapes = async (): Promise<readonly ObservedShape[]> => {
  const settings = loadSchemaConfig()
  const reader = await openTopicReader(settings, topicNames(settings.topicPrefix).schemasObserved)
  const shapes = new Map<string, ObservedShape>()
  await reader.readToEnd((records) => {
    for (const { key, value } of records) {
      const shape = decodeObservedShape(value)
      if (shape) shapes.set(key?.toString() ?? '', shape)
    }
  })
  await reader.close()
  return [...shapes.values()].sort(
    (a, b) =>
      a.source.localeCompare(b.source) || a.eventType.localeCompare(b.eventType) || a.version - b.version,
  )
}

const approve = async (source: string, fingerprint: string): Promise<void> => {
  const { user, ...settings } = loadSchemaConfig()
  const lanes = await openLanes({
    settings: { ...settings, topicPartitions: 1 },
    ...{ logger: createLogger('weir', 'silent'), topic: topicNames(settings.topicPrefix).schemasApproved },
    ...{
      lingerMs: 0,
      deadlineMs: 10_000,
      batchRecordsMax: 10,
      batchBytesMax: 100_000,
      queueBytesMax: 1_000_000,
    },
  })
  const approval = { source, fingerprint, approvedBy: user, approvedAt: Date.now() }
  const key = Buffer.from(approvedShapeKey(source, fingerprint))
  await lanes.send(0, { key, value: Buffer.from(JSON.stringify(approval)), headers: {} })
  await lanes.close()
}

/** `weir schema ...`. */
export const addSchemaCommands = (program: Command): void => {
  const schema = program.command('schema').description('Shapes of payloads, and the schema of events.')
  schema
    .command('ls')
    .description('Lists every numbered shape: events, share, when it appeared.')
    .action(
      guarded(EXPECTED, async () => {
        const shapes = await observedShapes()
        const totals = new Map<string, number>()
        for (const { source, eventType, count } of shapes) {
          const type = `${source} ${eventType}`
          totals.set(type, (totals.get(type) ?? 0) + count)
        }
        for (const {
          source,
          eventType,
          version,
          fingerprint,
          count,
          firstSeenAt,
          lastSeenAt,
          ...shape
        } of shapes) {
          const share = (100 * count) / totals.get(`${source} ${eventType}`)!
          const times = [firstSeenAt, lastSeenAt].map((at) => new Date(at).toISOString()).join(' to ')
          const reached = `50% after ${shape.reachedHalfMs ?? '-'} ms, 90% after ${shape.reachedNineTenthsMs ?? '-'} ms`
          print(
            `${source}  ${eventType}  ${version}  ${fingerprint}  ${count} (${share.toFixed(1)}%)  ${times}  ${reached}`,
          )
        }
      }),
    )
  schema
    .command('diff <a> <b>')
    .description('Paths that one shape has and the other has not; by fingerprint.')
    .action(
      guarded(EXPECTED, async (a: string, b: string) => {
        const shapes = await observedShapes()
        const [first, second] = [a, b].map((wanted) => {
          const found = shapes.find(({ fingerprint }) => fingerprint === wanted)
          if (!found) throw new ConfigError(`There is no shape ${wanted}: see \`weir schema ls\`.`)
          return new Set(found.paths)
        }) as [Set<string>, Set<string>]
        for (const path of first) if (!second.has(path)) print(`- ${path}`)
        for (const path of second) if (!first.has(path)) print(`+ ${path}`)
      }),
    )
  schema
    .command('approve <source> <fingerprint>')
    .description('Lets a held shape pass from now on, and releases exactly the letters that wait for it.')
    .action(
      guarded(EXPECTED, async (source: string, fingerprint: string) => {
        await approve(source, fingerprint)
        await sleep(APPROVAL_SPREAD_MS)
        const client = replayClient()
        const filter = { stage: 'normalizer', reason: 'unknown_field', source, fingerprint }
        const { id } = await client.post('/v1/jobs', { kind: 'replay', filter })
        await followJob(client, String(id))
      }),
    )
  schema
    .command('register')
    .description(
      'Sets the compatibility of the subject of events and registers the schema: a step of a deployment.',
    )
    .action(
      guarded(EXPECTED, async () => {
        const { registryUrl, topicPrefix } = loadRegistryConfig()
        const subject = subjectOf(topicNames(topicPrefix).normalized)
        const id = await new Registry({ registryUrl }).register(subject, INTERACTION_EVENT_SCHEMA)
        print(`${subject}: schema ${id}`)
      }),
    )
}
