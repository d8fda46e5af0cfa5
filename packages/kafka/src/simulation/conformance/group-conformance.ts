import { setTimeout as sleep } from 'node:timers/promises'
import { kafkaErrorType } from '../../client/kafka-client.ts'
import { protocolError, type FakeGroup } from '../../testing/fake-group.ts'
import { Random } from '../schedule/random.ts'

/** A request of one member. `isOld`: with the previous generation. */
export type GroupStep =
  | { readonly kind: 'join'; readonly member: number; readonly isChanged?: boolean }
  | { readonly kind: 'sync' | 'beat'; readonly member: number; readonly isOld?: boolean }
  | { readonly kind: 'leave'; readonly member: number }

export interface JoinAnswer {
  readonly generationId: number
  readonly leaderId: string
  readonly memberId: string
  readonly members: readonly { readonly memberId: string }[]
}

/** A real or modelled coordinator; each member has its own connection. */
export interface GroupUnderTest {
  join(member: number, memberId: string, metadata: Buffer): Promise<JoinAnswer>
  sync(
    member: number,
    of: { readonly memberId: string; readonly generationId: number },
    assignment: readonly { readonly memberId: string; readonly memberAssignment: Buffer }[],
  ): Promise<{ readonly memberAssignment: Buffer }>
  beat(member: number, of: { readonly memberId: string; readonly generationId: number }): Promise<unknown>
  leave(member: number, memberId: string): Promise<unknown>
}

interface Member {
  id: string
  generation: number
  metadata: number
  /** Members from the last join, if it made this member the leader. */
  led: readonly { readonly memberId: string }[]
  isWaiting: boolean
}

/** Runs a script and records each response. `settle` waits until all possible responses have arrived. */
export const runGroupScript = async (
  group: GroupUnderTest,
  script: readonly GroupStep[],
  settle: () => Promise<void>,
): Promise<string[]> => {
  const lines: string[] = []
  const names = new Map<string, string>()
  const members = new Map<number, Member>()
  let firstGeneration: number | undefined
  const nameOf = (id: string): string => names.get(id) ?? 'unknown'
  const recordResponse = async (member: Member, what: string, asked: Promise<unknown>): Promise<void> => {
    member.isWaiting = true
    try {
      lines.push(`  ${what} -> ${JSON.stringify(await asked)}`)
    } catch (error) {
      const type = kafkaErrorType(error)
      if (type === 'UNKNOWN_MEMBER_ID') member.id = ''
      lines.push(`  ${what} -> ${type}`)
    }
    member.isWaiting = false
  }
  const join = async (number: number, member: Member): Promise<object> => {
    const joined = await group.join(number, member.id, Buffer.from(String(member.metadata)))
    firstGeneration ??= joined.generationId
    member.id = joined.memberId
    member.generation = joined.generationId
    member.led = joined.members
    names.set(joined.memberId, `m${number}`)
    return {
      generation: joined.generationId - firstGeneration,
      isLeader: joined.leaderId === joined.memberId,
    }
  }
  const ask = (step: GroupStep, member: Member): Promise<unknown> => {
    const { member: number } = step
    if (step.kind === 'join') {
      if (step.isChanged === true) member.metadata += 1
      return join(number, member)
    }
    if (step.kind === 'leave') return group.leave(number, member.id).then(() => 'left')
    const own = { memberId: member.id, generationId: member.generation - (step.isOld === true ? 1 : 0) }
    if (step.kind === 'beat') return group.beat(number, own).then(() => 'ok')
    const assignment = member.led.map(({ memberId }) => ({
      memberId,
      memberAssignment: Buffer.from(`of ${nameOf(memberId)}`),
    }))
    return group.sync(number, own, assignment).then(({ memberAssignment }) => memberAssignment.toString())
  }
  for (const step of script) {
    const known = members.get(step.member) ?? {
      id: '',
      generation: 0,
      metadata: 0,
      led: [],
      isWaiting: false,
    }
    members.set(step.member, known)
    if (known.isWaiting || (known.id === '' && step.kind !== 'join')) continue
    const what = JSON.stringify(step)
    lines.push(what)
    const before = lines.length
    void recordResponse(known, what, ask(step, known))
    await settle()
    // The order of responses is random.
    lines.push(...lines.splice(before).sort())
  }
  return lines
}

const REAL_SETTLE_MS = 150
export const settleReally = (): Promise<void> => sleep(REAL_SETTLE_MS)

export const groupUnderTest = (group: FakeGroup): GroupUnderTest => ({
  join: async (_, memberId, metadata) => group.join({ memberId, groupProtocols: [{ metadata }] }),
  sync: async (_, { memberId, generationId }, groupAssignment) =>
    group.sync({ memberId, generationId, groupAssignment }),
  beat: async (_, { memberId, generationId }) => group.beat({ memberId, groupGenerationId: generationId }),
  leave: async (_, memberId) => {
    if (!group.memberIds.includes(memberId)) throw protocolError('UNKNOWN_MEMBER_ID')
    group.expire(memberId)
  },
})

/** Parses steps such as `join 0`. `old` uses the previous generation; `changed` joins with another claim. */
const stepsOf = (text: string): readonly GroupStep[] =>
  [...text.matchAll(/(?:(old|changed) )?(join|sync|beat|leave) (\d)/g)].map(
    ([, mark, kind, member]) =>
      ({
        kind,
        member: Number(member),
        ...(mark === 'old' && { isOld: true }),
        ...(mark === 'changed' && { isChanged: true }),
      }) as GroupStep,
  )

/** Cover every case that a membership can meet. */
export const GROUP_SCRIPTS: readonly { readonly name: string; readonly script: readonly GroupStep[] }[] = [
  {
    name: 'two members, one after the other, and an old generation',
    script: stepsOf(
      `join 0, sync 0, beat 0, join 1, beat 0, join 0, beat 1, sync 1, old beat 0, sync 0, beat 1, old sync 1,
       leave 0, beat 1, join 1, sync 1`,
    ),
  },
  {
    name: 'a join that is repeated, by a follower and by the leader, as it was and with another claim',
    script: stepsOf(
      `join 0, join 0, sync 0, join 1, join 0, sync 0, sync 1, join 1, beat 0, changed join 1, beat 0, join 0,
       sync 0, join 0, beat 1`,
    ),
  },
]

/** With more members, the choice of the next leader would be random. */
const MEMBERS = 2
const STEPS = 25

export const randomGroupScript = (seed: number): readonly GroupStep[] => {
  const random = new Random(seed)
  return Array.from({ length: STEPS }, (): GroupStep => {
    const member = random.between(0, MEMBERS - 1)
    const kind = random.pick(['join', 'join', 'join', 'sync', 'sync', 'beat', 'beat', 'leave'] as const)
    if (kind === 'join') return { kind, member, isChanged: random.chance(0.3) }
    if (kind === 'leave') return { kind, member }
    return { kind, member, isOld: random.chance(0.15) }
  })
}
