import { createHash, randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { ApiOptions } from './api-options.ts'
import { approvalOf, areNeeded, isSameName, whyNotApproved } from '../jobs/approvals.ts'
import { ForbiddenError, holderOf, noting, requireOperator } from './guard.ts'
import { NO_COUNTS, type Command, type FixUp, type Job } from '../jobs/job.ts'
import { countLetters, rehearse } from '../jobs/job-chunk.ts'
import { isEnded } from '../jobs/job-table.ts'
import { approveBody, BadRequestError, createBody, jobsQuery, parsed, requireDoable } from './requests.ts'
import type { ScanLimit } from './scans.ts'

/** Running jobs take turns, so their number is limited. */
const OPEN_JOBS_MAX = 100

class TooManyJobsError extends Error {
  readonly statusCode = 429
}

/** A job in a list, without its positions and the content of its fix-up. */
const describeJob = ({ cursor: _, end: __, fixUp, ...job }: Job) => ({ ...job, fixUp: fixUp?.name ?? null })

const noteOf = ({ id, filter, ratePerSec, fixUp, letters }: Job) => ({
  job: id,
  filter,
  ratePerSec,
  letters,
  fixUp: fixUpNote(fixUp),
})

/** A fix-up may hold text of a body, so the audit log gets only its name and hash. */
const fixUpNote = (fixUp: FixUp | undefined) =>
  fixUp && { name: fixUp.name, sha256: createHash('sha256').update(JSON.stringify(fixUp)).digest('hex') }

const finder =
  ({ state }: ApiOptions) =>
  async (id: string): Promise<Job | undefined> =>
    (await state.jobs()).find((job) => job.id === id)

/** Where approvals are set, counts the letters first. The job will take only the counted ones. */
const beginning = async (
  job: Job,
  { approvals, letters, state }: ApiOptions,
  scans: ScanLimit,
): Promise<Extract<Command, { job: Job }>> => {
  if (!areNeeded(approvals)) return { kind: 'create', job }
  const end = scans.begin(job.requestedBy)
  try {
    await state.refresh()
    const counted = { ...job, ...(await countLetters(letters, state.marks, job.filter)) }
    return { kind: 'propose', job: { ...counted, approval: approvalOf(counted, approvals) } }
  } finally {
    end()
  }
}

/** Routes to begin, show, approve and cancel replays and discards. */
export const addJobRoutes = (v1: FastifyInstance, options: ApiOptions, scans: ScanLimit): void => {
  const { state, commands, send } = options
  const note = noting(options.audit)
  const find = finder(options)
  /** Jobs that were requested here and are not in the state yet. */
  const sent = new Set<string>()
  /** Reserves the place at once, so that a concurrent request does not get it too. */
  const takeRoom = async (id: string): Promise<void> => {
    const jobs = await state.jobs()
    for (const job of jobs) sent.delete(job.id)
    const open = jobs.filter((job) => !isEnded(job)).length + sent.size
    if (open >= OPEN_JOBS_MAX && !sent.has(id) && !jobs.some((job) => job.id === id)) {
      throw new TooManyJobsError(`${open} jobs are still open: cancel some, or wait until they end`)
    }
    sent.add(id)
  }
  v1.post('/v1/jobs', async (request, reply) => {
    const { dryRun, id = randomUUID(), ...wanted } = parsed(createBody, request.body)
    requireDoable(wanted, request.body)
    const { name: holder } = holderOf(request)
    if (dryRun) {
      const end = scans.begin(holder)
      try {
        await state.refresh()
        const { counts, stays } = await rehearse(wanted, state.marks, options.returning)
        return { dryRun: true, count: counts.matched, counts, stays }
      } finally {
        end()
      }
    }
    requireOperator(request)
    await takeRoom(id)
    const job: Job = {
      ...wanted,
      id,
      state: 'waiting',
      cursor: {},
      end: {},
      counts: NO_COUNTS,
      requestedBy: holder,
      requestedAt: Date.now(),
      finishedAt: null,
    }
    try {
      const command = await beginning(job, options, scans)
      const { approval } = command.job
      await note(request, `job.${job.kind}`, { ...noteOf(command.job), approval })
      await send(command, id)
      void reply.code(202)
      return { id, approval }
    } catch (error) {
      sent.delete(id)
      throw error
    }
  })
  v1.get('/v1/jobs', async (request) => {
    const { limit, after } = parsed(jobsQuery, request.query)
    const jobs = await state.jobs()
    const at = after === undefined ? 0 : jobs.findIndex(({ id }) => id === after) + 1
    if (after !== undefined && at === 0) throw new BadRequestError('after: this job no longer exists')
    const page = jobs.slice(at, at + limit)
    return { jobs: page.map(describeJob), next: at + limit < jobs.length ? page.at(-1)!.id : null }
  })
  v1.get('/v1/jobs/:id', async (request, reply) => {
    const job = await find((request.params as { id: string }).id)
    return job ?? reply.code(404).send({ error: 'Not found' })
  })
  v1.post('/v1/jobs/:id/cancel', async (request, reply) => {
    requireOperator(request)
    const { id } = request.params as { id: string }
    const job = await find(id)
    if (job === undefined && !(await commands.isRequested(id)))
      return reply.code(404).send({ error: 'Not found' })
    if (job?.state === 'done')
      throw new BadRequestError('the job has already ended, so it cannot be cancelled')
    await note(request, 'job.cancel', { job: id })
    await send({ kind: 'cancel', id }, id)
    return reply.code(202).send({ id })
  })
}

/** Approval by a second operator. */
export const addApprovalRoute = (v1: FastifyInstance, options: ApiOptions): void => {
  const note = noting(options.audit)
  const find = finder(options)
  v1.post('/v1/jobs/:id/approve', async (request, reply) => {
    requireOperator(request)
    const { id } = request.params as { id: string }
    const { name } = holderOf(request)
    const job = await find(id)
    if (job === undefined) return reply.code(404).send({ error: 'Not found' })
    const why = whyNotApproved(job, name, Date.now())
    if (why !== undefined)
      throw isSameName(job.requestedBy, name) ? new ForbiddenError(why) : new BadRequestError(why)
    const { requestedAt: seen } = parsed(approveBody, request.body ?? {})
    const { kind, requestedBy, requestedAt } = job
    if (seen !== undefined && seen !== requestedAt)
      throw new BadRequestError('this id now belongs to another job: read the job again')
    await note(request, 'job.approve', { ...noteOf(job), kind, requestedBy })
    await options.send({ kind: 'approve', id, by: name, requestedAt }, id)
    return reply.code(202).send({ id })
  })
}
