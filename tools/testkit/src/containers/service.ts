import { createWriteStream, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChildExit } from '@weir/local-stack'
import { GenericContainer, getContainerRuntimeClient, type WaitStrategy } from 'testcontainers'
import type { TestService } from '../test-service.ts'

export interface ServiceContainerOptions {
  readonly image: string
  readonly network: string
  readonly name: string
  readonly title: string
  /** On this machine; the image has every service's probes on 3000. */
  readonly port: number
  readonly env: Readonly<Record<string, string>>
  readonly files: readonly string[]
  readonly stateDir?: string
  readonly logFile: string
}

const PORT_INSIDE = 3000
const STATE_DIR_INSIDE = '/var/lib/weir/dedup'
const READY_MS_MAX = 120_000
const LOOK_MS = 100
const STOP_SECS_MAX = 30
const LINES_SHOWN = 10

/** Starting and being ready are two things here: a test may start a service that cannot be ready yet. */
const startedIsEnough: WaitStrategy = {
  waitUntilReady: () => Promise.resolve(),
  withStartupTimeout: () => startedIsEnough,
  isStartupTimeoutSet: () => true,
  getStartupTimeout: () => READY_MS_MAX,
}

/** As in production: nothing can be written but the state and /tmp, and no rights. */
class ServiceContainer extends GenericContainer {
  constructor(image: string) {
    super(image)
    this.hostConfig.ReadonlyRootfs = true
    // The tests ask by themselves, and a process of Node every few seconds is much where many services share two cores.
    this.createOpts.Healthcheck = { Test: ['NONE'] }
    this.withDroppedCapabilities('ALL').withTmpFs({ '/tmp': 'rw' }).withWaitStrategy(startedIsEnough)
  }
}

/** A service in a container of its own. It is gone, and its log file whole, when `kill` or `stop` resolves. */
export const startServiceContainer = async (options: ServiceContainerOptions): Promise<TestService> => {
  const { image, network, name, title, port, env, files, stateDir, logFile } = options
  mkdirSync(dirname(logFile), { recursive: true })
  const log = createWriteStream(logFile, { flags: 'a' })
  const mounts = [
    ...files.map((file) => ({ source: file, target: file, mode: 'ro' as const })),
    ...(stateDir === undefined ? [] : [{ source: stateDir, target: STATE_DIR_INSIDE }]),
  ]
  const container = await new ServiceContainer(image)
    .withNetworkMode(network)
    .withCommand([name])
    // One port is mapped, so ingress answers its probes on it too.
    .withEnvironment({ ...env, INGRESS_PROBE_PORT: String(PORT_INSIDE) })
    .withExposedPorts({ container: PORT_INSIDE, host: port })
    .withBindMounts(mounts)
    .withAutoRemove(false)
    .withLogConsumer((lines) => lines.pipe(log, { end: false }))
    .start()
  const handle = (await getContainerRuntimeClient()).container.getById(container.getId())
  let exit: ChildExit | undefined
  const exited = (handle.wait() as Promise<{ StatusCode: number }>).then(({ StatusCode: code }) => {
    exit = { code, signal: null }
    return exit
  })
  const remove = async (end: () => Promise<unknown>): Promise<void> => {
    // It may have ended by itself.
    await end().catch(() => undefined)
    await exited
    await handle.remove({ force: true, v: true })
    log.end()
  }
  return {
    name,
    logFile,
    exited,
    exit: () => exit,
    untilReady: () => untilReady(title, port, logFile, () => exit),
    kill: () => remove(() => handle.kill()),
    stop: () => remove(() => handle.stop({ t: STOP_SECS_MAX })),
  }
}

const untilReady = async (
  title: string,
  port: number,
  logFile: string,
  exit: () => ChildExit | undefined,
): Promise<void> => {
  const deadline = performance.now() + READY_MS_MAX
  const isReady = () =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    )
  while (!(await isReady())) {
    const ended = exit()
    if (ended === undefined && performance.now() < deadline) {
      await sleep(LOOK_MS)
      continue
    }
    const what = ended === undefined ? 'is not ready in two minutes' : `has ended with ${ended.code}`
    const last = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LINES_SHOWN).join('\n')
    throw new Error(`the container of ${title} ${what}; its log, ${logFile}, ends with:\n${last}`)
  }
}
