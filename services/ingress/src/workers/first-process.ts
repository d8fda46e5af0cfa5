import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { logStart, sumMetrics, type MetricsSnapshot, type ServiceDeps } from '@weir/runtime'
import { OWN_SETTINGS, type IngressConfig } from '../config.ts'
import type { IngressService } from '../start.ts'
import { Channel } from './channel.ts'
import { RestartRule } from './restart-rule.ts'

interface Member {
  readonly worker: Worker
  readonly channel: Channel
  readonly startedAt: number
}

/**
 * Starts the workers, which share the port: this process passes each new connection to the next worker. A worker that
 * exits is restarted. If workers exit repeatedly, the service has failed. Rejects if one cannot listen.
 */
export const startWorkers = async (config: IngressConfig, deps: ServiceDeps): Promise<IngressService> => {
  logStart(deps.logger, OWN_SETTINGS, config)
  const workers = new Workers(config, deps)
  await workers.listening()
  return {
    stop: () => workers.stop(),
    failed: workers.failed,
    readiness: () => workers.missing(),
    reload: () => workers.reload(),
  }
}

class Workers {
  readonly #count: number
  readonly #deps: ServiceDeps
  readonly #members = new Map<number, Member>()
  readonly #failure = Promise.withResolvers<never>()
  readonly #restarts
  readonly #rule = new RestartRule()
  #hasStarted = false
  #isStopping = false

  constructor({ workers }: IngressConfig, deps: ServiceDeps) {
    this.#count = workers
    this.#deps = deps
    this.#failure.promise.catch(() => undefined)
    this.#restarts = deps.metrics.counter(
      'weir_ingress_worker_restarts_total',
      'Workers that ended while ingress ran and were restarted.',
    )
    this.#restarts.inc(0)
    for (let place = 1; place <= workers; place++) this.#start(place)
  }

  get failed(): Promise<never> {
    return this.#failure.promise
  }

  /** Resolves when each of them listens. Rejects if one exits before that. */
  async listening(): Promise<void> {
    const all = [...this.#members.values()].map(({ worker }) => once(worker, 'listening'))
    await Promise.race([Promise.all(all), this.#failure.promise])
    this.#hasStarted = true
  }

  missing(): readonly string[] {
    const places = Array.from({ length: this.#count }, (_, i) => i + 1)
    return places
      .filter((place) => !this.#members.has(place))
      .map((place) => `worker ${place} is not running`)
  }

  reload(): void {
    for (const { channel } of this.#members.values()) void channel.ask('reload')
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    const ends = [...this.#members.values()].map(async ({ worker, channel }) => {
      const exit = once(worker, 'exit') as Promise<[code: number | null]>
      void channel.ask('stop')
      const [code] = await exit
      if (code !== 0) throw new Error(`a worker ended with exit code ${code}`)
    })
    await Promise.all(ends)
  }

  #start(place: number): void {
    const worker = cluster.fork()
    const channel = new Channel(worker, {
      readiness: () => this.#readiness(),
      metrics: () => this.#metrics(),
    })
    this.#members.set(place, { worker, channel, startedAt: performance.now() })
    worker.on('exit', (code, signal) => this.#ended(place, code, signal))
  }

  #ended(place: number, code: number | null, signal: string | null): void {
    const { startedAt } = this.#members.get(place)!
    this.#members.delete(place)
    if (this.#isStopping) return
    this.#deps.logger.error({ worker: place, code, signal }, 'a worker has ended')
    if (!this.#hasStarted) {
      this.#failure.reject(new Error(`worker ${place} cannot start: it ended with ${code ?? signal}`))
      return
    }
    const againInMs = this.#rule.ended(performance.now() - startedAt)
    if (againInMs === undefined) {
      this.#failure.reject(new Error('workers repeatedly end soon after their start'))
      return
    }
    this.#restarts.inc()
    setTimeout(() => {
      if (!this.#isStopping) this.#start(place)
    }, againInMs)
  }

  async #readiness(): Promise<readonly string[]> {
    const reasons = [...this.#members].map(async ([place, { channel }]) => {
      const own = (await channel.ask('readiness')) as readonly string[] | undefined
      return (own ?? ['does not respond']).map((reason) => `worker ${place}: ${reason}`)
    })
    return [...this.missing(), ...(await Promise.all(reasons)).flat()]
  }

  async #metrics(): Promise<{ readonly contentType: string; readonly text: string }> {
    const { metrics } = this.#deps
    const asked = [...this.#members.values()].map(({ channel }) => channel.ask('metrics'))
    const parts = (await Promise.all(asked)).filter((part) => part !== undefined) as MetricsSnapshot[]
    const text = await sumMetrics([...parts, await metrics.snapshot()])
    return { contentType: metrics.registry.contentType, text }
  }
}
