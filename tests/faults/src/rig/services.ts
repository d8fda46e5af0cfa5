import { setTimeout as sleep } from 'node:timers/promises'
import { EVENT_SERVICES, TOPIC_SPECS } from '@weir/contracts'
import { ensureTopics } from '@weir/kafka'
import type { Folders } from '@weir/local-stack'
import { createLogger, type Closers } from '@weir/runtime'
import { defectCommand, type Defect } from '../defects/defects.ts'
import { FURTHER_INSTANCE, INSTANCES } from '../plan/plan.ts'
import type { SteppedClock } from './clock.ts'
import { allInSync } from './cluster-state.ts'
import { Instance } from './instance.ts'
import { instanceEnvironment, kafkaSettings, mainFile, portsFrom, type RigShape } from './layout.ts'
import type { Servers } from './servers.ts'

/** Whose clock can be stepped, in a breakable rig. */
export const CLOCK_SERVICE = 'dedup-1'
export const READY_MS_MAX = 300_000

interface ServiceOptions {
  readonly folders: Folders
  readonly portBase: number
  readonly defect?: Defect | undefined
  readonly shape: RigShape
  readonly progress: (text: string) => void
}

/** Two of each, and a further one of each that is not started; resolves when they are ready. */
export const startServices = async (
  { folders, portBase, defect, shape, progress }: ServiceOptions,
  servers: Servers,
  serviceClock: SteppedClock | string,
  closers: Closers,
): Promise<readonly Instance[]> => {
  const { urls, serviceUrls } = servers
  const ports = portsFrom(portBase)
  await ensureTopics({
    settings: kafkaSettings(urls),
    logger: createLogger('faults', 'warn'),
    specs: TOPIC_SPECS,
    replicationFactor: shape.brokers,
    minInsyncReplicas: Math.max(1, shape.brokers - 1),
  })
  await allInSync(urls.kafkaBrokers, READY_MS_MAX)
  const instances = EVENT_SERVICES.flatMap((kind) =>
    [...INSTANCES, FURTHER_INSTANCE].map(
      (index) =>
        new Instance({
          kind,
          index,
          folders,
          port: ports.service(kind, index),
          command: [...defectCommand(defect), mainFile(kind)],
          env: {
            ...instanceEnvironment(kind, index, { urls: serviceUrls, ports, folders }),
            ...(typeof serviceClock !== 'string' && `${kind}-${index}` === CLOCK_SERVICE && serviceClock.env),
            ...defect?.env,
          },
        }),
    ),
  )
  for (const instance of instances) {
    if (!instance.name.endsWith(`-${FURTHER_INSTANCE}`)) instance.start()
  }
  closers.add(() => Promise.all(instances.map((instance) => instance.stop())))
  const late = await notReady(instances, READY_MS_MAX)
  if (late.length > 0) throw new Error(`not ready after ${READY_MS_MAX / 1_000} s: ${late.join(', ')}`)
  progress(`${instances.filter(({ isWanted }) => isWanted).length} services are ready`)
  return instances
}

/** Which instances that are to run are not ready within the time. */
export const notReady = async (instances: readonly Instance[], ms: number): Promise<readonly string[]> => {
  const deadline = performance.now() + ms
  for (;;) {
    const wanted = instances.filter(({ isWanted }) => isWanted)
    const ready = await Promise.all(wanted.map((instance) => instance.isReady()))
    const late = wanted.filter((_, index) => ready[index] !== true).map(({ name }) => name)
    if (late.length === 0 || performance.now() > deadline) return late
    await sleep(250)
  }
}
