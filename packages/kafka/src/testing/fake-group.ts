import type { Broker, Cluster } from '../internals.ts'

export const protocolError = (type: string): Error => Object.assign(new Error(type), { type })

export type GroupCall = 'findGroupCoordinator' | 'joinGroup' | 'syncGroup' | 'heartbeat' | 'leaveGroup'

interface Member {
  readonly metadata: Buffer
  /** Present while its join waits for the others. */
  join?: PromiseWithResolvers<Joined>
  /** Present while its sync waits for the leader's. */
  sync?: PromiseWithResolvers<{ memberAssignment: Buffer }>
}

interface Joined {
  generationId: number
  leaderId: string
  memberId: string
  groupProtocol: string
  members: { memberId: string; memberMetadata: Buffer }[]
}

interface GroupRequest {
  readonly memberId: string
  readonly generationId?: number
  readonly groupGenerationId?: number
  readonly groupProtocols?: readonly { readonly metadata: Buffer }[]
  readonly groupAssignment?: readonly { readonly memberId: string; readonly memberAssignment: Buffer }[]
}

/** A group coordinator in memory, with the rules of the classic protocol; sessions end when the test says so. */
export class FakeGroup {
  generation = 0
  /** Calls so far, in order. */
  readonly calls: { readonly call: GroupCall; readonly memberId: string }[] = []
  /** Decides before a call is carried out: what it throws, the caller gets; while it waits, so does the caller. */
  before: (call: GroupCall, memberId: string) => void | Promise<void> = () => undefined
  /** Decides on a call that was carried out, as `before`. */
  after: (call: GroupCall, memberId: string) => void | Promise<void> = () => undefined
  #state: 'joining' | 'syncing' | 'stable' = 'joining'
  #members = new Map<string, Member>()
  #assignments = new Map<string, Buffer>()
  #ids = 0

  get memberIds(): string[] {
    return [...this.#members.keys()]
  }

  /** Its session has ended. */
  expire(memberId: string): void {
    this.#members.delete(memberId)
    this.#rebalance()
  }

  count(call: GroupCall): number {
    return this.calls.filter((one) => one.call === call).length
  }

  /** What one member sees of it. */
  cluster(): Cluster {
    const closed = Promise.withResolvers<never>()
    closed.promise.catch(() => undefined)
    const call =
      <T>(name: GroupCall, run: (request: GroupRequest) => T | Promise<T>) =>
      (request: GroupRequest): Promise<T> =>
        Promise.race([this.#call(name, request, () => run(request)), closed.promise])
    const coordinator = {
      joinGroup: call('joinGroup', (request) => this.#join(request)),
      syncGroup: call('syncGroup', (request) => this.#sync(request)),
      heartbeat: call('heartbeat', (request) => this.#beat(request)),
      leaveGroup: call('leaveGroup', ({ memberId }) => this.expire(memberId)),
    } as unknown as Broker
    const find = call('findGroupCoordinator', () => coordinator)
    return {
      brokerPool: { metadata: null, brokers: {} },
      findGroupCoordinator: () => find({ memberId: '' }),
      refreshMetadata: () => Promise.resolve(),
      disconnect: () => {
        closed.reject(new Error('The connection is being closed'))
        return Promise.resolve()
      },
    } as unknown as Cluster
  }

  async #call<T>(call: GroupCall, { memberId }: GroupRequest, run: () => T | Promise<T>): Promise<T> {
    this.calls.push({ call, memberId })
    await this.before(call, memberId)
    const result = await run()
    await this.after(call, memberId)
    return result
  }

  #join({ memberId, groupProtocols }: GroupRequest): Promise<Joined> {
    if (memberId !== '' && !this.#members.has(memberId)) throw protocolError('UNKNOWN_MEMBER_ID')
    const id = memberId === '' ? `member-${(this.#ids += 1)}` : memberId
    const join = Promise.withResolvers<Joined>()
    this.#members.set(id, { metadata: groupProtocols![0]!.metadata, join })
    this.#rebalance()
    return join.promise
  }

  #rebalance(): void {
    this.#state = 'joining'
    for (const member of this.#members.values()) {
      member.sync?.reject(protocolError('REBALANCE_IN_PROGRESS'))
      delete member.sync
    }
    const all = [...this.#members]
    if (all.length === 0 || all.some(([, { join }]) => join === undefined)) return
    this.generation += 1
    this.#state = 'syncing'
    const leaderId = all[0]![0]
    const members = all.map(([memberId, { metadata }]) => ({ memberId, memberMetadata: metadata }))
    for (const [memberId, member] of all) {
      member.join!.resolve({
        ...{ generationId: this.generation, leaderId, memberId, groupProtocol: 'weir-sticky' },
        members: memberId === leaderId ? members : [],
      })
      delete member.join
    }
  }

  #sync({ memberId, generationId, groupAssignment }: GroupRequest): Promise<{ memberAssignment: Buffer }> {
    const member = this.#check(memberId, generationId!)
    if (this.#state === 'joining') throw protocolError('REBALANCE_IN_PROGRESS')
    member.sync = Promise.withResolvers()
    const { promise } = member.sync
    if (groupAssignment!.length > 0) {
      this.#state = 'stable'
      this.#assignments = new Map(
        groupAssignment!.map(({ memberId: id, memberAssignment }) => [id, memberAssignment]),
      )
    }
    if (this.#state === 'stable') {
      for (const [id, one] of this.#members) {
        one.sync?.resolve({ memberAssignment: this.#assignments.get(id) ?? Buffer.alloc(0) })
        delete one.sync
      }
    }
    return promise
  }

  #beat({ memberId, groupGenerationId }: GroupRequest): void {
    this.#check(memberId, groupGenerationId!)
    if (this.#state === 'joining') throw protocolError('REBALANCE_IN_PROGRESS')
  }

  #check(memberId: string, generation: number): Member {
    const member = this.#members.get(memberId)
    if (member === undefined) throw protocolError('UNKNOWN_MEMBER_ID')
    if (generation !== this.generation) throw protocolError('ILLEGAL_GENERATION')
    return member
  }
}
