import { expect, vi } from 'vitest'
import type { Pipeline } from './pipeline.ts'

export interface JobReport {
  readonly id: string
  readonly state: 'waiting' | 'running' | 'done' | 'cancelled'
  readonly counts: Readonly<Record<'scanned' | 'matched' | 'done' | 'guarded' | 'unusable', number>>
}

const WAIT = { timeout: 60_000, interval: 50 }

/** The replay service's API, as a tool calls it. */
export class ReplayJobs {
  readonly #url: string
  readonly #authorization: string

  constructor({ env }: Pipeline) {
    this.#url = env.REPLAY_URL!
    this.#authorization = `Bearer ${env.REPLAY_TOKEN!}`
  }

  async count(filter: Readonly<Record<string, string>>): Promise<number> {
    const { count } = await this.#call('GET', `/v1/letters/count?${new URLSearchParams(filter).toString()}`)
    return count as number
  }

  /** The letters of a filter, as `weir dlq ls` lists them. */
  async letters(filter: Readonly<Record<string, string>>): Promise<readonly Record<string, unknown>[]> {
    const query = new URLSearchParams({ ...filter, limit: '1000' }).toString()
    return (await this.#call('GET', `/v1/letters?${query}`)).letters as Record<string, unknown>[]
  }

  async begin(request: object): Promise<string> {
    return (await this.#call('POST', '/v1/jobs', request)).id as string
  }

  async cancel(id: string): Promise<void> {
    await this.#call('POST', `/v1/jobs/${id}/cancel`)
  }

  async report(id: string): Promise<JobReport> {
    return (await this.#call('GET', `/v1/jobs/${id}`)) as unknown as JobReport
  }

  /** Resolves with its counts once it has ended. */
  async ended(id: string): Promise<JobReport> {
    return vi.waitFor(async () => {
      const job = await this.report(id)
      expect(['done', 'cancelled']).toContain(job.state)
      return job
    }, WAIT)
  }

  /** Begins a replay and waits for its end. */
  async replay(filter: object, more: object = {}): Promise<JobReport> {
    return this.ended(await this.begin({ kind: 'replay', filter, ratePerSec: 100_000, ...more }))
  }

  async #call(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: { authorization: this.#authorization, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`the replay service answers ${response.status}: ${text}`)
    return JSON.parse(text) as Record<string, unknown>
  }
}
