import type { ServiceDeps } from '@weir/runtime'
import type { IngressConfig } from '../config.ts'
import type { Probes } from '../receive/server.ts'
import { start, type IngressService } from '../start.ts'
import { Channel, type Port } from './channel.ts'

/**
 * Ingress in one worker. The probes of each worker report the state of all, because a connection may reach any of them.
 * `stop` is called when the first process says so.
 */
export const startWorker = (
  config: IngressConfig,
  deps: ServiceDeps,
  port: Port,
  stop: () => void,
): Promise<IngressService> => {
  let own: Probes | undefined
  const channel = new Channel(port, {
    readiness: () => own?.readiness() ?? ['starting'],
    metrics: async () => {
      await own?.metrics()
      return deps.metrics.snapshot()
    },
    reload: async () => (await started).reload(),
    stop,
  })
  const started = start(shareOf(config), deps, (probes) => {
    own = probes
    return probesOfAll(channel)
  })
  return started
}

/** The limits are per process, so each worker has its part of them. */
export const shareOf = (config: IngressConfig): IngressConfig => {
  const part = (bound: number): number => Math.ceil(bound / config.workers)
  return {
    ...config,
    queueBytesMax: part(config.queueBytesMax),
    arrivingBytesMax: part(config.arrivingBytesMax),
    connectionsMax: part(config.connectionsMax),
  }
}

const probesOfAll = (channel: Channel): Probes => ({
  readiness: async () =>
    ((await channel.ask('readiness')) as readonly string[] | undefined) ?? [
      'the first process does not respond',
    ],
  metrics: async () =>
    ((await channel.ask('metrics')) as Awaited<ReturnType<Probes['metrics']>> | undefined) ?? {
      contentType: 'text/plain',
      text: '',
    },
})
