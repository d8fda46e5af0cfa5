import { decodeJob, type Job } from './job.ts'
import { Marks } from './marks.ts'

const PREFIX = 'job|'
/** Jobs are kept as long as the letters that they were about. */
const KEPT_MS_MAX = 30 * 86_400_000
const KEPT_JOBS_MAX = 500
/** Limit of all ended jobs. A fix-up may have 64 KB. */
const KEPT_BYTES_MAX = 8_388_608
const FORGOTTEN_AT_ONCE_MAX = 1_000
/** Limit for one transaction, which holds each of them whole. */
const CANCELLED_AT_ONCE_MAX = 10

export const jobKey = (id: string): Buffer => Buffer.from(`${PREFIX}${id}`)

export const isEnded = ({ state }: Job): boolean => state === 'done' || state === 'cancelled'

/** The content of `replay.state.v1`: jobs, and the status of each letter. */
export class JobTable {
  readonly marks = new Marks()
  readonly #jobs = new Map<string, { readonly job: Job; readonly bytes: number }>()

  get(id: string): Job | undefined {
    return this.#jobs.get(id)?.job
  }

  /** Jobs, the latest first. */
  all(): readonly Job[] {
    return [...this.#jobs.values()]
      .map(({ job }) => job)
      .sort((a, b) => b.requestedAt - a.requestedAt || (a.id < b.id ? -1 : 1))
  }

  /** Applies a record of the topic. */
  apply(key: Buffer | null, value: Buffer | null): void {
    const job = decodeJob(value)
    if (job !== undefined) this.#jobs.set(job.id, { job, bytes: value!.length })
    else if (value === null && key?.toString().startsWith(PREFIX)) {
      this.#jobs.delete(key.toString().slice(PREFIX.length))
    } else this.marks.restore(key, value)
  }

  /** Jobs that were not approved in time. */
  overdue(now: number): readonly Job[] {
    const overdueJobs = this.#unapproved().filter(({ approval }) => approval!.expiresAt <= now)
    return overdueJobs.slice(0, CANCELLED_AT_ONCE_MAX)
  }

  /** When the approval time of the next waiting job ends, epoch ms. */
  nextOverdueAt(): number {
    return Math.min(Infinity, ...this.#unapproved().map(({ approval }) => approval!.expiresAt))
  }

  #unapproved(): readonly Job[] {
    return this.all().filter(({ state, approval }) => state === 'waiting' && approval !== undefined)
  }

  /**
   * Ended jobs to forget, because they are too old, too many or too large together; the oldest first. Changes nothing.
   */
  expired(now: number): readonly string[] {
    const total = { jobs: 0, bytes: 0 }
    const ids: string[] = []
    for (const job of this.all().filter(isEnded)) {
      total.jobs += 1
      total.bytes += this.#jobs.get(job.id)!.bytes
      const isTooOld = now - (job.finishedAt ?? now) > KEPT_MS_MAX
      if (isTooOld || total.jobs > KEPT_JOBS_MAX || total.bytes > KEPT_BYTES_MAX) ids.push(job.id)
    }
    return ids.slice(-FORGOTTEN_AT_ONCE_MAX)
  }
}
