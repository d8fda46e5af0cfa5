import fc from 'fast-check'
import { expect, it } from 'vitest'
import { APPROVAL_MS_MAX, approvalProblems, NO_APPROVALS, parseApprovals } from './approvals.ts'
import { loadConfig } from '../config.ts'
import { encodeJson, jobRequest, NO_COUNTS, type Job } from './job.ts'
import { ModelReplay, PARTITION_NUMBERS, PARTITIONS, REASONS } from '../testing/model-replay.ts'

const OVER = 2
const FIX_UP = { name: 'f', replaceText: [], set: { b: 1 }, rename: {}, remove: [] }
const APPROVALS = parseApprovals(['fix-up', 'discard', `over:${OVER}`])
const NAMES = ['ann', 'bob'] as const

const partition = fc.nat(PARTITIONS - 1)
const which = fc.nat(5)
const work = fc.record({
  kind: fc.constant('work' as const),
  fate: fc.constantFrom(
    ...(['lives', 'lives', 'lives', 'killed before the commit', 'killed after the commit'] as const),
  ),
})
const beginning = fc.record({
  kind: fc.constantFrom('propose' as const, 'create' as const),
  /** Whether the instance that is asked has these settings too. */
  isSet: fc.boolean(),
  isDiscard: fc.boolean(),
  isFixedUp: fc.boolean(),
  isLate: fc.boolean(),
  reason: fc.option(fc.constantFrom(...REASONS), { nil: undefined }),
  status: fc.constantFrom('pending_inspection' as const, 'any' as const, 'replayed' as const),
  by: fc.constantFrom(...NAMES),
})
type Asked = typeof beginning extends fc.Arbitrary<infer T> ? T : never
const step = fc.oneof(
  fc.record({
    kind: fc.constant('write' as const),
    partition,
    reasons: fc.array(fc.constantFrom(...REASONS), { minLength: 1, maxLength: 3 }),
    outcome: fc.constantFrom('open' as const, 'committed' as const),
  }),
  beginning,
  fc.record({ kind: fc.constant('approve' as const), which, by: fc.constantFrom(...NAMES) }),
  fc.record({ kind: fc.constant('cancel' as const), which }),
  fc.record({ kind: fc.constant('tick' as const), which, step: fc.nat(3) }),
  fc.constant({ kind: 'expire' as const }),
  work,
)

const jobOf = (n: number, asked: Asked): Job => ({
  ...jobRequest.parse({
    kind: asked.isDiscard ? 'discard' : 'replay',
    filter: { stage: 'normalizer', reason: asked.reason, status: asked.status },
    ratePerSec: 100_000,
    replaysMax: 100,
  }),
  ...(asked.isFixedUp && !asked.isDiscard && { fixUp: FIX_UP }),
  id: `job-${n}`,
  requestedBy: asked.by,
  requestedAt: asked.isLate ? Date.now() - APPROVAL_MS_MAX : Date.now(),
  state: 'waiting',
  cursor: {},
  end: {},
  counts: NO_COUNTS,
  finishedAt: null,
})

/** What has touched a letter was allowed to, and no more than it was counted for. */
const expectAllowed = (job: Job): void => {
  const { approval, counts, requestedBy, letters, kind, fixUp } = job
  if (counts.scanned === 0) return
  if (letters !== undefined) expect(counts.matched).toBeLessThanOrEqual(letters)
  if (approval === undefined) {
    expect([kind, fixUp]).toEqual(['replay', undefined])
    expect(counts.matched).toBeLessThanOrEqual(OVER)
    return
  }
  expect(NAMES.filter((name) => name !== requestedBy)).toContain(approval.by)
  expect(approval.at).toBeLessThan(approval.expiresAt)
}

const workOff = async (model: ModelReplay): Promise<void> => {
  for (let steps = 0; await model.work('lives'); steps++) {
    if (steps > 1_000) throw new Error('a job does not end')
    for (const job of model.jobs.values()) expectAllowed(job)
  }
}

it('changes no letter for a job that no other operator approved, whatever happens in between', async () => {
  const seen = { approved: 0, free: 0, late: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), async (steps) => {
      const model = new ModelReplay(APPROVALS)
      const approvers = new Map<string, Set<string>>()
      let count = 0
      for (const one of steps) {
        if (one.kind === 'write') model.write(one.partition, one.reasons, one.outcome)
        else if (one.kind === 'propose')
          await model.propose(jobOf(count++, one), one.isSet ? APPROVALS : NO_APPROVALS)
        else if (one.kind === 'create') model.ask({ kind: 'create', job: jobOf(count++, one) })
        else if (one.kind === 'approve') {
          const id = `job-${one.which}`
          approvers.set(id, (approvers.get(id) ?? new Set()).add(one.by))
          model.ask({ kind: 'approve', id, by: one.by })
        } else if (one.kind === 'cancel') model.ask({ kind: 'cancel', id: `job-${one.which}` })
        else if (one.kind === 'tick') model.ask({ kind: 'tick', id: `job-${one.which}`, step: one.step })
        else if (one.kind === 'work') await model.work(one.fate)
        else model.ask({ kind: 'expire' })
        for (const job of model.jobs.values()) expectAllowed(job)
      }
      await workOff(model)
      for (const { id, state, approval } of model.jobs.values()) {
        if (approval?.by !== undefined) expect(approvers.get(id)).toContain(approval.by)
        else if (state === 'waiting') expect(approval).toBeDefined()
        if (state === 'running') throw new Error(`${id} does not end`)
      }
      // Once two names have approved and time has come, nothing waits.
      for (const id of model.jobs.keys()) for (const by of NAMES) model.ask({ kind: 'approve', id, by })
      model.ask({ kind: 'expire' })
      await workOff(model)
      for (const { state, approval, counts } of model.jobs.values()) {
        expect(['done', 'cancelled']).toContain(state)
        if (approval?.by !== undefined) seen.approved += counts.done
        else if (approval === undefined) seen.free += counts.done
        else seen.late += 1
      }
      for (const one of PARTITION_NUMBERS) model.letters.end(one, 'committed')
      await model.kill()
    }),
    { numRuns: 300 },
  )
  // Jobs of each fate were among them.
  for (const [fate, number] of Object.entries(seen)) expect([fate, number > 10]).toEqual([fate, true])
}, 60_000)

it('runs an approved job that an older version skipped or left waiting', async () => {
  const model = new ModelReplay(APPROVALS)
  model.write(0, ['unmappable'], 'committed')
  const asked: Asked = {
    kind: 'propose',
    isSet: true,
    isDiscard: false,
    isFixedUp: true,
    isLate: false,
    reason: undefined,
    status: 'pending_inspection',
    by: 'ann',
  }
  await model.propose(jobOf(0, asked))
  const older = ['create', 'cancel', 'tick', 'expire']
  for (const { value } of model.commands.readable(0)) {
    expect(older).not.toContain((JSON.parse(value!.toString()) as { kind: string }).kind)
  }
  await workOff(model)
  // It runs nothing but jobs that are stored as running.
  expect(model.jobs.get('job-0')).toMatchObject({ state: 'waiting', approval: { why: ['fix-up'] } })
  // Letters that come while it waits were not counted, and are not what is approved.
  model.write(0, ['unmappable', 'unmappable'], 'committed')
  await model.kill()
  model.ask({ kind: 'approve', id: 'job-0', by: 'ann' })
  await workOff(model)
  expect(model.returned).toEqual([])
  model.ask({ kind: 'approve', id: 'job-0', by: 'bob' })
  model.ask({ kind: 'approve', id: 'job-0', by: 'bob' })
  await workOff(model)
  expect(model.jobs.get('job-0')).toMatchObject({ state: 'done', letters: 1, counts: { done: 1 } })
  expect(model.returned).toEqual([{ id: 'letter-0', job: 'job-0' }])
  await model.kill()
})

it('runs only the request that was approved: an approval of an earlier or later one with its id does nothing', async () => {
  const model = new ModelReplay(APPROVALS)
  model.write(0, ['unmappable'], 'committed')
  const asked: Asked = {
    kind: 'propose',
    isSet: true,
    isDiscard: true,
    isFixedUp: false,
    isLate: false,
    reason: undefined,
    status: 'pending_inspection',
    by: 'ann',
  }
  const job = jobOf(0, asked)
  await model.propose(job)
  for (const requestedAt of [job.requestedAt - 1, job.requestedAt + 1, 0]) {
    model.ask({ kind: 'approve', id: job.id, by: 'bob', requestedAt })
  }
  await workOff(model)
  expect(model.jobs.get(job.id)).toMatchObject({ state: 'waiting', counts: { scanned: 0 } })
  model.ask({ kind: 'approve', id: job.id, by: 'bob', requestedAt: job.requestedAt })
  await workOff(model)
  expect(model.jobs.get(job.id)).toMatchObject({
    state: 'done',
    approval: { by: 'bob' },
    counts: { done: 1 },
  })
  await model.kill()
})

it('does not trust a forged count beyond the letters that exist', async () => {
  const model = new ModelReplay(parseApprovals(['over:5']))
  model.write(0, ['unmappable'], 'committed')
  const asked: Asked = {
    kind: 'propose',
    isSet: true,
    isDiscard: false,
    isFixedUp: false,
    isLate: false,
    reason: undefined,
    status: 'any',
    by: 'ann',
  }
  const end = { 0: '9223372036854775807', 7: '5' }
  model.ask({ kind: 'propose', job: { ...jobOf(0, asked), end, letters: 1 } })
  // Who sends a `create` has counted nothing.
  model.ask({ kind: 'create', job: { ...jobOf(1, asked), letters: 0 } })
  await workOff(model)
  expect(model.jobs.get('job-0')).toMatchObject({ state: 'done', end: { 0: '2', 1: '0' } })
  expect(model.jobs.get('job-1')).toMatchObject({ state: 'waiting', approval: { why: ['over:5'] } })
  expect(encodeJson(model.jobs.get('job-1')!).toString()).not.toContain('letters')
  await model.kill()
})

it('waits if only the instance that took the request has approvals set', async () => {
  const model = new ModelReplay(NO_APPROVALS)
  model.write(0, ['unmappable'], 'committed')
  const asked: Asked = {
    kind: 'propose',
    isSet: true,
    isDiscard: true,
    isFixedUp: false,
    isLate: false,
    reason: undefined,
    status: 'pending_inspection',
    by: 'ann',
  }
  await model.propose(jobOf(0, asked), APPROVALS)
  await workOff(model)
  expect(model.jobs.get('job-0')).toMatchObject({ state: 'waiting', approval: { why: ['discard'] } })
  await model.kill()
})

it('refuses settings that no request can satisfy', () => {
  expect(parseApprovals(['over:10', 'discard', 'over:3'])).toEqual({ fixUps: false, discards: true, over: 3 })
  expect(parseApprovals([])).toEqual(NO_APPROVALS)
  expect(parseApprovals(['over:0']).over).toBe(0)
  for (const wrong of ['over', 'over:', 'over:-1', 'over:1e3', 'fixups', 'Discard', '1000', 'over:1.5']) {
    expect(approvalProblems([wrong])).toHaveLength(1)
    expect(() => loadConfig({ ...ENV, REPLAY_APPROVALS: wrong })).toThrow(/REPLAY_APPROVALS has/)
  }
  const one = `ann:${'a token '.repeat(4)},ann:${'another '.repeat(4)},cy/viewer:${'a viewer '.repeat(4)}`
  expect(() => loadConfig({ ...ENV, REPLAY_APPROVALS: 'discard', REPLAY_TOKENS: one })).toThrow(/two names/)
  expect(loadConfig({ ...ENV, REPLAY_APPROVALS: 'discard, over:5' }).approvals).toEqual(['discard', 'over:5'])
  expect(loadConfig(ENV).approvals).toEqual([])
})

const ENV = {
  WEIR_PROFILE: 'dev',
  KAFKA_BROKERS: 'localhost:9092',
  SCHEMA_REGISTRY_URL: 'http://localhost:8081',
  REPLAY_TOKENS: `ann:${'a token '.repeat(4)},bob:${'another '.repeat(4)}`,
}
