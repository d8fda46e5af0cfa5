import { describe, expect, it } from 'vitest'
import { expectNoFaults, expectRepeatable, PATIENCE_MS } from '../../testing/expect-no-faults.ts'
import { OFFSETS } from '../model/model-broker.ts'
import { runSeed } from '../schedule/random-schedules.ts'
import { Random } from '../schedule/random.ts'
import { OUTPUT, STARTS, STATE } from './simulated-task.ts'
import { PROCESSOR_PLANTS } from './processor-plants.ts'
import { ProcessorSchedule, type ProcessorFaults } from './processor-schedule.ts'
import { processors } from './processor-schedules.ts'

describe('random schedules of a processor', () => {
  it.each(PROCESSOR_PLANTS)(
    'find: $name',
    { timeout: PATIENCE_MS },
    async ({ plant, finds, findsWithin }) => {
      for (let seed = 0; seed < findsWithin; seed++) {
        const { fault } = await runSeed(seed, processors(plant))
        if (fault !== undefined && finds.test(fault)) return
      }
      expect.fail(`not found in ${findsWithin} schedules`)
    },
  )

  it('find nothing in the product', { timeout: PATIENCE_MS }, () =>
    // No process can repair damage, so a single damage may park a partition.
    expectNoFaults(processors(), { schedules: 1_000, parkedShareMax: 0.2, parkingFaultsMin: 1 }),
  )

  it('are the same for the same seed', () => expectRepeatable(processors()))
})

const NO_FAULTS: ProcessorFaults = {
  joins: 0,
  leaves: 0,
  kills: 0,
  cuts: 0,
  freezesMs: [],
  leaderless: [],
  omissions: 0,
  reloads: 0,
  damage: undefined,
}

// Regression: an omitted marker was noticed only at the next commit, so the commit waited for more input, and a barrier
// waited 90 s.
it.each([`${OUTPUT}/0`, `${STATE}/0`, `${STARTS}/0`, OFFSETS])(
  'an omitted marker on %s does not block for long',
  async (name) => {
    for (let before = 0; before < 3; before++) {
      const schedule = new ProcessorSchedule({
        kind: 'keys',
        rule: 'remembers-epoch',
        random: new Random(1),
        upstream: ['a', 'b', 'c', 'd'].map((value) => ({ kind: 'record', value })),
        faults: { ...NO_FAULTS, omissions: 1 },
      })
      let left = before
      await schedule.run((events) => {
        const omission = events.find(({ key }) => key === `no marker on ${name}`)
        const marker = events.find(({ key }) => key === `marker ${name}`)
        if (omission !== undefined && left === 0) return omission
        if (marker !== undefined) left -= 1
        const calm = events.filter(({ actor }) => actor !== 'faults' && actor !== 'time')
        if (schedule.isDone || schedule.world.now > 30_000) return undefined
        return marker ?? calm[0] ?? events.find(({ actor }) => actor === 'time')
      })
      expect(schedule.fault()).toBeUndefined()
    }
  },
)

// Regression: a zombie reported a deleted offset, because it had read the offsets before its successor's first note and
// the notes after it.
it('a former owner that was suspended between two requests reports no contradiction', async () => {
  const schedule = new ProcessorSchedule({
    kind: 'copies',
    rule: 'remembers-epoch',
    random: new Random(1),
    upstream: [{ kind: 'record', value: 'a' }],
    faults: { ...NO_FAULTS, freezesMs: [24_000] },
  })
  const { world } = schedule
  const questions: string[] = []
  let sleeper: string | undefined
  await schedule.run((events) => {
    if (sleeper === undefined && world.lastLabel === 'OffsetFetch') {
      sleeper = events.find(({ key }) => key.endsWith(' gets OffsetFetch'))!.actor
      return events.find(({ key }) => key === `freeze ${sleeper}`)
    }
    if (world.now > 40_000) return undefined
    const calm = events.filter(({ actor }) => actor !== 'faults' && actor !== 'time')
    // The woken process continues before it hears from the group.
    const waking = calm.find(({ actor, key }) => actor === sleeper && !/Heartbeat|timer/.test(key))
    if (waking !== undefined) questions.push(waking.key.replace(`${sleeper} `, ''))
    return waking ?? calm[0] ?? events.find(({ actor }) => actor === 'time')
  })
  expect(questions).toContain('gets ListOffsets received/0 last')
  expect(schedule.parked).toEqual([])
  expect(schedule.fault()).toBeUndefined()
})

const TAKING_OVER = [
  'DescribeTransactions',
  'InitProducerId',
  'DescribeProducers unique/0',
  'WriteTxnMarkers',
]

describe.each([undefined, 32_697, 32_700])(
  'a committed transaction that was left open, from epoch %s',
  (epochBefore) => {
    it.each(TAKING_OVER)(
      'is ended as committed, even if its successor is killed after %s',
      async (request) => {
        const schedule = new ProcessorSchedule({
          kind: 'keys',
          rule: 'remembers-epoch',
          random: new Random(1),
          epochBefore,
          upstream: ['a', 'b'].map((value) => ({ kind: 'record', value })),
          faults: { ...NO_FAULTS, omissions: 1, kills: 2 },
        })
        const { world } = schedule
        let omittedAt: number | undefined
        let kills = 0
        await schedule.run((events) => {
          const omission = events.find(({ key }) => key === 'no marker on unique/0')
          if (omission !== undefined) {
            omittedAt = world.trace.length
            return omission
          }
          const asked = world.trace.slice(omittedAt).findLast((line) => !/Heartbeat|Fetch|Group/.test(line))
          if (omittedAt !== undefined && kills < 2 && world.lastLabel.startsWith(request)) {
            const owner = /ms {2}(member-\d+):/.exec(asked ?? '')?.[1]
            const kill = events.find(({ key }) => key === `kill ${owner}`)
            // The first kill hits the process that committed the transaction, during its check.
            if (kill !== undefined) {
              kills += 1
              return kill
            }
          }
          if (schedule.isOver || world.now > 300_000) return undefined
          const calm = events.filter(({ actor }) => actor !== 'faults' && actor !== 'time')
          return calm[0] ?? events.find(({ actor }) => actor === 'time')
        })
        // The marker ends the transaction.
        expect(kills).toBe(request === 'WriteTxnMarkers' ? 1 : 2)
        expect(schedule.parked).toEqual([])
        expect(schedule.fault()).toBeUndefined()
      },
    )
  },
)
