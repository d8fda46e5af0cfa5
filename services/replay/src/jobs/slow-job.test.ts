import { topicNames } from '@weir/contracts'
import type { EventReader } from '@weir/event-codec'
import type { InputBatch, RestoreContext } from '@weir/kafka'
import { createLogger } from '@weir/runtime'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { APPROVAL_MS_MAX, NO_APPROVALS } from './approvals.ts'
import { CommandLog } from './command-log.ts'
import { encodeJson, jobRequest, NO_COUNTS, RATE_MIN, type Command, type Job } from './job.ts'
import { LetterReader } from '../letters/letters.ts'
import { ReplayTask } from '../replay-task.ts'
import { letterOf } from '../testing/model-api.ts'
import { ModelTopic } from '../testing/model-topic.ts'

const topics = topicNames('')
const LETTERS = 20

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

const letters = () => {
  const topic = new ModelTopic(topics.normalizerDlq, 1)
  const letter = letterOf(Buffer.from('{"a":1}'))
  topic.append(
    0,
    Array.from({ length: LETTERS }, () => letter),
    'committed',
  )
  return topic
}

const jobOf = (id: string, ratePerSec: number): Job => ({
  ...jobRequest.parse({ kind: 'discard', filter: { stage: 'normalizer', status: 'any' } }),
  ratePerSec,
  id,
  requestedBy: 'ann',
  requestedAt: 1,
  state: 'waiting',
  cursor: {},
  end: {},
  counts: NO_COUNTS,
  finishedAt: null,
})

/** The stage and its input, one command after another. */
const model = async () => {
  const input: Command[] = []
  const commands = new ModelTopic(topics.replayCommands, 1)
  const stored = letters()
  const task = new ReplayTask({
    topics,
    approvals: NO_APPROVALS,
    partitions: 1,
    keys: undefined,
    bodyHashKey: 'key',
    sources: [],
    events: undefined as unknown as EventReader,
    logger: createLogger('test', 'silent'),
    letters: new LetterReader(topics, () => Promise.resolve(stored.reader)),
    commands: new CommandLog(() => Promise.resolve(commands.reader)),
    chunkLettersMax: 2,
    send: (command) => {
      input.push(command)
      return Promise.resolve()
    },
  })
  const state = { logStartOffset: 0n, read: () => Promise.resolve() }
  await task.restore({ state } as unknown as RestoreContext)
  const jobs = new Map<string, Job>()
  const work = async (): Promise<void> => {
    for (let command = input.shift(); command !== undefined; command = input.shift()) {
      const record = { key: null, value: encodeJson(command), headers: {}, offset: 0n }
      const { outputs, committed } = await task.process({ records: [record] } as unknown as InputBatch)
      for (const { topic, value } of outputs) {
        if (topic === topics.replayCommands) input.push(JSON.parse(value!.toString()) as Command)
        else if (value!.toString().startsWith('{')) {
          const job = JSON.parse(value!.toString()) as Job
          jobs.set(job.id, job)
        }
      }
      await committed?.(new Map())
    }
  }
  return { input, jobs, work, owner: task }
}

it.each([RATE_MIN, 1e-300])('does not let a job of %d letters a second delay another', async (rate) => {
  const { input, jobs, work, owner: task } = await model()
  input.push({ kind: 'create', job: jobOf('slow', rate) }, { kind: 'create', job: jobOf('fast', 100_000) })
  // No time passes: what waited inside the stage would wait for ever.
  await work()
  await vi.advanceTimersByTimeAsync(10)
  await work()
  await vi.advanceTimersByTimeAsync(10)
  await work()
  for (let i = 0; i < LETTERS && jobs.get('fast')?.state !== 'done'; i++) {
    await vi.advanceTimersByTimeAsync(10)
    await work()
  }
  expect(jobs.get('fast')).toMatchObject({ state: 'done', counts: { done: LETTERS } })
  expect(jobs.get('slow')).toMatchObject({ state: 'running', counts: { done: 1 } })
  await vi.advanceTimersByTimeAsync(9_000)
  await work()
  expect(jobs.get('slow')?.counts.done).toBe(1)
  await vi.advanceTimersByTimeAsync(1_000)
  await work()
  expect(jobs.get('slow')?.counts.done).toBe(2)
  await task.close()
  expect(vi.getTimerCount()).toBe(0)
})

it('does one step for a repeated tick', async () => {
  const { input, jobs, work, owner: task } = await model()
  input.push({ kind: 'create', job: jobOf('job', 1) })
  await work()
  const { step } = jobs.get('job')!
  expect(step).toBe(1)
  for (const again of [0, 0, 1, 1]) input.push({ kind: 'tick', id: 'job', step: again })
  await vi.advanceTimersByTimeAsync(1_000)
  await work()
  expect(jobs.get('job')?.counts.done).toBe(2)
  await task.close()
})

it('cancels every job that is not approved in time, and no other', async () => {
  const { input, jobs, work, owner: task } = await model()
  const minute = 60_000
  const approval = { why: ['discard'], expiresAt: 0 }
  const requestedAt = Date.now() - APPROVAL_MS_MAX + 30 * minute
  for (let i = 0; i < 25; i++)
    input.push({ kind: 'create', job: { ...jobOf(`late-${i}`, 1), requestedAt, approval } })
  const later = { ...jobOf('later', 1), requestedAt: Date.now(), approval }
  input.push({ kind: 'create', job: later })
  const pass = async (ms: number): Promise<void> => {
    await vi.advanceTimersByTimeAsync(ms)
    await work()
  }
  const states = () =>
    new Set([...jobs.values()].filter(({ id }) => id !== 'later').map(({ state }) => state))
  await work()
  await pass(1)
  await pass(29 * minute)
  expect(states()).toEqual(new Set(['waiting']))
  for (let i = 0; i < 4; i++) await pass(minute)
  expect(states()).toEqual(new Set(['cancelled']))
  expect(jobs.get('late-3')).toMatchObject({ counts: { scanned: 0 }, approval: { why: ['discard'] } })
  expect(jobs.get('later')?.state).toBe('waiting')
  await task.close()
  expect(vi.getTimerCount()).toBe(0)
})
