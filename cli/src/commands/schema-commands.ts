import {
  approvedShapeKey,
  decodeObservedShape,
  topicNames,
  INTERACTION_EVENT_SCHEMA,
  type ObservedShape,
} from '@weir/contracts'
import { Registry, subjectOf } from '@weir/event-codec'
import { openLanes, openTopicReader } from '@weir/kafka'
import { ShapeCache } from '@weir/normalizer'
import { ConfigError, createLogger } from '@weir/runtime'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { loadRegistryConfig, loadSchemaConfig } from '../config.ts'
import { followJob } from '../replay/follow-job.ts'
import { noted } from '../operator-notes.ts'
import { print, printRows, progress, withJson, type OutputOptions, type Row } from '../output.ts'
import { replayClient, type ReplayClient } from '../replay/replay-client.ts'
import { pagesOf } from '../replay/replay-pages.ts'

/**
 * Longer than normalizers take to read approvals again, so that letters which arrive in the meantime are released too.
 */
const APPROVAL_SPREAD_MS = 3_000
const HELD = { stage: 'normalizer', reason: 'unknown_field' } as const
/** The most letters that one response of the replay service lists. */
const LETTERS_MAX = 1_000

const COLUMNS = {
  source: 'SOURCE',
  eventType: 'EVENT TYPE',
  version: 'VERSION',
  fingerprint: 'FINGERPRINT',
  count: 'EVENTS',
  share: 'SHARE',
  firstSeen: 'FIRST SEEN',
  lastSeen: 'LAST SEEN',
  half: '50% AFTER',
  nineTenths: '90% AFTER',
}
const HELD_COLUMNS = {
  source: 'SOURCE',
  fingerprint: 'FINGERPRINT',
  letters: 'LETTERS',
  lastSeen: 'LAST SEEN',
  example: 'EXAMPLE',
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

const iso = (at: number): string => new Date(at).toISOString()
const after = (ms: number | null): string | undefined => (ms === null ? undefined : `${ms} ms`)

const shapeRows = (shapes: readonly ObservedShape[]): readonly Row[] => {
  const totals = new Map<string, number>()
  const typeOf = ({ source, eventType }: ObservedShape): string => JSON.stringify([source, eventType])
  for (const shape of shapes) totals.set(typeOf(shape), (totals.get(typeOf(shape)) ?? 0) + shape.count)
  return shapes.map((shape) => ({
    source: shape.source,
    eventType: shape.eventType,
    version: shape.version,
    fingerprint: shape.fingerprint,
    count: shape.count,
    share: `${((100 * shape.count) / totals.get(typeOf(shape))!).toFixed(1)}%`,
    firstSeen: iso(shape.firstSeenAt),
    lastSeen: iso(shape.lastSeenAt),
    half: after(shape.reachedHalfMs),
    nineTenths: after(shape.reachedNineTenthsMs),
  }))
}

interface HeldLetter {
  readonly source: string
  readonly fingerprint?: string | null
  readonly partition: number
  readonly offset: string | number
  readonly lastFailedAt: number
}

const heldLetters = async (
  client: ReplayClient,
  filter: Readonly<Record<string, string>> = {},
): Promise<readonly HeldLetter[]> =>
  (await pagesOf(client, 'letters', { ...HELD, ...filter }, LETTERS_MAX)) as unknown as readonly HeldLetter[]

/** Held shapes, with the number of letters that wait for each. */
const heldRows = async (): Promise<readonly Row[]> => {
  const letters = await heldLetters(replayClient())
  if (letters.length === LETTERS_MAX) progress(`Only the first ${LETTERS_MAX} letters are counted.`)
  const shapes = Map.groupBy(letters, ({ source, fingerprint }) => JSON.stringify([source, fingerprint]))
  return [...shapes.values()].map((all) => {
    const { source, fingerprint, partition, offset } = all[0]!
    const lastSeen = iso(Math.max(...all.map(({ lastFailedAt }) => lastFailedAt)))
    return { source, fingerprint, letters: all.length, lastSeen, example: `${partition}/${offset}` }
  })
}

/** Paths of a held shape, from the body of one of its letters; undefined when none waits. */
const heldPaths = async (fingerprint: string): Promise<ReadonlySet<string> | undefined> => {
  const client = replayClient()
  const [letter] = await heldLetters(client, { fingerprint })
  if (letter === undefined) return undefined
  const { lastFailedAt, source } = letter
  // The letter's time keeps the export small.
  const moment = { from: iso(lastFailedAt), to: iso(lastFailedAt + 1) }
  const query = new URLSearchParams({ ...HELD, fingerprint, source, ...moment, format: 'weir' })
  let text = ''
  for await (const more of client.stream(`/v1/letters/export?${query.toString()}`)) {
    text += more
    if (more.includes('\n')) break
  }
  const [line = ''] = text.split('\n')
  const { body } = JSON.parse(line) as { readonly body?: string | null }
  if (typeof body !== 'string') return undefined
  return new Set(new ShapeCache().shapeOf(JSON.parse(Buffer.from(body, 'base64').toString())).paths)
}

const diff = async (a: string, b: string): Promise<void> => {
  const shapes = await observedShapes()
  const pathsOf = async (wanted: string): Promise<ReadonlySet<string>> => {
    const found = shapes.find(({ fingerprint }) => fingerprint === wanted)
    const paths = found ? new Set(found.paths) : await heldPaths(wanted)
    if (paths === undefined) {
      throw new ConfigError(
        `There is no shape ${wanted}: see \`weir schema ls\` and \`weir schema ls --held\`.`,
      )
    }
    return paths
  }
  const first = await pathsOf(a)
  const second = await pathsOf(b)
  for (const path of first) if (!second.has(path)) print(`- ${path}`)
  for (const path of second) if (!first.has(path)) print(`+ ${path}`)
}

/** A person who approves an unknown shape has most likely mistyped it. */
const requireShape = async (source: string, fingerprint: string): Promise<void> => {
  const isNumbered = (await observedShapes()).some(
    (shape) => shape.source === source && shape.fingerprint === fingerprint,
  )
  if (isNumbered || (await heldLetters(replayClient(), { source, fingerprint })).length > 0) return
  throw new ConfigError(
    `Source ${source} has no shape ${fingerprint}, and no letter waits for one: see \`weir schema ls --held\`.`,
  )
}

const approve = async (source: string, fingerprint: string): Promise<void> => {
  const { user, ...settings } = loadSchemaConfig()
  const lanes = await openLanes({
    settings: { ...settings, topicPartitions: 1 },
    logger: createLogger('weir', 'silent'),
    topic: topicNames(settings.topicPrefix).schemasApproved,
    lingerMs: 0,
    deadlineMs: 10_000,
    batchRecordsMax: 10,
    batchBytesMax: 100_000,
    queueBytesMax: 1_000_000,
  })
  const approval = { source, fingerprint, approvedBy: user, approvedAt: Date.now() }
  const key = Buffer.from(approvedShapeKey(source, fingerprint))
  await lanes.send(0, { key, value: Buffer.from(JSON.stringify(approval)), headers: {} })
  await lanes.close()
}

export const addSchemaCommands = (program: Command): void => {
  const schema = program.command('schema').description('Shapes of payloads, and the schema of events.')
  withJson(schema.command('ls'))
    .description('Lists every numbered shape: events, share, when it appeared.')
    .option('--held', 'list the shapes that wait for an approval, with their letters')
    .action(async ({ held, json = false }: OutputOptions & { readonly held?: boolean }) => {
      if (held) printRows(HELD_COLUMNS, await heldRows(), { json })
      else printRows(COLUMNS, shapeRows(await observedShapes()), { json })
    })
  schema
    .command('diff <a> <b>')
    .description('Lists the paths in which two shapes differ; each is given by number or fingerprint.')
    .action(diff)
  schema
    .command('approve <source> <fingerprint>')
    .description('Lets a held shape pass from now on, and releases exactly the letters that wait for it.')
    .action(async (source: string, fingerprint: string) => {
      await requireShape(source, fingerprint)
      await noted(loadSchemaConfig(), 'schema.approve', { source, fingerprint }, () =>
        approve(source, fingerprint),
      )
      await sleep(APPROVAL_SPREAD_MS)
      const client = replayClient()
      const { id } = await client.post('/v1/jobs', {
        kind: 'replay',
        filter: { ...HELD, source, fingerprint },
      })
      await followJob(client, String(id))
    })
  schema
    .command('register')
    .description(
      'Sets the compatibility of the subject of events and registers the schema: a step of a deployment.',
    )
    .action(async () => {
      const { registryUrl, topicPrefix } = loadRegistryConfig()
      const subject = subjectOf(topicNames(topicPrefix).normalized)
      const id = await new Registry({ registryUrl }).register(subject, INTERACTION_EVENT_SCHEMA)
      print(`${subject}: schema ${id}`)
    })
}
