import type { TopicNames } from '@weir/contracts'
import type { KafkaSettings } from '@weir/kafka'
import { TopicFollower } from '@weir/runtime'
import type { Job } from './job.ts'
import { JobTable } from './job-table.ts'
import type { Marks } from './marks.ts'

/** What the running instance has committed, as any instance can read it. */
export class StateView {
  readonly #table = new JobTable()
  readonly #follower: TopicFollower

  constructor(settings: KafkaSettings, topics: TopicNames) {
    this.#follower = new TopicFollower({
      settings,
      topic: topics.replayState,
      onRecords: (records) => {
        for (const { key, value } of records) this.#table.apply(key, value)
      },
    })
  }

  get marks(): Marks {
    return this.#table.marks
  }

  /** Reads what has come since; the latest job first. */
  async jobs(): Promise<readonly Job[]> {
    await this.refresh()
    return this.#table.all()
  }

  refresh(): Promise<void> {
    return this.#follower.refresh()
  }

  close(): Promise<void> {
    return this.#follower.close()
  }
}
