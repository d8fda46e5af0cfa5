import type { TopicNames } from '@weir/contracts'
import type { KafkaSettings } from '@weir/kafka'
import { TopicFollower } from '@weir/runtime'
import type { Job } from './job.ts'
import { JobTable } from './job-table.ts'
import type { Marks } from './marks.ts'

/** Lets any instance read the state that the running instance committed. */
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

  /** Reads new records and returns the jobs, the latest first. */
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
