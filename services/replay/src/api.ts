import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { Readable } from 'node:stream'
import { plainJson, type DeadLetterKeys } from '@weir/contracts'
import type { PartitionList } from '@weir/consumer'
import {
  isJsonObject,
  numberText,
  parseExactJson,
  replaceExactNumbers,
  type JsonObject,
} from '@weir/exact-json'
import { isLocal, readinessAnswer, type Metrics, type Readiness } from '@weir/service-kit'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { z } from 'zod'
import {
  describeLetter,
  EXPORT_FORMAT_NAMES,
  exportFormatOf,
  exportLetter,
  hexPreview,
  letterBody,
} from './export-letter.ts'
import {
  jobRequest,
  letterFilter,
  NO_COUNTS,
  STAGE_NAMES,
  type Command,
  type Job,
  type LetterFilter,
} from './job.ts'
import { rehearse, type ChunkOptions } from './job-chunk.ts'
import { matches, readLetter, type Letter } from './letter.ts'
import type { CommandLog } from './command-log.ts'
import type { LetterReader } from './letters.ts'
import type { StateView } from './state-view.ts'

export interface ApiOptions {
  /** `name:token`, one for each person or tool. */
  readonly tokens: readonly string[]
  readonly letters: LetterReader
  /** With which a dry run is made. */
  readonly returning: ChunkOptions
  readonly state: StateView
  readonly commands: CommandLog
  readonly keys: DeadLetterKeys | undefined
  readonly send: (command: Command, id: string) => Promise<void>
  readonly readiness: Readiness
  readonly partitions: PartitionList
  readonly metrics: Metrics
}

const LIST_MAX = 1_000
const BODY_BYTES_MAX = 65_536
const JSON_LINES = 'application/x-ndjson'

const listQuery = letterFilter.extend({
  limit: z.coerce.number().int().min(1).max(LIST_MAX).default(100),
  format: z
    .string()
    .default('weir')
    .transform((name, context) => {
      const format = exportFormatOf(name)
      if (format !== undefined) return format
      context.addIssue({ code: 'custom', message: `give one of ${EXPORT_FORMAT_NAMES.join(', ')}` })
      return z.NEVER
    }),
  from: z.iso
    .datetime({ offset: true })
    .transform((iso) => Date.parse(iso))
    .optional(),
  to: z.iso
    .datetime({ offset: true })
    .transform((iso) => Date.parse(iso))
    .optional(),
})
const place = z.strictObject({
  stage: z.enum(STAGE_NAMES as unknown as readonly ['dedup', 'normalizer', 'persistence']),
  partition: z.coerce.number().int().min(0).max(10_000),
  offset: z
    .string()
    .regex(/^\d{1,19}$/)
    .transform(BigInt),
})
const createBody = jobRequest.extend({
  dryRun: z.boolean().default(false),
  /** Chosen by the caller, so that a request sent twice is one job. */
  id: z.uuid().optional(),
})

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** The name of the token's holder; undefined for no or a wrong token. Compares all, in constant time. */
const holderOf = (request: FastifyRequest, tokens: readonly string[]): string | undefined => {
  const given = digest(request.headers.authorization ?? '')
  let holder: string | undefined
  for (const entry of tokens) {
    const at = entry.indexOf(':')
    if (timingSafeEqual(given, digest(`Bearer ${entry.slice(at + 1)}`))) holder = entry.slice(0, at)
  }
  return holder
}

class BadRequestError extends Error {
  readonly statusCode = 400
}

const parsed = <T>(schema: z.ZodType<T>, value: unknown): T => {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new BadRequestError(
    result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
  )
}

/** Numbers that a fix-up sets keep their digits; all others are of this program. */
const parseBody = (text: string): unknown => {
  const exact = parseExactJson(text)
  const body: unknown = replaceExactNumbers(exact, (number) => Number(numberText(number)))
  if (!isJsonObject(body) || !isJsonObject(body.fixUp) || !isJsonObject(body.fixUp.set)) return body
  const { set } = (exact as { readonly fixUp: JsonObject }).fixUp
  return { ...body, fixUp: { ...body.fixUp, set } }
}

/** The HTTP side: listing, showing, exporting, jobs. Listens on nothing yet. */
export const buildApi = (options: ApiOptions): FastifyInstance => {
  const { tokens, state, readiness, metrics, partitions } = options
  const app = fastify({ logger: false, bodyLimit: BODY_BYTES_MAX, forceCloseConnections: true })
  app.setReplySerializer((body) => plainJson(body))
  app.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 503
    const text = status < 500 ? error.message : 'The dead letters cannot be reached'
    await reply.code(status).send({ error: text })
  })
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    // A cancellation has no body.
    try {
      done(null, body === '' ? undefined : parseBody(body as string))
    } catch {
      done(new BadRequestError('the body is not JSON'))
    }
  })
  app.get('/livez', () => ({ status: 'live' }))
  app.get('/readyz', (_request, reply) => {
    const { status, body } = readinessAnswer(readiness, partitions.parked())
    return reply.code(status).type('application/json').send(body)
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  )
  for (const [name, answer] of Object.entries(partitions.routes)) {
    const [method, url] = name.split(' ') as [string, string]
    app.route({
      ...{ method, url },
      handler: async (request, reply) => {
        if (!isLocal(request.raw)) return reply.code(403).send({ error: 'Ask from this machine' })
        const { status, body } = await answer(new URLSearchParams(request.query as Record<string, string>))
        return reply.code(status).send(body)
      },
    })
  }
  void app.register((v1, _options, done) => {
    v1.decorateRequest('holder', '')
    v1.addHook('onRequest', async (request, reply) => {
      const holder = holderOf(request, tokens)
      if (holder === undefined) return reply.code(401).send({ error: 'Unauthorized' })
      request.setDecorator('holder', holder)
    })
    addLetterRoutes(v1, options)
    addJobRoutes(v1, options)
    v1.get('/v1/jobs', async () => ({ jobs: await state.jobs() }))
    done()
  })
  return app
}

const addLetterRoutes = (v1: FastifyInstance, options: ApiOptions): void => {
  const { letters, state, keys } = options
  v1.get('/v1/letters', async (request) => {
    const { limit, format: _, ...filter } = parsed(listQuery, request.query)
    const found: object[] = []
    await eachMatch(options, filter, (letter) => {
      found.push(describeLetter(letter))
      return found.length < limit
    })
    return { letters: found }
  })
  v1.get('/v1/letters/count', async (request) => {
    const { limit: _, format: __, ...filter } = parsed(listQuery, request.query)
    return { count: await countMatches(options, filter) }
  })
  v1.get('/v1/letters/export', async (request, reply) => {
    const { limit: _, format, ...filter } = parsed(listQuery, request.query)
    const lines: string[] = []
    await eachMatch(options, filter, (letter) => {
      lines.push(`${JSON.stringify(exportLetter(letter, format, keys))}\n`)
      return lines.length < EXPORT_MAX
    })
    return reply.type(JSON_LINES).send(Readable.from(lines))
  })
  v1.get('/v1/letters/:stage/:partition/:offset', async (request, reply) => {
    const { stage, partition, offset } = parsed(place, request.params)
    await state.refresh()
    let letter: Letter | undefined
    if (!(await letters.offsets(stage)).has(partition)) return reply.code(404).send({ error: 'Not found' })
    await letters.read(stage, { partition, from: offset, end: offset + 1n }, (record) => {
      letter = readLetter(stage, record, state.marks.statusOf(stage, partition, offset))
      return false
    })
    if (letter?.offset !== offset) return reply.code(404).send({ error: 'Not found' })
    const body = letterBody(letter, keys)
    const preview = body === undefined ? 'sealed with a key that is not given' : hexPreview(body)
    return { ...describeLetter(letter), bytes: body?.length ?? null, preview }
  })
}

/** One answer's letters; a larger export is made in parts, by time. */
const EXPORT_MAX = 100_000

const addJobRoutes = (v1: FastifyInstance, options: ApiOptions): void => {
  const { state, commands, send } = options
  const find = async (id: string): Promise<Job | undefined> =>
    (await state.jobs()).find((job) => job.id === id)
  v1.post('/v1/jobs', async (request, reply) => {
    const { dryRun, id = randomUUID(), ...wanted } = parsed(createBody, request.body)
    if (dryRun) {
      await state.refresh()
      const { counts, stays } = await rehearse(wanted, state.marks, options.returning)
      return { dryRun: true, count: counts.matched, counts, stays }
    }
    const job: Job = {
      ...{ ...wanted, id, state: 'waiting', cursor: {}, end: {}, counts: NO_COUNTS, finishedAt: null },
      ...{ requestedBy: request.getDecorator<string>('holder'), requestedAt: Date.now() },
    }
    await send({ kind: 'create', job }, id)
    return reply.code(202).send({ id })
  })
  v1.get('/v1/jobs/:id', async (request, reply) => {
    const job = await find((request.params as { id: string }).id)
    return job ?? reply.code(404).send({ error: 'Not found' })
  })
  v1.post('/v1/jobs/:id/cancel', async (request, reply) => {
    const { id } = request.params as { id: string }
    if ((await find(id)) === undefined && !(await commands.isRequested(id)))
      return reply.code(404).send({ error: 'Not found' })
    await send({ kind: 'cancel', id }, id)
    return reply.code(202).send({ id })
  })
}

const eachMatch = async (
  { letters, state }: ApiOptions,
  filter: LetterFilter,
  onLetter: (letter: Letter) => boolean,
): Promise<void> => {
  await state.refresh()
  const { stage } = filter
  await letters.readAll(stage, (record) => {
    const letter = readLetter(stage, record, state.marks.statusOf(stage, record.partition, record.offset))
    return matches(letter, filter) ? onLetter(letter) : true
  })
}

const countMatches = async (options: ApiOptions, filter: LetterFilter): Promise<number> => {
  let count = 0
  await eachMatch(options, filter, () => {
    count += 1
    return true
  })
  return count
}
