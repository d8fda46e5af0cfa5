import { backOffMs } from '@weir/contracts'
import { kafkaErrorType } from '../client/kafka-client.ts'
import { systemClock, type Clock } from '../client/clock.ts'
import { StateError } from '../client/errors.ts'
import { disconnectNow, type Broker, type Cluster } from '../client/kafkajs-internals.ts'
import { decodeAssignment, encodeAssignment, encodeClaim, PROTOCOL_NAME } from './membership-protocol.ts'
import type { KafkaLogger } from '../client/settings.ts'

export interface MembershipOptions {
  /** Connections that nothing else uses, because a pending join blocks all other requests on its connection. */
  readonly cluster: Cluster
  readonly clock?: Clock
  readonly logger: KafkaLogger
  readonly groupId: string
  /** Co-partitioned input topics. */
  readonly topics: readonly string[]
  /** Partition numbers of each topic. */
  readonly partitions: readonly number[]
  readonly sessionMs: number
  /** Called after each join, in order, and with an empty set when the membership is lost. Must not throw. */
  onAssigned(partitions: ReadonlySet<number>): void
  /** Called when the coordinator rejects this member with an error that a retry cannot resolve. */
  onFailed(error: Error): void
}

/** A retry fails in the same way. */
const FATAL = new Set([
  'GROUP_AUTHORIZATION_FAILED',
  'TOPIC_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'INCONSISTENT_GROUP_PROTOCOL',
  'INVALID_GROUP_ID',
  'INVALID_SESSION_TIMEOUT',
  'KafkaJSSASLAuthenticationError',
])
/** The coordinator no longer knows this member, so another may own its partitions. */
const LOST = new Set(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'])
const BACK_OFF = { firstMs: 100, maxMs: 2_000 }
const LEAVE_MS_MAX = 2_000

/**
 * Membership of a consumer group, for assignment and liveness only. Records are read elsewhere.
 *
 *   joining -> member -(rebalance)-> joining;  member -(unknown to the coordinator)-> lost -> joining
 *
 * Partitions continue to run during a rebalance. A successor fences a partition before it does anything else.
 */
export class Membership {
  readonly #options: MembershipOptions
  readonly #heartbeatMs: number
  readonly #clock: Clock
  #memberId = ''
  #generation = -1
  #owned: ReadonlySet<number> = new Set()
  #state: 'joining' | 'member' | 'stopped' = 'joining'
  /**
   * Send time of the last request that the coordinator accepted from this member. The lease starts here, not at the
   * response.
   */
  #leaseAt = Number.NEGATIVE_INFINITY
  /** Number of that request, and of the last request sent. */
  #confirmed = 0
  #sent = 0
  /** True while a caller waits for a heartbeat that is not sent yet. */
  #isAsked = false
  #wake: (() => void) | undefined
  #watchers: (() => void)[] = []
  #running: Promise<void> = Promise.resolve()

  constructor(options: MembershipOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#heartbeatMs = Math.min(3_000, Math.max(100, options.sessionMs / 10))
  }

  start(): void {
    this.#running = this.#run()
  }

  get joined(): boolean {
    return this.#state === 'member'
  }

  /**
   * True when a heartbeat of this generation succeeded within the last half session timeout and no rebalance has begun
   * since.
   */
  get isFresh(): boolean {
    return this.#state === 'member' && this.#clock.now() - this.#leaseAt < this.#options.sessionMs / 2
  }

  /**
   * Resolves to true when a heartbeat sent after this call succeeds and the partition still belongs to this member.
   * Resolves to false when it does not, or when the signal is aborted.
   */
  async confirm(partition: number, signal: AbortSignal): Promise<boolean> {
    const sentBefore = this.#sent
    const giveUp = () => this.#changed()
    signal.addEventListener('abort', giveUp)
    try {
      for (;;) {
        if (this.#isStopped() || signal.aborted || !this.#owned.has(partition)) return false
        if (this.#state === 'member' && this.#confirmed > sentBefore) return true
        this.#isAsked = true
        this.#wake?.()
        await new Promise<void>((resolve) => this.#watchers.push(resolve))
      }
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  /** Leaves the group and disconnects. */
  async stop(): Promise<void> {
    const { cluster, groupId } = this.#options
    const memberId = this.#memberId
    this.#state = 'stopped'
    this.#changed()
    this.#wake?.()
    const leave = async (): Promise<void> => {
      if (memberId === '') return
      const coordinator = await cluster.findGroupCoordinator({ groupId })
      await coordinator.leaveGroup({ groupId, memberId })
    }
    // If the leave request fails, the group waits for the session timeout. Nothing else is lost.
    const tooLong = Promise.withResolvers<undefined>()
    const cancel = this.#clock.timer(LEAVE_MS_MAX, () => tooLong.resolve(undefined))
    await Promise.race([leave().catch(() => undefined), tooLong.promise])
    cancel()
    await disconnectNow(cluster).catch(() => undefined)
    await this.#running
  }

  async #run(): Promise<void> {
    for (let failures = 0; this.#state !== 'stopped';) {
      try {
        const { groupId } = this.#options
        const coordinator = await this.#options.cluster.findGroupCoordinator({ groupId })
        if (this.#state !== 'member') await this.#join(coordinator)
        while (!this.#isStopped()) {
          if (failures === 0 && !this.#isAsked) await this.#pause(this.#heartbeatMs)
          await this.#heartbeat(coordinator)
          failures = 0
        }
      } catch (error) {
        if (this.#isStopped()) return
        if (!this.#recover(error)) return
        failures += 1
        if (failures > 1) await this.#retryLater(error, failures)
      }
    }
  }

  async #join(coordinator: Broker): Promise<void> {
    const { groupId, topics, partitions, sessionMs } = this.#options
    const claim = { generation: this.#generation, owned: [...this.#owned] }
    const joined = await coordinator.joinGroup({
      groupId,
      sessionTimeout: sessionMs,
      rebalanceTimeout: sessionMs,
      memberId: this.#memberId,
      groupProtocols: [{ name: PROTOCOL_NAME, metadata: encodeClaim(topics, claim) }],
    })
    this.#memberId = joined.memberId
    const isLeader = joined.leaderId === joined.memberId
    const renewLease = this.#lease()
    const { memberAssignment } = await coordinator.syncGroup({
      groupId,
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupAssignment: isLeader ? encodeAssignment(topics, partitions, joined.members) : [],
    })
    if (this.#isStopped()) return
    this.#generation = joined.generationId
    renewLease()
    this.#state = 'member'
    this.#assign(decodeAssignment(memberAssignment, topics[0]!))
  }

  async #heartbeat(coordinator: Broker): Promise<void> {
    const renewLease = this.#lease()
    await coordinator.heartbeat({
      groupId: this.#options.groupId,
      groupGenerationId: this.#generation,
      memberId: this.#memberId,
    })
    renewLease()
    this.#changed()
  }

  /** Call when a request is sent. Call the returned function when the coordinator has accepted the request. */
  #lease(): () => void {
    const sentAt = this.#clock.now()
    this.#sent += 1
    this.#isAsked = false
    const number = this.#sent
    return () => {
      this.#leaseAt = sentAt
      this.#confirmed = number
    }
  }

  /** Changes the state of the membership after an error. Returns false when the membership has ended. */
  #recover(error: unknown): boolean {
    const type = kafkaErrorType(error)
    const { groupId, logger } = this.#options
    if (FATAL.has(type)) {
      this.#state = 'stopped'
      this.#assign([])
      this.#options.onFailed(
        new StateError(`group ${groupId} refuses this member: ${type}`, { cause: error }),
      )
      return false
    }
    if (type === 'REBALANCE_IN_PROGRESS') {
      this.#state = 'joining'
    } else if (LOST.has(type)) {
      logger.warn({ groupId, error: type }, 'lost the group membership, joining again')
      this.#state = 'joining'
      // A member with an old generation keeps its id. With a new id, the group would wait for the old one to expire.
      if (type === 'UNKNOWN_MEMBER_ID') this.#memberId = ''
      this.#assign([])
    }
    return true
  }

  async #retryLater(error: unknown, failures: number): Promise<void> {
    const { cluster, groupId, logger } = this.#options
    const delayMs = this.#clock.random() * backOffMs(failures, BACK_OFF)
    const fields = { groupId, error: kafkaErrorType(error), delayMs: Math.round(delayMs) }
    logger[failures > 3 ? 'warn' : 'debug'](fields, 'the group coordinator does not respond, retrying')
    await this.#pause(delayMs)
    if (!this.#isStopped()) await cluster.refreshMetadata().catch(() => undefined)
  }

  #assign(partitions: readonly number[]): void {
    const { logger, groupId } = this.#options
    this.#owned = new Set(partitions)
    logger.info(
      { groupId, generation: this.#generation, partitions: [...partitions].sort((a, b) => a - b) },
      'partitions assigned',
    )
    this.#options.onAssigned(this.#owned)
    this.#changed()
  }

  #changed(): void {
    const watchers = this.#watchers
    this.#watchers = []
    for (const resolve of watchers) resolve()
  }

  #isStopped(): boolean {
    return this.#state === 'stopped'
  }

  /** Waits for `ms`, or until a heartbeat is requested. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel()
        this.#wake = undefined
        resolve()
      }
      const cancel = this.#clock.timer(ms, done)
      this.#wake = done
    })
  }
}
