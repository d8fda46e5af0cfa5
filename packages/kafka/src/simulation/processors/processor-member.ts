import type { Clock } from '../../client/clock.ts'
import type { ClusterReads } from '../../read/cluster-reads.ts'
import type { Broker, Cluster } from '../../client/kafkajs-internals.ts'
import { Membership } from '../../group/membership.ts'
import type { Task } from '../../processor/task.ts'
import type { Feed } from '../../processor/task-inputs.ts'
import { TaskRunners } from '../../processor/task-runners.ts'
import { silentLogger } from '../../client/silent-logger.ts'
import type { ProcessorOptions } from '../../processor/processor-options.ts'
import type { FakeGroup, GroupRequest } from '../../testing/fake-group.ts'
import type { OpenTransactionClient } from '../../transactions/transaction-client.ts'
import { GROUP } from '../owners/owner-actor.ts'
import { INPUT, OUTPUT, STARTS, STATE, type TaskKind } from './simulated-task.ts'
import type { SimProcess, World } from '../model/world.ts'

export const SESSION_MS = 6_000
export const TRANSACTION_TIMEOUT_MS = 3_000

/** The dependencies of a process. A planted defect replaces one of them. */
export interface Surroundings {
  readonly reads: ClusterReads
  readonly openClient: OpenTransactionClient
  readonly feed: Feed
  readonly membership: Pick<Membership, 'confirm' | 'isFresh'>
  readonly openTask: () => Task
  readonly assign: (runners: TaskRunners, partitions: ReadonlySet<number>) => void
}

export interface MemberOptions {
  readonly world: World
  readonly process: SimProcess
  readonly group: FakeGroup
  readonly kind: TaskKind
  readonly clock: Clock
  readonly surround: (membership: Membership) => Surroundings
  /** Called when the process learns that it owns the partition in this generation. */
  readonly onOwner: (generation: number) => void
  readonly onParked: (error: Error) => void
  readonly onFatal: (error: Error) => void
}

/** One process of a processor, with the product's membership and task runners. */
export class ProcessorMember {
  readonly runners: TaskRunners
  readonly membership: Membership
  /** Number of responses by which the group confirmed it as a live member. */
  responses = 0
  generation = -1

  constructor(options: MemberOptions) {
    const { clock, onFatal } = options
    this.membership = new Membership({
      clock,
      logger: silentLogger,
      groupId: GROUP,
      topics: [INPUT],
      partitions: [0],
      cluster: this.#groupCluster(options),
      sessionMs: SESSION_MS,
      onAssigned: (partitions) => {
        if (partitions.has(0)) options.onOwner(this.generation)
        around.assign(this.runners, partitions)
      },
      onFailed: onFatal,
    })
    const around = options.surround(this.membership)
    const { reads, openClient, feed: fetcher, membership } = around
    this.runners = new TaskRunners({
      groupId: GROUP,
      reads,
      openClient,
      fetcher,
      membership,
      onFatal,
      processor: processorOptions(options, around.openTask),
    })
    this.membership.start()
  }

  async stop(): Promise<void> {
    await this.runners.release()
    await this.membership.stop()
  }

  /** Replaces kafkajs. Each request of the membership may take any time. */
  #groupCluster({ world, process, group }: MemberOptions): Cluster {
    const call = <T>(label: string, execute: () => T | Promise<T>) => world.call(process, label, execute)
    const countResponse = (): void => {
      this.responses += 1
    }
    const coordinator = {
      joinGroup: (request: GroupRequest) => call('JoinGroup', () => group.join(request)),
      syncGroup: async (request: GroupRequest) => {
        const response = await call('SyncGroup', () => group.sync(request))
        this.generation = request.generationId!
        countResponse()
        return response
      },
      heartbeat: async (request: GroupRequest) => {
        await call('Heartbeat', () => group.beat(request))
        countResponse()
      },
      leaveGroup: ({ memberId }: GroupRequest) => call('LeaveGroup', () => group.expire(memberId)),
    } as unknown as Broker
    return {
      brokerPool: { metadata: null, brokers: {} },
      findGroupCoordinator: () => Promise.resolve(coordinator),
      refreshMetadata: () => Promise.resolve(),
      disconnect: () => Promise.resolve(),
    } as unknown as Cluster
  }
}

const processorOptions = ({ kind, onParked }: MemberOptions, openTask: () => Task): ProcessorOptions => ({
  settings: {
    kafkaBrokers: [],
    kafkaSsl: false,
    kafkaMechanism: 'plain',
    topicPrefix: '',
    topicPartitions: 1,
    groupSessionMs: SESSION_MS,
    transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
  },
  logger: silentLogger,
  service: GROUP,
  inputs: [INPUT],
  outputs: [OUTPUT],
  startsTopic: STARTS,
  ...(kind === 'keys' && { changelogTopic: STATE, repair: () => 'Repair it.' }),
  openTask: () => Promise.resolve(openTask()),
  batch: { recordsMax: 2, bytesMax: 1_000, lingerMs: 5 },
  observer: {
    parked: ({ error }) => {
      if (error !== undefined) onParked(error)
    },
  },
})
