import type { LocalProcess } from '../processes/process.ts'

/** A server on this machine that answers on 127.0.0.1. */
export interface LocalServer {
  readonly name: string
  /** What its clients take: `host:port` for Kafka, else a URL. */
  readonly url: string
  readonly pid: number
  readonly logFile: string
  /** Resolves when its process has ended, wanted or not. */
  readonly exited: Promise<unknown>
  kill(signal: NodeJS.Signals): void
  stop(): Promise<void>
}

export const asServer = (child: LocalProcess, url: string): LocalServer => ({
  name: child.name,
  url,
  pid: child.pid,
  logFile: child.logFile,
  exited: child.exited,
  kill: (signal) => child.kill(signal),
  stop: () => child.stop(),
})
