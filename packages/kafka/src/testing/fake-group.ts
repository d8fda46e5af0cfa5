import type { Broker, Cluster } from '../client/kafkajs-internals.ts'

export const protocolError = (type: string): Error => Object.assign(new Error(type), { type })

export type GroupCall = 'findGroupCoordinator' | 'joinGroup' | 'syncGroup' | 'heartbeat' | 'leaveGroup'

interface Member {
  metadata: Buffer
  /** Time of the member's last request. */
  seenAt: number
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

export interface GroupRequest {
  readonly memberId: string
  readonly generationId?: number
  readonly groupGenerationId?: number
  readonly groupProtocols?: readonly { readonly metadata: Buffer }[]
  readonly groupAssignment?: readonly { readonly memberId: string; readonly memberAssignment: Buffer }[]
}

/** A broker responds only to the last of a member's pending requests. The others end by their request timeout. */
const requestTimedOut = (): Error => new Error('The request timed out')

/** An in-memory group coordinator with the rules of the classic protocol. Sessions end only by `expire`. */
export class FakeGroup {
  generation = 0
  /** The calls, in order. */
  readonly calls: { readonly call: GroupCall; readonly memberId: string }[] = []
  /**
   * Called before each request is carried out. If it throws, the caller gets the error; while it waits, the request
   * waits.
   */
  before: (call: GroupCall, memberId: string) => void | Promise<void> = () => undefined
  /** Like `before`, but called after the request was carried out. */
  after: (call: GroupCall, memberId: string) => void | Promise<void> = () => undefined
  #state: 'joining' | 'syncing' | 'stable' = 'joining'
  #members = new Map<string, Member>()
  #assignments = new Map<string, Buffer>()
  #ids = 0
  #leaderId = ''
  #rebalanceAt = 0
  readonly #now: () => number

  constructor(now: () => number = () => 0) {
    this.#now = now
  }

  get memberIds(): string[] {
    return [...this.#members.keys()]
  }

  /** Ends the session of a member. */
  expire(memberId: string): void {
    this.#members.delete(memberId)
    this.#rebalance()
  }

  /** When each member expires without a further request: at the end of its session or of the rebalance timeout. */
  deadlines(sessionMs: number): ReadonlyMap<string, number> {
    // A member that waits for the others counts as alive.
    const silent = [...this.#members].filter(([, { join, sync }]) => join === undefined && sync === undefined)
    const since = ({ seenAt }: Member): number =>
      this.#state === 'joining' ? Math.min(seenAt, this.#rebalanceAt) : seenAt
    return new Map(silent.map(([memberId, member]) => [memberId, since(member) + sessionMs]))
  }

  count(call: GroupCall): number {
    return this.calls.filter((one) => one.call === call).length
  }

  /** The coordinator as one member sees it. */
  cluster(): Cluster {
    const closed = Promise.withResolvers<never>()
    closed.promise.catch(() => undefined)
    const call =
      <T>(name: GroupCall, run: (request: GroupRequest) => T | Promise<T>) =>
      (request: GroupRequest): Promise<T> =>
        Promise.race([this.#call(name, request, () => run(request)), closed.promise])
    const coordinator = {
      joinGroup: call('joinGroup', (request) => this.join(request)),
      syncGroup: call('syncGroup', (request) => this.sync(request)),
      heartbeat: call('heartbeat', (request) => this.beat(request)),
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

  join({ memberId, groupProtocols }: GroupRequest): Promise<Joined> {
    if (memberId !== '' && !this.#members.has(memberId)) throw protocolError('UNKNOWN_MEMBER_ID')
    const id = memberId === '' ? `member-${(this.#ids += 1)}` : memberId
    const { metadata } = groupProtocols![0]!
    const known = this.#members.get(id)
    // The member joins again, because it does not know its generation yet.
    if (this.#state !== 'joining' && known?.metadata.equals(metadata) === true) {
      const canRespond = this.#state === 'syncing' || id !== this.#leaderId
      if (canRespond) return Promise.resolve(this.#joined(id))
    }
    const join = Promise.withResolvers<Joined>()
    known?.join?.reject(requestTimedOut())
    this.#members.set(id, { metadata, join, seenAt: this.#now() })
    this.#rebalance()
    return join.promise
  }

  #joined(memberId: string): Joined {
    const members = [...this.#members].map(([id, { metadata }]) => ({
      memberId: id,
      memberMetadata: metadata,
    }))
    return {
      generationId: this.generation,
      leaderId: this.#leaderId,
      memberId,
      groupProtocol: 'weir-sticky',
      members: memberId === this.#leaderId ? members : [],
    }
  }

  #rebalance(): void {
    if (this.#state !== 'joining') this.#rebalanceAt = this.#now()
    this.#state = 'joining'
    for (const member of this.#members.values()) {
      member.sync?.reject(protocolError('REBALANCE_IN_PROGRESS'))
      delete member.sync
    }
    const all = [...this.#members]
    // An empty group also has a generation.
    if (all.length === 0) this.generation += 1
    if (all.length === 0 || all.some(([, { join }]) => join === undefined)) return
    this.generation += 1
    this.#state = 'syncing'
    if (!this.#members.has(this.#leaderId)) this.#leaderId = all[0]![0]
    for (const [memberId, member] of all) {
      member.seenAt = this.#now()
      member.join!.resolve(this.#joined(memberId))
      delete member.join
    }
  }

  sync({ memberId, generationId, groupAssignment }: GroupRequest): Promise<{ memberAssignment: Buffer }> {
    const member = this.#check(memberId, generationId!)
    if (this.#state === 'joining') throw protocolError('REBALANCE_IN_PROGRESS')
    member.sync?.reject(requestTimedOut())
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

  beat({ memberId, groupGenerationId }: GroupRequest): void {
    this.#check(memberId, groupGenerationId!)
    if (this.#state === 'joining') throw protocolError('REBALANCE_IN_PROGRESS')
  }

  #check(memberId: string, generation: number): Member {
    const member = this.#members.get(memberId)
    if (member === undefined) throw protocolError('UNKNOWN_MEMBER_ID')
    if (generation !== this.generation) throw protocolError('ILLEGAL_GENERATION')
    member.seenAt = this.#now()
    return member
  }
}
