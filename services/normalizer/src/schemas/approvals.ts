import { approvedShapeKey, decodeApprovedShape, type TopicNames } from '@weir/contracts'
import type { KafkaSettings } from '@weir/kafka'
import { TopicFollower, type Logger } from '@weir/runtime'

const REFRESH_MS = 1_000

/** Which shapes a person has let pass. Read again every second, and at once before what a replay brings back is decided. */
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

  /** Reads what is there now. Rejects with a `RetriableError` when the brokers do not answer. */
  refresh(): Promise<void> {
    return this.#follower.refresh()
  }

  /** Resolves once the approvals have been read; from then on they are read again every second. */
  ready(): Promise<void> {
    return this.#follower.follow(REFRESH_MS, (error) =>
      this.#logger.warn({ error: error.message }, 'the approved shapes could not be read again'),
    )
  }

  close(): Promise<void> {
    return this.#follower.close()
  }
}
