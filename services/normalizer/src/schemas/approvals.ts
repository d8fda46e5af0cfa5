import { approvedShapeKey, decodeApprovedShape, type TopicNames } from '@weir/contracts'
import type { KafkaSettings } from '@weir/kafka'
import { TopicFollower, type Logger } from '@weir/runtime'

const REFRESH_MS = 1_000

/** The approved shapes. Read again every second, and before each batch of replayed records. */
export class Approvals {
  readonly #follower: TopicFollower
  readonly #logger: Logger
  readonly #approved = new Set<string>()

  constructor(settings: KafkaSettings, topics: TopicNames, logger: Logger) {
    this.#logger = logger
    this.#follower = new TopicFollower({
      settings,
      topic: topics.schemasApproved,
      onRecords: (records) => {
        for (const { key, value } of records) {
          const approval = decodeApprovedShape(value)
          if (approval) this.#approved.add(approvedShapeKey(approval.source, approval.fingerprint))
          else if (value === null) this.#approved.delete(key?.toString() ?? '')
        }
      },
    })
  }

  has(source: string, fingerprint: string): boolean {
    return this.#approved.has(approvedShapeKey(source, fingerprint))
  }

  /** Reads the latest approvals. Rejects with a `RetriableError` when the brokers do not respond. */
  refresh(): Promise<void> {
    return this.#follower.refresh()
  }

  /** Resolves when the approvals have been read. After that they are read every second. */
  ready(): Promise<void> {
    return this.#follower.follow(REFRESH_MS, (error) =>
      this.#logger.warn({ error: error.message }, 'the approved shapes could not be refreshed'),
    )
  }

  close(): Promise<void> {
    return this.#follower.close()
  }
}
