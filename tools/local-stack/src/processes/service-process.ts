import { join } from 'node:path'
import { ROOT, type Folders } from '../folders.ts'
import { startProcess, waitUntilReady, type ChildExit } from './process.ts'

export interface ServiceProcess {
  readonly name: string
  readonly pid: number
  readonly logFile: string
  readonly exited: Promise<ChildExit>
  /** undefined while it runs. */
  exit(): ChildExit | undefined
  /**
   * Resolves when its `/readyz` says so; rejects, with its last log lines, when it ends or is not ready in two minutes.
   */
  untilReady(): Promise<void>
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<void>
  /** SIGTERM, as an orchestrator ends it; resolves when it has ended. */
  stop(): Promise<void>
}

/** A service of this repository as a process of its own, as in production: its settings come from `env`. */
export const startServiceProcess = (options: {
  readonly folders: Folders
  /** Its folder in `services`. */
  readonly name: string
  /** Names its log file; default: `name`. */
  readonly title?: string
  /** Of its `/readyz`; `env` must say the same. */
  readonly port: number
  readonly env: Readonly<Record<string, string | undefined>>
}): ServiceProcess => {
  const { folders, name, title = name, port, env } = options
  const child = startProcess(folders.run, {
    name: title,
    command: process.execPath,
    args: [join(ROOT, 'services', name, 'src/main.ts')],
    env,
    logFile: join(folders.logs, `${title}.log`),
    stopMsMax: 30_000,
  })
  return {
    name,
    pid: child.pid,
    logFile: child.logFile,
    exited: child.exited,
    exit: () => child.exit(),
    untilReady: () => waitUntilReady(child, async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok),
    kill: async () => {
      child.kill('SIGKILL')
      await child.exited
    },
    stop: () => child.stop(),
  }
}
