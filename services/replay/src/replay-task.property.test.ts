import type { DeadLetterReason } from '@weir/contracts'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { jobRequest, NO_COUNTS, type Job } from './jobs/job.ts'
import { ModelReplay, PARTITION_NUMBERS, PARTITIONS, REASONS } from './testing/model-replay.ts'

const id = fc.constantFrom('job-1', 'job-2', 'job-3')
const partition = fc.nat(PARTITIONS - 1)
const step = fc.oneof(
  fc.record({
    kind: fc.constant('write' as const),
    partition,
    reasons: fc.array(fc.constantFrom(...REASONS), { minLength: 1, maxLength: 5 }),
    outcome: fc.constantFrom('open' as const, 'aborted' as const, 'committed' as const, 'committed' as const),
  }),
  fc.record({ kind: fc.constant('abort' as const), partition }),
  fc.record({ kind: fc.constant('expire' as const), partition, before: fc.nat(20) }),
  fc.record({
    kind: fc.constant('create' as const),
    id,
    reason: fc.option(fc.constantFrom(...REASONS), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('cancel' as const), id }),
  fc.record({ kind: fc.constant('tick' as const), id, step: fc.nat(4) }),
  fc.record({
    kind: fc.constant('work' as const),
    fate: fc.constantFrom(
      ...(['lives', 'lives', 'killed before the commit', 'killed after the commit'] as const),
    ),
  }),
)

const jobOf = (id: string, reason: DeadLetterReason | undefined): Job => ({
  ...jobRequest.parse({ kind: 'replay', filter: { stage: 'normalizer', reason }, ratePerSec: 100_000 }),
  id,
  requestedBy: 'ann',
  requestedAt: 1,
  state: 'waiting',
  cursor: {},
  end: {},
  counts: NO_COUNTS,
  finishedAt: null,
})

const STEPS_MAX = 1_000
const workOff = async (model: ModelReplay): Promise<void> => {
  for (let steps = 0; await model.work('lives'); steps++) {
    if (steps > STEPS_MAX) throw new Error('a job does not end')
  }
}

it('ends each job and returns each matching letter once, whatever happens in between', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const model = new ModelReplay()
      for (const one of steps) {
        if (one.kind === 'write') model.write(one.partition, one.reasons, one.outcome)
        else if (one.kind === 'abort') model.letters.end(one.partition, 'aborted')
        else if (one.kind === 'expire') model.letters.expire(one.partition, one.before)
        else if (one.kind === 'create') model.ask({ kind: 'create', job: jobOf(one.id, one.reason) })
        else if (one.kind === 'cancel') model.ask({ kind: 'cancel', id: one.id })
        else if (one.kind === 'tick') model.ask({ kind: 'tick', id: one.id, step: one.step })
        else await model.work(one.fate)
      }
      // Letters of a transaction that never ends keep no job from ending.
      await workOff(model)
      for (const job of model.jobs.values()) expect(['done', 'cancelled']).toContain(job.state)
      for (const partition of PARTITION_NUMBERS) model.letters.end(partition, 'committed')
      model.ask({ kind: 'create', job: jobOf('last', undefined) })
      await workOff(model)
      const ids = model.returned.map((one) => one.id)
      expect(new Set(ids).size).toBe(ids.length)
      const all = model.all()
      for (const { id, isKept } of all) if (isKept) expect(ids).toContain(id)
      for (const id of ids) expect(all.map((one) => one.id)).toContain(id)
      await model.kill()
    }),
    { numRuns: 1_000 },
  )
})
