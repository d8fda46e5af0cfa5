import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Membership } from './membership.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { FakeGroup, protocolError, type GroupCall } from '../testing/fake-group.ts'

const SESSION_MS = 6_000
const HEARTBEAT_MS = 600
const live = new AbortController().signal

let group: FakeGroup
let members: TestMember[] = []

interface TestMember {
  readonly membership: Membership
  /** All assignments, in order. */
  readonly assigned: number[][]
  readonly failures: Error[]
  readonly owned: number[]
}

const join = async (
  partitions = 6,
  onAssigned: (membership: Membership, owned: ReadonlySet<number>) => void = () => undefined,
): Promise<TestMember> => {
  const assigned: number[][] = []
  const failures: Error[] = []
  const membership = new Membership({
    cluster: group.cluster(),
    logger: silentLogger,
    groupId: 'group',
    topics: ['a', 'b'],
    partitions: Array.from({ length: partitions }, (_, i) => i),
    sessionMs: SESSION_MS,
    onAssigned: (owned) => {
      assigned.push([...owned].sort((a, b) => a - b))
      onAssigned(membership, owned)
    },
    onFailed: (error) => failures.push(error),
  })
  membership.start()
  const member = {
    membership,
    assigned,
    failures,
    get owned() {
      return assigned.at(-1) ?? []
    },
  }
  members.push(member)
  await pass(HEARTBEAT_MS)
  return member
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

/** Fails the next calls of a kind. */
const failing = (call: GroupCall, error: Error, times = 1) => {
  let left = times
  group.before = (called) => {
    if (called !== call || left === 0) return
    left -= 1
    throw error
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  group = new FakeGroup()
  members = []
})
afterEach(async () => {
  group.before = () => undefined
  const stopped = Promise.all(members.map(({ membership }) => membership.stop()))
  await pass(5_000)
  await stopped
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('sharing', () => {
  it('gives one member all partitions, and moves only the necessary ones when others join and leave', async () => {
    const first = await join()
    expect(first.owned).toEqual([0, 1, 2, 3, 4, 5])
    const second = await join()
    expect(first.owned).toHaveLength(3)
    expect([...first.owned, ...second.owned].sort()).toEqual([0, 1, 2, 3, 4, 5])
    const [before, beforeSecond] = [first.owned, second.owned]
    const third = await join()
    expect(third.owned).toHaveLength(2)
    expect(before).toEqual(expect.arrayContaining(first.owned))
    expect(beforeSecond).toEqual(expect.arrayContaining(second.owned))
    const kept = [...first.owned]
    const leaving = third.membership.stop()
    await pass(2 * HEARTBEAT_MS)
    await leaving
    expect([...first.owned, ...second.owned].sort()).toEqual([0, 1, 2, 3, 4, 5])
    expect(first.owned).toEqual(expect.arrayContaining(kept))
  })

  it('reports no lost partition during a rebalance', async () => {
    const first = await join()
    group.before = (call, memberId) =>
      call === 'joinGroup' && memberId !== '' ? new Promise(() => undefined) : undefined
    await join()
    expect(first.assigned).toEqual([[0, 1, 2, 3, 4, 5]])
    expect(first.membership.joined).toBe(false)
    expect(first.membership.isFresh).toBe(false)
  })

  it('joins again when the sync meets another rebalance', async () => {
    failing('syncGroup', protocolError('REBALANCE_IN_PROGRESS'))
    const first = await join()
    expect(first.owned).toEqual([0, 1, 2, 3, 4, 5])
    expect(group.count('joinGroup')).toBe(2)
    expect(group.memberIds).toEqual(['member-1'])
  })

  it('waits for a member that did not receive its join response, until its session ends', async () => {
    let lost = ''
    group.after = (call) => {
      if (call !== 'joinGroup' || lost !== '') return
      lost = group.memberIds[0]!
      throw new Error('the connection has broken')
    }
    const first = await join()
    expect(first.owned).toEqual([])
    group.expire(lost)
    await pass(HEARTBEAT_MS)
    expect(first.owned).toEqual([0, 1, 2, 3, 4, 5])
  })
})

describe('being alive', () => {
  it('sends a heartbeat every tenth of the session timeout', async () => {
    const first = await join()
    const before = group.count('heartbeat')
    await pass(10 * HEARTBEAT_MS)
    expect(group.count('heartbeat') - before).toBe(10)
    expect(first.membership.isFresh).toBe(true)
  })

  it('is not fresh after half a session without a response, and is again after the next one', async () => {
    const first = await join()
    await pass(HEARTBEAT_MS)
    failing('heartbeat', new Error('away'), Number.POSITIVE_INFINITY)
    await pass(SESSION_MS / 2 - 1)
    expect(first.membership.isFresh).toBe(true)
    await pass(1)
    expect(first.membership.isFresh).toBe(false)
    group.before = () => undefined
    await pass(2_000)
    expect(first.membership.isFresh).toBe(true)
    expect(first.assigned).toEqual([[0, 1, 2, 3, 4, 5]])
  })

  it('counts from the time that a heartbeat was sent, not from its response', async () => {
    const first = await join()
    let answer: (() => void) | undefined
    group.after = (call) =>
      call === 'heartbeat' ? new Promise<void>((resolve) => (answer = resolve)) : undefined
    await pass(HEARTBEAT_MS)
    await pass(SESSION_MS / 2)
    group.after = () => undefined
    answer!()
    await pass(0)
    expect(first.membership.isFresh).toBe(false)
  })

  it('keeps its partitions when the coordinator moves', async () => {
    const first = await join()
    const lookups = group.count('findGroupCoordinator')
    failing('heartbeat', protocolError('NOT_COORDINATOR_FOR_GROUP'))
    await pass(2 * HEARTBEAT_MS)
    expect(group.count('findGroupCoordinator')).toBe(lookups + 1)
    expect(first.assigned).toEqual([[0, 1, 2, 3, 4, 5]])
    expect(first.membership.isFresh).toBe(true)
  })

  it('backs off while the coordinator is away', async () => {
    await join()
    failing('findGroupCoordinator', new Error('away'), Number.POSITIVE_INFINITY)
    group.after = (call) => {
      if (call === 'heartbeat') throw new Error('away')
    }
    const before = group.calls.length
    await pass(60_000)
    expect(group.calls.length - before).toBeLessThan(200)
    group.after = () => undefined
  })
})

describe('losing the membership', () => {
  it('gives up all partitions when the coordinator does not know it, and returns with another id', async () => {
    const first = await join()
    group.expire('member-1')
    await pass(2 * HEARTBEAT_MS)
    expect(first.assigned).toEqual([[0, 1, 2, 3, 4, 5], [], [0, 1, 2, 3, 4, 5]])
    expect(group.memberIds).toEqual(['member-2'])
  })

  it('keeps its id when only its generation is old', async () => {
    const first = await join()
    failing('heartbeat', protocolError('ILLEGAL_GENERATION'))
    await pass(2 * HEARTBEAT_MS)
    expect(first.assigned).toEqual([[0, 1, 2, 3, 4, 5], [], [0, 1, 2, 3, 4, 5]])
    expect(group.memberIds).toEqual(['member-1'])
  })

  it('reports a permanent rejection and stops', async () => {
    failing('joinGroup', protocolError('GROUP_AUTHORIZATION_FAILED'))
    const first = await join()
    expect(first.failures.map(({ message }) => message)).toEqual([
      'group group refuses this member: GROUP_AUTHORIZATION_FAILED',
    ])
    const calls = group.calls.length
    await pass(60_000)
    expect(group.calls).toHaveLength(calls)
  })
})

describe('confirm', () => {
  it('is true once a heartbeat sent after the call succeeds, which is sent at once', async () => {
    const first = await join()
    await pass(HEARTBEAT_MS / 2)
    const before = group.count('heartbeat')
    const confirmed = first.membership.confirm(3, live)
    await pass(0)
    expect(group.count('heartbeat')).toBe(before + 1)
    expect(await confirmed).toBe(true)
  })

  it('does not accept a heartbeat that was sent before the call', async () => {
    const first = await join()
    const answers: (() => void)[] = []
    group.after = (call) =>
      call === 'heartbeat' ? new Promise<void>((resolve) => void answers.push(resolve)) : undefined
    await pass(HEARTBEAT_MS)
    await pass(1)
    let confirmed: boolean | undefined
    void first.membership.confirm(3, live).then((result) => (confirmed = result))
    answers[0]!()
    await pass(0)
    expect(confirmed).toBeUndefined()
    expect(answers).toHaveLength(2)
    answers[1]!()
    await pass(0)
    expect(confirmed).toBe(true)
    group.after = () => undefined
  })

  it('needs one heartbeat for all callers right after a join', async () => {
    const confirmed: boolean[] = []
    const asking: Promise<boolean>[] = []
    const first = await join(6, (membership, owned) => {
      for (const partition of owned) asking.push(membership.confirm(partition, live))
    })
    confirmed.push(...(await Promise.all(asking)))
    expect(confirmed).toEqual([true, true, true, true, true, true])
    expect(first.owned).toHaveLength(6)
    expect(group.count('heartbeat')).toBe(2)
  })

  it('is false when another member has received the partition meanwhile', async () => {
    const first = await join()
    await join()
    const moved = [0, 1, 2, 3, 4, 5].find((partition) => !first.owned.includes(partition))!
    expect(await first.membership.confirm(moved, live)).toBe(false)
  })

  it('is false when the coordinator does not know the member', async () => {
    const first = await join()
    group.expire('member-1')
    const confirmed = first.membership.confirm(3, live)
    await pass(0)
    expect(await confirmed).toBe(false)
  })

  it('waits while the coordinator is away and during a rebalance', async () => {
    const first = await join()
    failing('heartbeat', new Error('away'), 3)
    let confirmed: boolean | undefined
    void first.membership.confirm(3, live).then((result) => (confirmed = result))
    await pass(0)
    expect(confirmed).toBeUndefined()
    await pass(5_000)
    expect(confirmed).toBe(true)
  })

  // Regression: a processor could not stop while its coordinator was away, because the partition waited here.
  it('is false immediately when the signal is aborted, before or during the wait', async () => {
    const first = await join()
    failing('heartbeat', new Error('away'), Number.POSITIVE_INFINITY)
    const release = new AbortController()
    const confirmed = first.membership.confirm(3, release.signal)
    await pass(100)
    release.abort()
    expect(await confirmed).toBe(false)
    expect(await first.membership.confirm(3, release.signal)).toBe(false)
  })
})

describe('stop', () => {
  it('leaves the group, so that the others do not wait for its session timeout', async () => {
    const first = await join()
    const stopped = first.membership.stop()
    await pass(0)
    await stopped
    expect(group.memberIds).toEqual([])
    expect(first.membership.joined).toBe(false)
    expect(await first.membership.confirm(3, live)).toBe(false)
  })

  it('waits at most two seconds for a coordinator that does not respond', async () => {
    const first = await join()
    group.before = () => new Promise(() => undefined)
    let isStopped = false
    void first.membership.stop().then(() => (isStopped = true))
    await pass(1_999)
    expect(isStopped).toBe(false)
    await pass(1)
    expect(isStopped).toBe(true)
  })
})
