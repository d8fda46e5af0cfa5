import type { ChildExit } from '@weir/local-stack'

/** A service of this repository, started for a test. */
export interface TestService {
  readonly name: string
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
